"""Mistral's usage objects: OpenAI's; what came from a cache is also told as `num_cached_tokens`.

Reading documents is billed by the page.

Sources: https://docs.mistral.ai/api, https://docs.mistral.ai/inference/pricing
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.amounts import count
from llmtrace.providers.base import Billing, UsageFamily

PAGES = ("pages_processed", "pages")


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: a count contradicts its whole, or is none.
    """
    pages = count(usage, *PAGES)
    if pages is None:
        return compatible_usage.bill(usage, stated, finish_reasons)
    return Billing((Quantity("page", Decimal(pages), "page"),), compatible_usage.read_conditions(stated, None, 0))


FAMILY = UsageFamily(
    providers=frozenset({"mistral_ai"}),
    normalise=compatible_usage.normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
)
