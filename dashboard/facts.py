"""All that is known of one call, as pairs of a name and a text: pure, and free of markup."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from llmtrace import semconv

from . import format as fmt

Row = Mapping[str, Any]
ROLES = (
    ("system_instructions", "system"),
    ("tool_definitions", "tools"),
    ("input_messages", "input"),
    ("output_messages", "output"),
)
COST_STATUSES = {
    "exact": "every part has a price",
    "estimated": "tokens were estimated, not reported by the provider",
    "lower_bound": "at least this: the provider's usage was cut short",
    "partial": "the known part: something that was billed has no price",
    "unpriced": "no price is known",
    "invalid_usage": "the usage makes no sense, so it was not priced",
    "not_billed": "the provider does not charge for it",
    "committed": "covered by capacity paid for in advance",
    "provider_reported": "as the provider itself said",
    "price_expired": "by a price that may have ended",
}


def identity(call: Row) -> list[tuple[str, str]]:
    """Whose CALL it was."""
    source = f" (by {fmt.plain(call['feature_source'])})" if call["feature_source"] else ""
    return _known(
        ("Feature", fmt.group_name(call["feature"]) + source),
        ("Service", call["service"]),
        ("Environment", call["environment"]),
        ("User", call["user_id"]),
        ("Session", call["session_id"]),
        ("Tenant", call["tenant"]),
        ("Prompt version", call["prompt_version"]),
        *((f"Tag {fmt.shorten(key, 24)}", value) for key, value in sorted(_object(call["tags"]).items())),
    )


def request(call: Row) -> list[tuple[str, str]]:
    """What was asked of whom in CALL."""
    answered = call["response_model"] if call["response_model"] != call["request_model"] else None
    return _known(
        ("Provider", call["provider"]),
        ("Endpoint", call["endpoint"] or call["operation"]),
        ("Model", call["request_model"]),
        ("Answered by", answered),
        ("Server", call["server_address"]),
        ("Service tier", call["service_tier"]),
        ("Streamed", "yes" if call["stream"] else "no"),
        ("Response id", call["response_id"]),
        ("Request id", call["request_id"]),
    )


def outcome(call: Row, attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How CALL ended, after which attempts; ATTRIBUTES are its span's."""
    return _known(
        ("Status", call["status"]),
        ("Error", call["error_type"]),
        ("HTTP status", call["http_status"]),
        ("Finish reason", call["finish_reason"]),
        ("Attempts", attempts(call, attributes)),
        ("Waited to retry", fmt.seconds(call["retry_wait_s"]) if call["retry_wait_s"] else None),
        ("Usage", {"provider": "reported by the provider", "missing": "not reported"}.get(
            call["usage_source"], call["usage_source"])),
        *rate_limits(attributes),
    )  # fmt: skip


def attempts(call: Row, attributes: Mapping[str, Any]) -> str | None:
    """The HTTP attempts of CALL in a line, with the waits between them."""
    outcomes, waits = attributes.get(semconv.ATTEMPT_OUTCOMES), attributes.get(semconv.ATTEMPT_WAITS_S)
    if not isinstance(outcomes, list) or not isinstance(waits, list) or len(outcomes) != len(waits):
        return fmt.count(call["attempts"]) if call["attempts"] else None
    steps = [
        fmt.plain(str(outcome)) + (f", waited {fmt.seconds(float(wait))}" if wait else "")
        for outcome, wait in zip(outcomes, waits, strict=True)
    ]
    return f"{len(steps)}: " + " → ".join(steps)


