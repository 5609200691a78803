"""Usage objects in OpenAI's shape as other providers fill them in, where the names and the sums differ.

Reasoning is inside the output or beside it: the provider's total tells which.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmtrace.model import RawUsage, Usage
from llmtrace.providers.amounts import InvalidUsage, count, read_count, tokens
from llmtrace.providers.base import Billing, as_mapping, as_text

INPUT = ("prompt_tokens", "input_tokens")
OUTPUT = ("completion_tokens", "output_tokens")
CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens")
STANDARD_TIERS = frozenset({"auto", "default", "standard", "on_demand"})

Read = Callable[..., int | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one usage object: `total_in` and `total_out` hold everything."""

    total_in: int | None
    cached: int | None
    written: int | None
    audio_in: int | None
    total_out: int | None
    reasoning: int | None
    audio_out: int | None


def read_counts(usage: RawUsage, read: Read) -> Counts:
    """The counts of USAGE by READ: `read_count`, or `count`, which raises."""
    into = _details(usage, "prompt_tokens_details", "input_tokens_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
    total_in, total_out, total = read(usage, *INPUT), read(usage, *OUTPUT), read(usage, "total_tokens")
    reasoning = read(out, "reasoning_tokens")
    if reasoning and None not in (total_in, total_out) and total == (total_in or 0) + (total_out or 0) + reasoning:
        total_out = (total_out or 0) + reasoning
    if reasoning is not None and total_out is not None:
        # OpenRouter counts reasoning with a tokenizer of its own, which may find more than the whole output has.
        reasoning = min(reasoning, total_out)
    cached = read(into, "cached_tokens")
    return Counts(
        total_in=total_in,
        cached=cached if cached is not None else read(usage, *CACHED),
        written=read(into, "cache_write_tokens"),
        audio_in=read(into, "audio_tokens"),
        total_out=total_out,
        reasoning=reasoning,
        audio_out=read(out, "audio_tokens"),
    )


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words."""
    counts = read_counts(usage, read_count)
    return Usage(
        input_tokens=counts.total_in,
        cached_input_tokens=counts.cached,
        cache_write_tokens=counts.written,
        output_tokens=counts.total_out,
        reasoning_tokens=counts.reasoning,
        input_audio_tokens=counts.audio_in,
        output_audio_tokens=counts.audio_out,
    )


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what it and the call STATED.

    Raises:
        InvalidUsage: a part is larger than its whole, the total is another one, or there is no input count.
    """
    counts = read_counts(usage, count)
    if counts.total_in is None:
        raise InvalidUsage(f"usage has no {' or '.join(INPUT)}")
    total_out, total = counts.total_out or 0, count(usage, "total_tokens")
    if total is not None and total != counts.total_in + total_out:
        raise InvalidUsage(f"{counts.total_in} tokens of input and {total_out} of output are not {total} in total")
    fresh = counts.total_in - (counts.cached or 0) - (counts.written or 0) - (counts.audio_in or 0)
    if fresh < 0:
        raise InvalidUsage(f"cached, written and audio tokens exceed the input of {counts.total_in} tokens")
    if (counts.audio_out or 0) > total_out:
        raise InvalidUsage(f"audio tokens exceed the output of {total_out} tokens")
    amounts = (
        ("input_uncached", fresh),
        ("input_cached", counts.cached or 0),
        ("cache_write", counts.written or 0),
        ("input_audio", counts.audio_in or 0),
        ("output", total_out - (counts.audio_out or 0)),
        ("output_audio", counts.audio_out or 0),
    )
    tier = as_text(usage.get("service_tier")) or as_text(stated.get("service_tier"))
    return Billing(tuple(tokens(*amounts)), read_conditions(stated, tier, counts.total_in))


def read_conditions(stated: Mapping[str, Any], tier: str | None, total_in: int) -> dict[str, Any]:
    """What a price depends on: TIER served TOTAL_IN tokens of input, and what the call STATED."""
    conditions: dict[str, Any] = {"input_tokens": total_in}
    if tier is not None and tier not in STANDARD_TIERS:
        conditions["service_tier"] = tier
    if stated.get("batch"):
        conditions["batch"] = True
    conditions |= {key: stated[key] for key in ("speed", "geo", "region") if stated.get(key)}
    return conditions


def _details(usage: RawUsage, *names: str) -> Mapping[str, Any]:
    return next((d for n in names if (d := as_mapping(usage.get(n)))), {})
