"""Usage objects of OpenRouter, and of Vercel's gateway: `cost` is what was charged, in US dollars.

With a key of one's own, the charge is the gateway's fee alone, and the provider behind it charges
`cost_details.upstream_inference_cost`.

Sources: https://openrouter.ai/docs/use-cases/usage-accounting, https://vercel.com/docs/ai-gateway
"""

from decimal import Decimal

from llmtrace.model import RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import as_money
from llmtrace.providers.base import UsageFamily, as_mapping
from llmtrace.providers.reported_usage import bill_reported


def read_cost(usage: RawUsage) -> Decimal | None:
    """What the gateway says that the call cost; None where a part of it is not told."""
    charged = as_money(usage.get("cost"))
    if charged is None or not usage.get("is_byok"):
        return charged
    upstream = as_money(as_mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else charged + upstream


FAMILY = UsageFamily(
    providers=frozenset({"openrouter", "vercel"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill_reported(read_cost),
)
