"""xAI's usage objects: OpenAI's, with reasoning beside the output of chat completions and inside that of responses.

`cost_in_usd_ticks` is what the call cost, tools included, in ten-billionths of a US dollar.

Source: https://docs.x.ai/docs/api-reference
"""

from decimal import Decimal

from llmtrace.model import RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import as_money
from llmtrace.providers.base import UsageFamily
from llmtrace.providers.reported_usage import bill_reported

USD_PER_TICK = Decimal("1e-10")


def read_cost(usage: RawUsage) -> Decimal | None:
    """What xAI says that the call cost, in US dollars."""
    ticks = as_money(usage.get("cost_in_usd_ticks"))
    return None if ticks is None else ticks * USD_PER_TICK


FAMILY = UsageFamily(
    providers=frozenset({"x_ai"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill_reported(read_cost),
)
