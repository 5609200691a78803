"""Anthropic's usage objects: `input_tokens` leaves out what was read from and written to a cache.

Compaction and advisor turns stand only in `iterations`, not in the top-level counts, and an advisor is billed at its
own model's price.

Sources: https://platform.claude.com/docs/en/about-claude/pricing,
https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from llmtrace.model import Quantity, RawUsage, Usage
from llmtrace.providers.amounts import as_money, count, measure, read_count, require
from llmtrace.providers.base import Billing, as_mapping, as_text

READ, WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
# Iterations whose tokens the top-level counts leave out; the others are their sum.
BILLED_APART = frozenset({"compaction", "advisor_message"})
ASSUMED_TTL = "taken as a 5-minute cache write"


def merge_usage(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Mapping[str, Any]:
    """BEFORE with every value that AFTER states: an event's null or missing field says nothing."""
    stated = {key: value for key, value in after.items() if value is not None}
    return {**before, **stated} if before else stated


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words: cache reads and writes are added to the input, separate turns to both sides.

    Source: the rule for Anthropic in OpenTelemetry's GenAI conventions.
    """
    usage = _as_own(as_mapping(usage.get("session")) or usage)
    turns = [usage, *_billed_apart(usage)]
    fresh = read_count(usage, "input_tokens")
    inputs = [read_count(t, name) or 0 for t in turns for name in ("input_tokens", READ, WRITTEN)]
    read = [read_count(t, READ) for t in turns]
    written = [read_count(t, WRITTEN) for t in turns]
    output = read_count(usage, "output_tokens")
    return Usage(
        input_tokens=None if fresh is None else sum(inputs),
        cached_input_tokens=_sum(read),
        cache_write_tokens=_sum(written),
        output_tokens=None if output is None else sum(read_count(t, "output_tokens") or 0 for t in turns),
        reasoning_tokens=read_count(as_mapping(usage.get("output_tokens_details")), "thinking_tokens"),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as Anthropic would report it: for counts that are not the provider's own."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    return {
        "input_tokens": None if usage.input_tokens is None else usage.input_tokens - cached - written,
        READ: cached,
        WRITTEN: written,
        "output_tokens": usage.output_tokens,
    }


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, under what it and the call STATED.

    Raises:
        InvalidUsage: a count is negative, or there is no input count.
    """
    session, reported_usd = as_mapping(usage.get("session")), _list_cost(usage)
    usage = _as_own(session or usage)
    require(usage, "input_tokens")
    total_in = sum(count(usage, name) or 0 for name in ("input_tokens", READ, WRITTEN))
    ttl = as_text(stated.get("cache_ttl"))
    quantities = _turn(usage, None, ttl)
    for turn in _billed_apart(usage):
        advisor = as_text(turn.get("model")) if turn.get("type") == "advisor_message" else None
        quantities += _turn(turn, advisor, ttl)
    searches = count(as_mapping(usage.get("server_tool_use")), "web_search_requests") or 0
    if searches:
        quantities.append(Quantity("web_search", Decimal(searches), "call"))
    # A managed agent's session is billed by its running time too.
    hours = _hours(session)
    if hours:
        quantities.append(Quantity("session_hour", hours, "hour"))
    tier = _text(usage.get("service_tier")) or _text(stated.get("service_tier"))
    conditions: dict[str, Any] = {"input_tokens": total_in}
    if stated.get("batch") or tier == "batch":
        conditions["batch"] = True
    if tier not in (None, "standard", "default", "auto", "priority", "batch"):
        conditions["service_tier"] = tier
    for key, name in (("speed", "speed"), ("geo", "inference_geo")):
        value = _text(usage.get(name)) or _text(stated.get(key))
        if value is not None and value != "not_available":
            conditions[key] = value
    refused = "refusal" in finish_reasons and not count(usage, "output_tokens")
    return Billing(
        tuple(quantities),
        conditions,
        committed=tier == "priority",
        refused=refused,
        reported_usd=reported_usd,
    )


def _hours(session: Mapping[str, Any]) -> Decimal:
    """How long SESSION ran."""
    hours, active_s = measure(session, "running_hours"), measure(session, "active_seconds")
    return hours if hours is not None else (active_s or Decimal(0)) / 3600


def _list_cost(usage: RawUsage) -> Decimal | None:
    """What the session of USAGE cost, where several agents took part: their models are not told. It is in cents."""
    cost = as_mapping(as_mapping(usage.get("session")).get("list_cost"))
    cents = as_money(cost.get("amount")) if usage.get("multiagent") and cost.get("currency") == "USD" else None
    return None if cents is None else cents / 100


def _as_own(usage: RawUsage) -> RawUsage:
    """USAGE under Anthropic's names: endpoints that are compatible with OpenAI's have others."""
    if "prompt_tokens" not in usage:
        return usage
    total, cached = usage["prompt_tokens"], as_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    fresh = total - cached if isinstance(total, int) and isinstance(cached, int) else total
    return {"input_tokens": fresh, READ: cached, "output_tokens": usage.get("completion_tokens")}


def _turn(turn: Mapping[str, Any], model: str | None, ttl: str | None) -> list[Quantity]:
    """The quantities of one turn; writes without a split are kept for TTL, or 5 minutes, which is the default."""
    split = as_mapping(turn.get("cache_creation"))
    hour, minutes = count(split, "ephemeral_1h_input_tokens") or 0, count(split, "ephemeral_5m_input_tokens") or 0
    rest = max((count(turn, WRITTEN) or 0) - hour - minutes, 0)
    amounts = (
        ("input_uncached", count(turn, "input_tokens") or 0, None),
        ("input_cached", count(turn, READ) or 0, None),
        ("cache_write_5m", minutes, None),
        ("cache_write_1h", hour, None),
        (f"cache_write_{ttl or '5m'}", rest, ASSUMED_TTL if ttl is None and rest else None),
        ("output", count(turn, "output_tokens") or 0, None),
    )
    return [Quantity(name, Decimal(n), model=model, assumption=note) for name, n, note in amounts if n]


def _billed_apart(usage: RawUsage) -> list[Mapping[str, Any]]:
    iterations = usage.get("iterations")
    entries = [as_mapping(i) for i in iterations] if isinstance(iterations, list | tuple) else []
    return [i for i in entries if as_text(i.get("type")) in BILLED_APART]


def _sum(counts: list[int | None]) -> int | None:
    said = [n for n in counts if n is not None]
    return sum(said) if said else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
