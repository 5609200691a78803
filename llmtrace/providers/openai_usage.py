"""OpenAI's usage objects: every count is inside `prompt_tokens` or `completion_tokens`, and billed once.

Cached and written tokens are subsets of the input, reasoning and rejected predictions of the output. The tier that
served a request is the response's, not the request's: priority requests may be downgraded and billed as standard.

Sources: https://developers.openai.com/api/docs/pricing, https://developers.openai.com/api/docs/guides/prompt-caching,
https://developers.openai.com/api/docs/guides/priority-processing
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers import azure_usage, openai_fees
from llmtrace.providers.amounts import InvalidUsage, count, read_count, require, tokens
from llmtrace.providers.base import Billing, as_list, as_mapping, as_text

INPUT = ("prompt_tokens", "input_tokens")
OUTPUT = ("completion_tokens", "output_tokens")
# Chat, Responses and images, then realtime and transcription, name the parts of a count differently.
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
# Where image tokens have a rate of their own; elsewhere they are part of the text.
IMAGES_APART = ("images.", "realtime")
KINDS = (
    ("audio", "audio_tokens", "input_audio", "input_audio_cached"),
    ("image", "image_tokens", "input_image", "input_image_cached"),
)
# The answer to a request for `fast` or `priority` says `priority`; both are one price.
TIERS = {"auto": None, "standard": "default", "fast": "priority"}
AUTO_ASSUMED = "the tier 'auto' says what was asked; taken as served at the standard one"
# Paid in advance: https://developers.openai.com/api/docs/pricing
COMMITTED = frozenset({"scale", "reserved"})
CACHE_WRITE_TTLS = (("ttl_30m_tokens", "cache_write"), ("ttl_12h_tokens", "cache_write_12h"))
# By the time to live that was asked for; 30 minutes is the default.
CACHE_WRITES = {None: "cache_write", "30m": "cache_write", "12h": "cache_write_12h"}


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: the totals are OpenAI's own."""
    if "per_model_usage" in usage:
        return _sum_up(usage)
    into, out = _details(usage, *INPUT_DETAILS), _details(usage, *OUTPUT_DETAILS)
    return Usage(
        input_tokens=read_count(usage, *INPUT),
        cached_input_tokens=read_count(into, "cached_tokens"),
        cache_write_tokens=read_count(into, "cache_write_tokens"),
        output_tokens=read_count(usage, *OUTPUT),
        reasoning_tokens=read_count(out, "reasoning_tokens"),
        input_audio_tokens=read_count(into, "audio_tokens"),
        output_audio_tokens=read_count(out, "audio_tokens"),
        image_tokens=read_count(into, "image_tokens"),
    )


