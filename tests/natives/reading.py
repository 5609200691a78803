"""Answers of Google, Mistral, Cohere and Ollama, written by hand from the public API definitions, as rows.

`expect` says what each row of `calls` says: a column that is not named is NULL, but for the defaults. `left` is what a
row says of a stream that was not read to its end. An answer is `json`, a `text`, the `events` of a stream, or `lines`.

Sources: https://ai.google.dev/api, https://docs.mistral.ai/api, https://docs.cohere.com/reference,
https://docs.ollama.com/api
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from bodies.reading import DEFAULTS
from replaying import Row

FOLDER = Path(__file__).parent / "bodies"
KEYS = frozenset({
    "name", "operation", "provider", "request", "status", "json", "text", "events", "lines", "done", "named", "breaks",
    "content_type", "expect", "left",
})  # fmt: skip


@lru_cache(maxsize=1)
def read_bodies() -> tuple[tuple[Row, Mapping[str, Any]], ...]:
    """Every body as a row, with its entry as it stands in the file."""
    return tuple(pair for path in sorted(FOLDER.glob("*.yaml")) for pair in _read_file(path))


def _read_file(path: Path) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = {key: content[key] for key in ("provider", "operation", "request")}
    for entry in content["bodies"]:
        unknown = set(entry) - KEYS
        assert not unknown, f"{path.name}, {entry.get('name')}: no body has {unknown}"
        own = entry.get("request", {}) if "operation" in entry else {**defaults["request"], **entry.get("request", {})}
        yield _row({**defaults, **entry, "request": own}), entry


def _row(entry: Mapping[str, Any]) -> Row:
    status = entry.get("status", 200)
    body, content_type = _encode(entry)
    streaming = "events" in entry or "lines" in entry or entry["request"].get("stream") is True
    is_body_streamed = streaming and entry["operation"] == "interact"
    request = {k: v for k, v in entry["request"].items() if k != "stream"}
    return Row(
        id=entry["name"],
        operation=entry["operation"],
        provider=entry["provider"],
        status=status,
        streaming=streaming,
        request={**request, "stream": True} if is_body_streamed else request,
        headers={"content-type": content_type},
        body=body,
        expect={**DEFAULTS, "http_status": status, **entry["expect"]},
        breaks=entry.get("breaks", False),
    )


def _encode(entry: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of ENTRY's answer, and their type."""
    if "text" in entry:
        return entry["text"].encode(), "text/html; charset=utf-8"
    if "json" in entry:
        return json.dumps(entry["json"]).encode(), "application/json"
    if "lines" in entry:
        lines = "".join(json.dumps(line) + "\n" for line in entry["lines"])
        return lines.encode(), entry.get("content_type", "application/x-ndjson")
    named = entry.get("named", False)
    pieces = [(f"event: {e['type']}\n" if named else "") + f"data: {json.dumps(e)}\n\n" for e in entry["events"]]
    if entry.get("done", entry["provider"] == "mistral"):
        pieces.append("data: [DONE]\n\n")
    return "".join(pieces).encode(), "text/event-stream"
