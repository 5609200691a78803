"""Mistral's usage objects: OpenAI's; what came from a cache is also told as `num_cached_tokens`. Documents are counted
in pages.

Source: https://docs.mistral.ai/api
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.base import Billing, UsageFamily, count
from llmtrace.providers.compatible_usage import read_conditions


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what it and the call STATED.

    Raises:
        InvalidUsage: a part is larger than its whole, the total is another one, or nothing is counted.
    """
    pages = count(usage, "pages_processed")
    if pages is not None:
        return Billing((Quantity("page", Decimal(pages), "call"),), read_conditions(stated, None, 0))
    return compatible_usage.bill(usage, stated, finish_reasons)


FAMILY = UsageFamily(
    providers=frozenset({"mistral_ai"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
)
