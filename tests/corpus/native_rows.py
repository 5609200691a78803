"""Recorded traffic of Google, Mistral, Cohere and Ollama as rows for their SDKs; `recorded` says what the data is."""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from replaying import Row

# What the recordings call a provider; a gateway on loopback may be an Ollama.
PROVIDERS = {
    "gemini": "gemini",
    "vertex": "vertex",
    "mistral": "mistral",
    "cohere": "cohere",
    "gateway_local": "ollama",
}
OPERATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "gemini": (
        (r"/interactions$", "interact"),
        (r"/interactions/[^/]+$", "interact_fetch"),
        (r":(?:stream)?[gG]enerateContent$", "generate"),
        (r":(?:batchEmbedContents|embedContent)$", "embed"),
    ),
    "vertex": (
        (r"/publishers/google/.*:(?:stream)?[gG]enerateContent$", "generate"),
        (r"embedding[^/]*:(?:predict|embedContent)$", "embed"),
    ),
    "mistral": ((r"/chat/completions$", "chat"), (r"/embeddings$", "embeddings"), (r"/ocr$", "ocr")),
    "cohere": (
        (r"/v2/chat$", "chat"),
        (r"/v1/chat$", "chat_v1"),
        (r"/v2/embed$", "embed"),
        (r"/v2/rerank$", "rerank"),
        (r"/v1/rerank$", "rerank_v1"),
    ),
    "ollama": ((r"/api/chat$", "chat"), (r"/api/generate$", "generate"), (r"/api/embed$", "embed")),
}
_MODEL = re.compile(r"/models/([^/:]+):")
STREAM_TYPES = {"ollama": "application/x-ndjson", "chat_v1": "application/stream+json"}


def load(path: Path) -> tuple[list[Row], dict[str, int]]:
    """The rows that can be replayed, and how many of the others there are, by reason."""
    rows, excluded = [], dict[str, int]()
    with gzip.open(path, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            provider = PROVIDERS.get(entry["provider"])
            if provider is None or (provider == "ollama" and not entry["path"].startswith("/api/")):
                continue
            row = read(entry, provider)
            if isinstance(row, Row):
                rows.append(row)
            else:
                excluded[row] = excluded.get(row, 0) + 1
    return rows, excluded


def read(entry: dict[str, Any], provider: str) -> Row | str:
    """ENTRY as a row of PROVIDER, or the reason why it is none."""
    path = entry["path"].partition("?")[0]
    operation = next((name for pattern, name in OPERATIONS[provider] if re.search(pattern, path)), None)
    if operation is None or (entry["method"] == "GET") != (operation == "interact_fetch"):
        kind = re.sub(r"/[^/]*\d[^/:]*", "/*", path.replace("/v1beta1", "").replace("/v1beta", "").replace("/v1", ""))
        return f"{provider}: {entry['method']} {kind}: no call to a model, or another provider's protocol"
    fetched = {"id": path.rpartition("/")[2]} if operation == "interact_fetch" else {}
    request = entry.get("request") or fetched  # where it was not recorded, the answer was
    body, streaming = entry.get("body") or "", bool(entry["streaming"])
    if streaming and body.startswith("["):
        # Asked for without `alt=sse`, which the SDK always says: the same answers, as it gets them.
        body = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in json.loads(body))
    model = _MODEL.search(path)
    if model is not None:
        request = {"model": model[1], **request}
    found = {k: v for k, v in (entry.get("headers") or {}).items() if v != "**REDACTED**"}
    kind = STREAM_TYPES.get(operation) or STREAM_TYPES.get(provider) or "text/event-stream"
    is_error = entry["status"] >= 400
    headers = {"content-type": kind if streaming and not is_error else "application/json", **found}
    return Row(
        entry["id"], operation, provider, entry["status"], streaming, request, headers, body.encode(), entry["usage"],
        expect=_read_told(entry, operation),
    )  # fmt: skip


def _read_told(entry: dict[str, Any], operation: str) -> dict[str, Any]:
    """What the answer tells beside the usage that the recording's reader found."""
    if operation != "embed" or not entry["path"].partition("?")[0].endswith(":predict"):
        return {}
    counts = [p["embeddings"]["statistics"]["token_count"] for p in json.loads(entry["body"])["predictions"]]
    return {"input_tokens": sum(counts)}


def settled(rows: list[Row]) -> list[Row]:
    """ROWS, where an interaction in the background has the usage that the one which fetched it told."""
    told = {r.request["id"]: r.usage for r in rows if r.operation == "interact_fetch" and r.usage is not None}

    def settle(row: Row) -> Row:
        if row.operation != "interact" or row.usage is not None or row.streaming or row.status != 200:
            return row
        return replace(row, usage=told.get(json.loads(row.body).get("id")))

    return [settle(row) for row in rows]


def expected_tokens(row: Row) -> dict[str, int | None] | None:
    """What ROW's usage says, in the columns of `calls`; None where the provider reported none."""
    usage = row.usage
    if row.operation == "ocr":
        return {}  # counted in pages
    if usage is None:
        return row.expect or None
    if row.provider in ("gemini", "vertex"):
        return _google_tokens(usage)
    if row.provider == "mistral":
        cached = _part(usage, "prompt_tokens_details").get("cached_tokens") or usage.get("num_cached_tokens")
        names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
        return {**{column: usage.get(name) for column, name in names.items()}, "cached_input_tokens": cached}
    if row.provider == "cohere":
        billed, seen = _part(usage, "billed_units"), _part(usage, "tokens")
        told = {name: billed.get(name) for name in ("input_tokens", "output_tokens")}
        return {**told, "reasoning_tokens": seen.get("reasoning_tokens")}
    return {"input_tokens": usage.get("prompt_eval_count"), "output_tokens": usage.get("eval_count")}


def _google_tokens(usage: Mapping[str, Any]) -> dict[str, int | None]:
    names = ("promptTokenCount", "toolUsePromptTokenCount", "cachedContentTokenCount")
    spoken = ("candidatesTokenCount", "thoughtsTokenCount")
    if "total_input_tokens" in usage:
        names = ("total_input_tokens", "total_tool_use_tokens", "total_cached_tokens")
        spoken = ("total_output_tokens", "total_thought_tokens")
    asked, tools, cached = (usage.get(name) for name in names)
    answered, thought = (usage.get(name) for name in spoken)
    return {
        "input_tokens": (asked or 0) + (tools or 0),
        "cached_input_tokens": cached,
        "output_tokens": (answered or 0) + (thought or 0),
        "reasoning_tokens": thought,
    }


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return part if isinstance(part, Mapping) else {}
