"""Where each recorded interaction is replayed, or the reason why it is not."""

import gzip
import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from corpus import bedrock_rows, native_rows, recorded
from corpus.hosts import BASES
from replaying import Row

# Requests that run no model, or whose model is another call: files, lists, what is put together before a call, or asked
# about after. Each is replayed through the SDK's own `request`, and is no row.
NO_CALL = re.compile(
    r"/files|/models(/[^/:]+)?$|/vector_stores|/assistants|/threads|/conversations|/client_secrets|/realtime/calls"
    r"|/fileSearchStores|/cachedContents|/operations/|:countTokens$|/count-tokens$|:batchGenerateContent$|/api/show$"
    r"|/videos/|/tts$"
)
# What is a row all the same: a video that is made, one that is asked about, and speech.
CALLS = re.compile(r":predictLongRunning$|/videos/generations$|/videos/[0-9a-f-]{36}$|/tts$")
BATCHES = re.compile(r"/batches(/|$)|/files/[^/]+/content$")
SPOKEN = ("chat", "completions", "responses", "embeddings", "images", "transcriptions")
# Reasons to replay nothing, by what is found in the host, the provider or the path.
NOTHING_ANSWERED = "nothing was answered: the recording has no status"
NO_REASON = "no reason"
REASONS: tuple[tuple[str, str, str], ...] = (
    ("provider", r"^replicate$", "replicate: no client here"),
    ("provider", r"^heroku$", "heroku: no client here"),
    ("provider", r"^writer$", "writer: no client here"),
    ("path", r"^/crewai_plus/", "CrewAI's own telemetry, sent to no model"),
    ("path", r"^/v1/traces/ingest$", "OpenAI's Agents SDK sends its own telemetry, to no model"),
    ("path", r"^/api/models/", "huggingface: a look at the hub, which its own client takes"),
    ("path", r"^/$", "huggingface: text generation, which its own client asks for"),
    ("path", r"^/v1/rerank$", "voyage: ranking, which its own client asks for"),
    ("path", r"^/(agents|knowledgebases|retrieveAndGenerate)", "bedrock: agents and knowledge bases, another service"),
    ("path", r"^/inference-profiles/", "bedrock: a profile looked up, another service"),
)


@dataclass(frozen=True)
class Place:
    """A row, and the kind of client that replays it; `many` where several requests are one case."""

    kind: str
    row: Row | None


@lru_cache(maxsize=1)
def entries() -> tuple[dict[str, Any], ...]:
    """All recorded interactions."""
    path = recorded.find_file()
    assert path is not None
    with gzip.open(path, "rt") as lines:
        return tuple(json.loads(line) for line in lines)


@lru_cache(maxsize=1)
def account() -> tuple[tuple[dict[str, Any], list[Place] | str], ...]:
    """Each interaction, with the places where it is replayed or the reason why it is not."""
    return tuple((entry, place(entry)) for entry in entries())


def rows_of(kind: str) -> list[Row]:
    """The rows that clients of KIND replay."""
    return [p.row for _, places in account() if isinstance(places, list) for p in places if p.kind == kind and p.row]


def place(entry: dict[str, Any]) -> list[Place] | str:
    """The places where ENTRY is replayed, or the reason why it is not."""
    if not entry["status"]:
        return NOTHING_ANSWERED
    provider, path = entry["provider"], entry["path"].partition("?")[0]
    found = [Place(kind, row) for kind, row in _calls(json.loads(json.dumps(entry)), provider, path)]
    if found:
        return found
    if provider in ("openai", "anthropic") and BATCHES.search(path):
        return [Place("batches", None)]
    told = {"provider": provider, "path": path}
    reason = next((why for where, pattern, why in REASONS if re.search(pattern, told[where])), None)
    if reason is not None:
        return reason
    if NO_CALL.search(path) or CALLS.search(path) or "REDACTED" in path:
        return [Place("requests", _request(entry, path))]
    return NO_REASON


def _calls(entry: dict[str, Any], provider: str, path: str) -> list[tuple[str, Row]]:
    """ENTRY, to PATH of PROVIDER, as calls of a model, each with the kind of its client."""
    found: list[tuple[str, Row | str]] = []
    if provider in recorded.PROVIDERS:
        found.append(("stainless", recorded.read(entry)))
    elif provider == "gateway_local" and path.endswith("/messages"):
        found.append(("stainless", recorded.read({**entry, "provider": "anthropic"})))
    elif "/publishers/anthropic/" in path:
        found.append(("stainless", _through_vertex(entry, path)))
    elif path.endswith("/openai/chat/completions"):
        found.append(("compatible", recorded.read(entry)))
    elif provider in BASES and provider != "gemini":
        row = recorded.read(entry)
        found.append(("compatible", row if isinstance(row, Row) and row.operation in SPOKEN else "another protocol"))
    own = _own_provider(provider, path)
    if own is not None:
        found.append(("native", native_rows.read(entry, own)))
    if "/model/" in path:
        found.append(("bedrock", bedrock_rows.read(entry)))
    return [(kind, row) for kind, row in found if isinstance(row, Row)]


def _own_provider(provider: str, path: str) -> str | None:
    """Whose own SDK asks PROVIDER, who may be a gateway, for PATH."""
    if provider != "gateway_local":
        return native_rows.PROVIDERS.get(provider)
    if "/publishers/google/" in path:
        return "vertex"
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return "gemini"
    return "ollama" if path.startswith("/api/") else None


def _through_vertex(entry: dict[str, Any], path: str) -> Row | str:
    model = path.rpartition("/")[2].partition(":")[0]
    request = {k: v for k, v in entry["request"].items() if k != "anthropic_version"}
    message = {**entry, "path": "/v1/messages", "provider": "vertex_anthropic", "request": {**request, "model": model}}
    return recorded.read(message)


def _request(entry: dict[str, Any], path: str) -> Row:
    """ENTRY as a plain request to PATH: its `request` says what is sent, and how."""
    headers = {k: v for k, v in (entry.get("headers") or {}).items() if v != "**REDACTED**"}
    headers.setdefault("content-type", "application/json")
    sent = {"method": entry["method"], "path": re.sub(r"^/(openai/)?v1(beta1?)?(?=/)", "", path.replace("**", ""))}
    body = entry.get("request") if isinstance(entry.get("request"), dict) else None
    found = (entry.get("body") or "").encode()
    row = Row(entry["id"], "request", entry["provider"], entry["status"], False, {**sent, "body": body}, headers, found)
    return replace(row, expect={"rows": 1 if CALLS.search(path) else 0})
