"""Provider answers written by hand from the public API definitions, as rows that a server can give.

A file holds one theme of one API. `request` is what its bodies are asked with, `expect` what each row of `calls` says:
a column that is not named is NULL, but for the defaults below. `ways` says what is different in some ways of calling,
by the start of their name, or in all that leave the answer `unparsed`; `left` what a row says of a stream that was not
read to its end. An answer is `json`, a `text`, or the `events` of a stream: mappings are sent as events, strings as
they stand.

Sources: https://github.com/openai/openai-openapi, https://platform.openai.com/docs/api-reference,
https://platform.claude.com/docs/en/api/messages
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from replaying import Row

FOLDER = Path(__file__).parent
# Columns that every row has, and how they read where a body does not say otherwise; `http_status` is the answer's.
DEFAULTS = {"status": "ok", "usage_source": "provider", "cost_status": "exact"}
COLUMNS = (
    "status", "error_type", "http_status", "response_id", "response_model", "finish_reason", "service_tier",
    "usage_source", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "input_audio_tokens", "output_audio_tokens", "image_tokens", "cost_status",
)  # fmt: skip
# Whose event streams name each event by its type, and which end with [DONE].
NAMED_EVENTS = frozenset({
    "messages", "beta_messages", "complete", "responses", "retrieve", "images", "image_edits", "transcriptions",
    "agent_events",
})  # fmt: skip
KEYS = frozenset({
    "name", "operation", "provider", "request", "response_id", "status", "headers", "json", "text", "events",
    "line_end", "indent", "done", "breaks", "expect", "ways", "left",
})  # fmt: skip


@lru_cache(maxsize=1)
def read_bodies() -> tuple[tuple[Row, Mapping[str, Any]], ...]:
    """Every body as a row, with its entry as it stands in the file."""
    return tuple(pair for path in sorted(FOLDER.glob("*.yaml")) for pair in _read_file(path))


def _read_file(path: Path) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = {key: content[key] for key in ("provider", "operation", "request", "done") if key in content}
    for entry in content["bodies"]:
        unknown = set(entry) - KEYS
        assert not unknown, f"{path.name}, {entry.get('name')}: no body has {unknown}"
        request = {**defaults.get("request", {}), **entry.get("request", {})}
        yield _row({**defaults, **entry, "request": request}), entry


def _row(entry: Mapping[str, Any]) -> Row:
    streaming = "events" in entry
    status = entry.get("status", 200)
    body, content_type = _encode(entry)
    return Row(
        id=entry["name"],
        operation=entry["operation"],
        provider=entry["provider"],
        status=status,
        streaming=streaming,
        request={**entry["request"], "stream": True} if streaming else entry["request"],
        headers={"content-type": content_type, **entry.get("headers", {})},
        body=body,
        response_id=entry.get("response_id"),
        expect={**DEFAULTS, "http_status": status, **entry["expect"]},
        breaks=entry.get("breaks", False),
    )


def _encode(entry: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of ENTRY's answer, and their type."""
    if "text" in entry:
        return entry["text"].encode(), "text/html; charset=utf-8"
    if "json" in entry:
        return json.dumps(entry["json"], ensure_ascii=False).encode(), "application/json"
    named = entry["operation"] in NAMED_EVENTS
    pieces = [_event(event, named=named, indent=entry.get("indent")) for event in entry["events"]]
    if entry.get("done", not named):
        pieces.append("data: [DONE]\n\n")
    return "".join(pieces).replace("\n", entry.get("line_end", "\n")).encode(), "text/event-stream; charset=utf-8"


def _event(event: Any, *, named: bool, indent: int | None) -> str:
    if isinstance(event, str):
        return event
    lines = json.dumps(event, ensure_ascii=False, indent=indent).split("\n")
    name = f"event: {event['type']}\n" if named and "type" in event else ""
    return name + "".join(f"data: {line}\n" for line in lines) + "\n"