def rate_limits(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the provider's headers said of its limits: for each kind what is left of how much, and until when."""
    prefix = semconv.RATE_LIMIT_PREFIX
    kinds: dict[str, dict[str, Any]] = {}
    for name, value in attributes.items():
        if name.startswith(prefix):
            kind, _, what = name.removeprefix(prefix).rpartition(".")
            kinds.setdefault(kind, {})[what] = value
    return [(f"Limit of {fmt.shorten(kind, 30)}", _limit(said)) for kind, said in sorted(kinds.items())]


def _limit(said: Mapping[str, Any]) -> str:
    def figure(name: str) -> str:
        value = said.get(name)
        return f"{value:,.0f}" if isinstance(value, int | float) else fmt.UNKNOWN

    reset_s = said.get("reset_s")
    until = f", renewed in {reset_s:g} s" if isinstance(reset_s, int | float) and reset_s else ""
    return f"{figure('remaining')} of {figure('limit')} left{until}"


def ids(call: Row) -> list[tuple[str, str]]:
    """The ids of CALL."""
    return _known(("Trace", call["trace_id"]), ("Span", call["span_id"]), ("Parent span", call["parent_span_id"]))


def buckets(call: Row) -> list[tuple[str, int]]:
    """The tokens of CALL by kind; the parts that a kind is made of are indented below it."""
    pairs = (
        ("Input", "input_tokens"),
        ("  read from cache", "cached_input_tokens"),
        ("  written to cache", "cache_write_tokens"),
        ("  audio", "input_audio_tokens"),
        ("  images", "image_tokens"),
        ("Output", "output_tokens"),
        ("  reasoning", "reasoning_tokens"),
        ("  audio", "output_audio_tokens"),
    )
    return [(name, call[column]) for name, column in pairs if call[column] is not None]


def tokens_per_second(call: Row) -> float | None:
    """How fast CALL put out tokens: after the first one where it was streamed."""
    span_s = (call["duration_s"] or 0) - (call["ttft_s"] or 0)
    return call["output_tokens"] / span_s if call["output_tokens"] and span_s > 0 else None


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the bill in words; `source` is an address on the web, or None."""

    component: str
    quantity: str
    rate: str
    factor: str
    cost: str
    since: str
    source: str | None
    note: str


def items(rows: Sequence[Row]) -> list[Item]:
    """The answer ROWS of `cost_items` in words."""
    return [_item(row) for row in rows]


def _item(row: Row) -> Item:
    per = f"{row['per']:,}" if row["per"] != 1_000_000 else "1M"
    unit = fmt.plain(row["unit"])
    rate = fmt.UNKNOWN if row["rate"] is None else f"{fmt.exact_money(row['rate'])} per {per} {unit}s"
    if row["rate"] is not None and row["per"] == 1:
        rate = f"{fmt.exact_money(row['rate'])} per {unit}"
    is_plain = row["multiplier"] == 1
    reason = f" {fmt.plain(row['multiplier_reason'])}" if row["multiplier_reason"] else ""
    source = row["source_url"] or ""
    notes = [row["note"], None if row["confidence"] in (None, "official") else f"source: {row['confidence']}"]
    return Item(
        fmt.plain(row["component"]).replace("_", " "),
        f"{_trimmed(row['quantity'])} {unit}{'s' * (row['quantity'] != 1)}",
        rate,
        "" if is_plain else f"× {_trimmed(row['multiplier'])}{reason}",
        fmt.exact_money(row["cost_usd"]) if row["cost_usd"] is not None else "no price",
        (row["price_row_id"] or "").rpartition("@")[2] or fmt.UNKNOWN,
        source if source.startswith(("https://", "http://")) else None,
        "; ".join(fmt.plain(note) for note in notes if note),
    )


def _trimmed(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def messages(content: Row | None) -> list[tuple[str, str]]:
    """The captured CONTENT of a call as texts with their roles, in the order in which they were said."""
    found: list[tuple[str, str]] = []
    for column, role in ROLES:
        text = None if content is None else content[column]
        if text:
            found += _messages(text, role)
    return found


def _messages(text: str, role: str) -> list[tuple[str, str]]:
    """TEXT, a document, message by message; as it stands where it is not a list of messages."""
    document = _document(text)
    if not isinstance(document, list) or not all(isinstance(m, dict) and "role" in m for m in document):
        return [(role, text if document is None else json.dumps(document, ensure_ascii=False, indent=2))]
    return [(fmt.shorten(str(message["role"]), 30), _parts(message)) for message in document]


def _parts(message: Mapping[str, Any]) -> str:
    """The text of MESSAGE where that is all there is; else the whole as a document."""
    parts = message.get("parts")
    if isinstance(parts, list) and parts and all(_is_text(part) for part in parts):
        return "\n".join(part["content"] for part in parts)
    if isinstance(message.get("content"), str):
        return str(message["content"])
    rest = {name: value for name, value in message.items() if name != "role"}
    return json.dumps(rest, ensure_ascii=False, indent=2)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("content"), str)


def attributes_of(span: Row | None) -> dict[str, Any]:
    """The attributes of SPAN."""
    return _object(span["attributes"]) if span is not None else {}


def _object(text: str | None) -> dict[str, Any]:
    found = _document(text or "")
    return found if isinstance(found, dict) else {}


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _known(*pairs: tuple[str, Any]) -> list[tuple[str, str]]:
    return [(name, fmt.plain(str(value))) for name, value in pairs if value is not None]