def _sum_up(usage: RawUsage) -> Usage:
    """USAGE of several models in one piece of work."""
    parts = [as_mapping(part) for part in as_list(usage.get("per_model_usage"))]

    def total(name: str) -> int | None:
        told = [n for part in parts if (n := read_count(part, name)) is not None]
        return sum(told) if told else None

    return Usage(
        input_tokens=total("prompt_tokens"),
        cached_input_tokens=total("cached_tokens"),
        output_tokens=total("completion_tokens"),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as OpenAI would report it: for counts that are not the provider's own."""
    into = {
        "cached_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
    }
    out = {"reasoning_tokens": usage.reasoning_tokens, "audio_tokens": usage.output_audio_tokens}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_tokens_details": into,
        "output_tokens_details": out,
    }


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what the call STATED, its `provider` and `endpoint` among it.

    Raises:
        InvalidUsage: a part is larger than its whole, or there is no input count.
    """
    terms = _bill(usage, stated)
    return azure_usage.deployed(terms, stated) if stated.get("provider") == azure_usage.PROVIDER else terms


def _bill(usage: RawUsage, stated: Mapping[str, Any]) -> Billing:
    endpoint = as_text(stated.get("endpoint")) or ""
    drawn = openai_fees.drawn(usage) if endpoint.startswith("images.") else []
    if INPUT[0] not in usage and INPUT[1] not in usage:
        counted = [*openai_fees.counted_otherwise(usage, endpoint), *drawn]
        if counted:
            terms = _terms((*counted, *openai_fees.tools(stated)), stated, 0)
            assumed = next((q.assumption for q in counted if q.assumption), None)
            return terms if assumed is None else terms._replace(assumption=assumed)
    total_in = require(usage, *INPUT)
    quantities = [
        *_input(_details(usage, *INPUT_DETAILS), total_in, stated, endpoint),
        *_output(_details(usage, *OUTPUT_DETAILS), count(usage, *OUTPUT) or 0, endpoint),
        *openai_fees.tools(stated),
        *drawn,
    ]
    return _terms(tuple(quantities), stated, total_in)


def _input(into: Mapping[str, Any], total: int, stated: Mapping[str, Any], endpoint: str) -> list[Quantity]:
    """The input by modality, what was read from a cache apart; cached tokens are text where nothing else is said."""
    kinds = KINDS if endpoint.startswith(IMAGES_APART) else KINDS[:1]
    split = as_mapping(into.get("cached_tokens_details"))
    cached, written = count(into, "cached_tokens") or 0, count(into, "cache_write_tokens") or 0
    parts: list[tuple[str, int]] = []
    fresh, cached_text = total - cached - written, cached
    for kind, name, component, cached_component in kinds:
        both, read = count(into, name) or 0, count(split, name) or 0
        if read > both:
            raise InvalidUsage(f"cached {kind} tokens exceed the {both} {kind} tokens of the input")
        parts += [(component, both - read), (cached_component, read)]
        fresh, cached_text = fresh - (both - read), cached_text - read
    if fresh < 0 or cached_text < 0:
        apart = " and ".join(kind for kind, *_ in kinds)
        raise InvalidUsage(f"cached, written and {apart} tokens exceed the input of {total} tokens")
    writes = _writes(into, written, as_text(stated.get("cache_ttl")))
    return tokens(("input_uncached", fresh), ("input_cached", cached_text), *writes, *parts)


def _output(out: Mapping[str, Any], total: int, endpoint: str) -> list[Quantity]:
    """The output by modality: where usage does not split it, all of it is what the endpoint makes."""
    audio = count(out, "audio_tokens")
    image = count(out, "image_tokens") if endpoint.startswith(IMAGES_APART) else 0
    if audio is None:
        audio = total if endpoint == "audio.speech" else 0
    if image is None:
        image = total - (count(out, "text_tokens") or 0) if endpoint.startswith("images.") else 0
    if audio + image > total or image < 0:
        raise InvalidUsage(f"audio and image tokens exceed the output of {total} tokens")
    return tokens(("output", total - audio - image), ("output_audio", audio), ("output_image", image))


def _details(usage: RawUsage, *names: str) -> Mapping[str, Any]:
    for name in names:
        details = as_mapping(usage.get(name))
        if details:
            return details
    return {}


def _writes(into: Mapping[str, Any], written: int, ttl: str | None) -> list[tuple[str, int]]:
    """Cache writes by how long they are kept, which usage tells in newer answers and the request in older ones."""
    split = as_mapping(into.get("cache_write_tokens_details"))
    if split:
        parts = [(component, count(split, name) or 0) for name, component in CACHE_WRITE_TTLS]
        if sum(n for _, n in parts) == written:
            return parts
    return [(CACHE_WRITES.get(ttl, f"cache_write_{ttl}"), written)]


def _terms(quantities: tuple[Quantity, ...], stated: Mapping[str, Any], total_in: int) -> Billing:
    """QUANTITIES under the tier that served them, as far as it is STATED."""
    tier = as_text(stated.get("service_tier"))
    is_committed = tier in COMMITTED
    conditions = _conditions(stated, None if is_committed else tier, total_in)
    return Billing(quantities, conditions, committed=is_committed, assumption=AUTO_ASSUMED if tier == "auto" else None)


def _conditions(stated: Mapping[str, Any], tier: str | None, total_in: int) -> dict[str, Any]:
    conditions: dict[str, Any] = {"input_tokens": total_in}
    served = TIERS.get(tier, tier) if tier is not None else None
    if served is not None:
        conditions["service_tier"] = served
    if stated.get("batch"):
        conditions["batch"] = True
    region = stated.get("regional_processing") or stated.get("region")
    if region:
        conditions["region"] = region
    deployment = as_text(stated.get("deployment_type"))
    if deployment is not None:
        conditions["deployment"] = deployment
    return conditions
