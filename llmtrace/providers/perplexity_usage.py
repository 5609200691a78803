"""Perplexity's usage objects: `cost` tells what tokens and searches of the call cost together.

Source: https://docs.perplexity.ai/api-reference/chat-completions-post
"""

from decimal import Decimal

from llmtrace.model import RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import as_money
from llmtrace.providers.base import UsageFamily, as_mapping
from llmtrace.providers.reported_usage import bill_reported


def read_cost(usage: RawUsage) -> Decimal | None:
    """What Perplexity says that the call cost, in US dollars."""
    cost = as_mapping(usage.get("cost"))
    return as_money(cost.get("total_cost")) if cost.get("currency") in (None, "USD") else None


FAMILY = UsageFamily(
    providers=frozenset({"perplexity"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill_reported(read_cost),
)
