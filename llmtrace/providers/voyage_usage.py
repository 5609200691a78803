"""Voyage's usage objects: embeddings have no output, and the total is their input.

Source: https://docs.voyageai.com/reference/embeddings-api
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.model import RawUsage, Usage
from llmtrace.providers import compatible_usage, openai_usage
from llmtrace.providers.base import Billing, UsageFamily

COUNTED = frozenset({*compatible_usage.INPUT, *compatible_usage.OUTPUT})


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words."""
    return compatible_usage.normalise(_with_input(usage))


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as its input, under what it and the call STATED.

    Raises:
        InvalidUsage: there is no count, or a negative one.
    """
    return compatible_usage.bill(_with_input(usage), stated, finish_reasons)


def _with_input(usage: RawUsage) -> RawUsage:
    if "total_tokens" in usage and COUNTED.isdisjoint(usage):
        return {**usage, "prompt_tokens": usage["total_tokens"]}
    return usage


FAMILY = UsageFamily(
    providers=frozenset({"voyage_ai"}),
    normalise=normalise,
    denormalise=openai_usage.denormalise,
    bill=bill,
)
