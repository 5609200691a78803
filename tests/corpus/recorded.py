"""Recorded provider traffic: the rows a replay can use, and what a bill should say about each.

The data is not part of this repository: `LLMTRACE_TEST_DATA` names the folder whose `corpus/recorded.jsonl.gz` has one
JSON object a line with `id`, `provider`, `method`, `endpoint`, `status`, `streaming`, `request`, `headers`, `body` and
`usage` (the provider's own object, read by somebody else's parser).
"""

import gzip
import json
import os
import re
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from replaying import Row

PROVIDERS = ("openai", "azure_openai", "anthropic")
# The end of a recorded path -> the operation it calls.
OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/responses", "responses"),
    ("/responses/compact", "compact"),
    ("/embeddings", "embeddings"),
    ("/messages", "messages"),
    ("/messages/count_tokens", "count_messages"),
    ("/responses/input_tokens", "input_tokens"),
    ("/moderations", "moderations"),
    ("/images/generations", "images"),
    ("/images/edits", "image_edits"),
    ("/complete", "complete"),
    ("/audio/transcriptions", "transcriptions"),
)
_RUN = re.compile(r"/threads/([^/]+)/runs(?:/([^/]+))?$")
# Requests without a body, and those whose files were not recorded.
FETCHES = ("retrieve", "run_retrieve")
WITH_FILES = ("transcriptions", "image_edits")
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
APART = frozenset({"compaction", "advisor_message"})


def find_file() -> Path | None:
    """The file of recorded traffic, or None where there is none."""
    folder = os.environ.get("LLMTRACE_TEST_DATA")
    path = Path(folder, "corpus", "recorded.jsonl.gz") if folder else None
    return path if path is not None and path.exists() else None


def load(path: Path, providers: Container[str] = PROVIDERS) -> tuple[list[Row], dict[str, int]]:
    """The rows of PROVIDERS that can be replayed, and how many of the others there are, by reason."""
    rows, excluded = [], dict[str, int]()
    with gzip.open(path, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["provider"] not in providers:
                continue
            row = read(entry)
            if isinstance(row, Row):
                rows.append(row)
            else:
                excluded[row] = excluded.get(row, 0) + 1
    return rows, excluded


def read(entry: dict[str, Any]) -> Row | str:
    """ENTRY as a row, or the reason why it is none."""
    operation, response_id = _operation(entry)
    if operation is None:
        return f"{entry['method']} {entry['endpoint']}: another kind of request"
    if not entry["status"]:
        return "no answer was recorded"
    body = entry.get("body")
    headers = {k: v for k, v in (entry.get("headers") or {}).items() if v != "**REDACTED**"}
    is_events = (body or "").startswith(("event:", "data:"))
    headers.setdefault("content-type", "text/event-stream" if is_events else "application/json")
    request = {"prompt": "x"} if operation in WITH_FILES else entry.get("request")
    if operation not in FETCHES and not isinstance(request, dict):
        return "the request was not recorded"
    deployment, run = _DEPLOYMENT.search(entry["path"]), _RUN.search(entry["path"].partition("?")[0])
    if run is not None:
        asked = {"assistant_id": "asst_1"} if run[2] is None else {"run_id": run[2]}
        request = {**asked, **(request or {}), "thread_id": run[1]}
    elif isinstance(request, dict) and operation not in FETCHES:
        # Azure names the model in the path, where the SDK puts it.
        request["model"] = request.get("model") or (deployment[1] if deployment else "unnamed")
    return Row(
        entry["id"], operation, entry["provider"], entry["status"], is_events, request or {}, headers,
        (body or "").encode(), entry.get("usage"), response_id,
    )  # fmt: skip


def _operation(entry: dict[str, Any]) -> tuple[str | None, str | None]:
    path = entry["path"].partition("?")[0]
    if entry["method"] == "GET" and "/responses/" in path:
        return "retrieve", path.rpartition("/")[2]
    run = _RUN.search(path)
    if run is not None and (entry["method"] == "GET") == (run[2] is not None):
        return ("run_retrieve", run[2]) if run[2] else ("run", None)
    if entry["method"] != "POST":
        return None, None
    if "REDACTED" in path:
        return _operation_by_shape(entry), None
    if "/threads/" in path:
        return None, None
    return next((name for ending, name in OPERATIONS if path.endswith(ending)), None), None


def _operation_by_shape(entry: dict[str, Any]) -> str | None:
    request = entry.get("request") or {}
    if "messages" in request:
        return "messages" if entry["provider"] == "anthropic" else "chat"
    if "encoding_format" in request:
        return "embeddings"
    if "prompt" in request:
        return "completions"
    return "responses" if "input" in request else None


def settled(rows: list[Row]) -> list[Row]:
    """ROWS, where a response that was made in the background has the usage that one which fetched it told."""
    told = {r.response_id: r.usage for r in rows if r.operation in FETCHES and r.usage is not None}

    def settle(row: Row) -> Row:
        if row.usage is not None or row.operation not in ("responses", "run") or row.streaming or row.status != 200:
            return row
        return replace(row, usage=told.get(json.loads(row.body).get("id")))

    return [settle(row) for row in rows]


def expected_tokens(row: Row) -> dict[str, int | None] | None:
    """What ROW's usage says, in the columns of `calls`; None where the provider reported none."""
    usage = row.usage
    if usage is None:
        return None
    if row.operation == "messages":
        return _anthropic_tokens(usage)
    names = ("prompt_tokens", "completion_tokens")
    if "input_tokens" in usage:
        names = ("input_tokens", "output_tokens")
    asked = _part(usage, names[0] + "_details")
    answered = _part(usage, names[1] + "_details")
    return {
        "input_tokens": usage.get(names[0]),
        "cached_input_tokens": asked.get("cached_tokens"),
        "cache_write_tokens": asked.get("cache_write_tokens"),
        "output_tokens": usage.get(names[1]),
        "reasoning_tokens": answered.get("reasoning_tokens"),
    }


def _anthropic_tokens(usage: Mapping[str, Any]) -> dict[str, int | None]:
    turns = [usage, *(i for i in usage.get("iterations") or () if i.get("type") in APART)]

    def total(*names: str) -> int | None:
        said = [t[n] for t in turns for n in names if t.get(n) is not None]
        return sum(said) if said else None

    read, written = "cache_read_input_tokens", "cache_creation_input_tokens"
    return {
        "input_tokens": total("input_tokens", read, written),
        "cached_input_tokens": total(read),
        "cache_write_tokens": total(written),
        "output_tokens": total("output_tokens"),
        "reasoning_tokens": _part(usage, "output_tokens_details").get("thinking_tokens"),
    }


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return part if isinstance(part, Mapping) else {}
