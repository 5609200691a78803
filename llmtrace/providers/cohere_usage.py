"""Cohere's usage objects: `billed_units` is what is charged, `tokens` what the model saw.

Source: https://docs.cohere.com/reference/chat
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers import compatible_usage
from llmtrace.providers.amounts import InvalidUsage, count, read_count
from llmtrace.providers.base import Billing, UsageFamily, as_mapping, as_text
from llmtrace.providers.compatible_usage import read_conditions

# What is charged by the piece, by component.
PIECES = (("search_units", "search_unit"), ("classifications", "classification"), ("images", "input_images"))


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: what is billed, or else what the model saw."""
    if _is_openai(usage):
        return compatible_usage.normalise(usage)
    billed, seen = as_mapping(usage.get("billed_units")), as_mapping(usage.get("tokens"))
    total_in, total_out = read_count(billed, "input_tokens"), read_count(billed, "output_tokens")
    return Usage(
        input_tokens=total_in if total_in is not None else read_count(seen, "input_tokens"),
        output_tokens=total_out if total_out is not None else read_count(seen, "output_tokens"),
        reasoning_tokens=read_count(seen, "reasoning_tokens"),
        image_tokens=read_count(billed, "image_tokens"),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as Cohere would report it: for counts that are not the provider's own."""
    return {"billed_units": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}}


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """The units of USAGE that are billed, under what the call STATED.

    Raises:
        InvalidUsage: nothing is said to be billed, or a count is none.
    """
    if _is_openai(usage):
        return compatible_usage.bill(usage, stated, finish_reasons)
    billed = as_mapping(usage.get("billed_units"))
    names = ("input_tokens", "output_tokens", "image_tokens", *(name for name, _ in PIECES))
    if all(count(billed, name) is None for name in names):
        raise InvalidUsage("usage has no billed_units")
    total_in = count(billed, "input_tokens") or 0
    amounts = (
        ("input_uncached", total_in, "token"),
        ("input_image", count(billed, "image_tokens") or 0, "token"),
        ("output", count(billed, "output_tokens") or 0, "token"),
        *((component, count(billed, name) or 0, "call") for name, component in PIECES),
    )
    quantities = tuple(Quantity(name, Decimal(n), unit) for name, n, unit in amounts)
    return Billing(quantities, read_conditions(stated, as_text(stated.get("service_tier")), total_in))


def _is_openai(usage: RawUsage) -> bool:
    """Whether USAGE came from the endpoint that is compatible with OpenAI's."""
    return "prompt_tokens" in usage


FAMILY = UsageFamily(providers=frozenset({"cohere"}), normalise=normalise, denormalise=denormalise, bill=bill)
