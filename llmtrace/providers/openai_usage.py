"""OpenAI's usage objects: every count is inside `prompt_tokens` or `completion_tokens`, and billed once.

Cached and written tokens are subsets of the input, reasoning and rejected predictions of the output. The tier that
served a request is the response's, not the request's: priority requests may be downgraded and billed as standard.

Sources: https://developers.openai.com/api/docs/pricing, https://developers.openai.com/api/docs/guides/prompt-caching,
https://developers.openai.com/api/docs/guides/priority-processing
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers.base import Billing, InvalidUsage, as_mapping, count, read_count, require

INPUT = ("prompt_tokens", "input_tokens")
OUTPUT = ("completion_tokens", "output_tokens")
# The answer to a request for `fast` or `priority` says `priority`; both are one price.
TIERS = {"auto": None, "standard": "default", "fast": "priority"}
CACHE_WRITE_TTLS = (("ttl_30m_tokens", "cache_write"), ("ttl_12h_tokens", "cache_write_12h"))


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: the totals are OpenAI's own."""
    into = _details(usage, "prompt_tokens_details", "input_tokens_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
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
    """USAGE as disjoint quantities, under what the call STATED.

    Raises:
        InvalidUsage: a part is larger than its whole, or there is no input count.
    """
    into = _details(usage, "prompt_tokens_details", "input_tokens_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
    total_in, total_out = require(usage, *INPUT), count(usage, *OUTPUT) or 0
    cached, written = count(into, "cached_tokens") or 0, count(into, "cache_write_tokens") or 0
    audio_in, audio_out = count(into, "audio_tokens") or 0, count(out, "audio_tokens") or 0
    fresh = total_in - cached - written - audio_in
    if fresh < 0:
        raise InvalidUsage(f"cached, written and audio tokens exceed the input of {total_in} tokens")
    if audio_out > total_out:
        raise InvalidUsage(f"audio tokens exceed the output of {total_out} tokens")
    quantities = [
        _tokens("input_uncached", fresh),
        _tokens("input_cached", cached),
        *_writes(into, written, stated.get("cache_ttl")),
        _tokens("input_audio", audio_in),
        _tokens("output", total_out - audio_out),
        _tokens("output_audio", audio_out),
        *_tools(stated),
    ]
    return Billing(tuple(quantities), _conditions(stated, total_in))


def _details(usage: RawUsage, *names: str) -> Mapping[str, Any]:
    return next((d for n in names if (d := as_mapping(usage.get(n)))), {})


def _tokens(component: str, amount: int, assumption: str | None = None) -> Quantity:
    return Quantity(component, Decimal(amount), assumption=assumption)


def _writes(into: Mapping[str, Any], written: int, ttl: Any) -> list[Quantity]:
    """Cache writes by how long they are kept, which usage tells in newer answers and the request in older ones."""
    split = as_mapping(into.get("cache_write_tokens_details"))
    if split:
        parts = [(component, count(split, name) or 0) for name, component in CACHE_WRITE_TTLS]
        if sum(n for _, n in parts) == written:
            return [_tokens(component, n) for component, n in parts]
    return [_tokens("cache_write_12h" if ttl == "12h" else "cache_write", written)]


def _tools(stated: Mapping[str, Any]) -> list[Quantity]:
    """Fees per tool call: counted in the response's output items, so the caller states them."""
    fees = []
    searches = count(stated, "web_search_calls")
    if searches:
        preview = stated.get("tool") == "web_search_preview"
        fees.append(Quantity("web_search_preview" if preview else "web_search", Decimal(searches), "call"))
    files = count(stated, "file_search_calls")
    if files:
        fees.append(Quantity("file_search", Decimal(files), "call"))
    runs = count(stated, "code_interpreter_calls")
    if runs:
        # Billed by the container's session, which many calls may share: no call has a price of its own.
        fees.append(Quantity("code_interpreter", Decimal(runs), "call"))
    images = count(stated, "image_generation_calls")
    if images:
        # Billed by the tokens of an image model that the response does not name.
        fees.append(Quantity("image_generation", Decimal(images), "call"))
    return fees


def _conditions(stated: Mapping[str, Any], total_in: int) -> dict[str, Any]:
    conditions: dict[str, Any] = {"input_tokens": total_in}
    tier = stated.get("service_tier")
    tier = TIERS.get(tier, tier) if isinstance(tier, str) else None
    if tier is not None:
        conditions["service_tier"] = tier
    if stated.get("batch"):
        conditions["batch"] = True
    region = stated.get("regional_processing") or stated.get("region")
    if region:
        conditions["region"] = region
    return conditions
