"""A message as a stream of events.

Source: https://docs.anthropic.com/en/api/messages-streaming
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llmtrace.simulator.anthropic_tools import count_result_tokens
from llmtrace.simulator.protocol import JSON, Event, Reply, without_usage
from llmtrace.simulator.text import compact, split_chunks, split_json

# What is only known at the end; the start of a message leaves it out.
LATE = frozenset({"output_tokens_details", "server_tool_use", "iterations"})
# What the end of a message repeats, as running totals.
REPEATED = frozenset({"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"})
MOST_PLACEHOLDER_TOKENS = 3


def write_events(reply: Reply, *, omits_usage: bool) -> list[Event]:
    """The events of REPLY, whose usages merge to the usage of the whole message."""
    usage = None if omits_usage else reply.usage
    parts = [_start(reply.body, usage), *_contents(reply.body["content"]), _delta(reply.body, usage)]
    events = [Event(write_event(part), part["type"] == "message_delta" and usage is not None) for part in parts]
    return [*events, Event(write_event({"type": "message_stop"}))]


def write_event(event: Mapping[str, Any]) -> bytes:
    """EVENT under the name of its type."""
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _start(body: JSON, usage: Mapping[str, Any] | None) -> JSON:
    nothing: JSON = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    message = {**without_usage(body), **nothing}
    if usage is not None:
        message["usage"] = {key: value for key, value in usage.items() if key not in LATE}
        if isinstance(usage.get("output_tokens"), int):
            message["usage"]["output_tokens"] = _placeholder(usage["output_tokens"])
        # What server tools find is read later.
        found = sum(count_result_tokens(block) for block in body["content"])
        if found and isinstance(usage.get("input_tokens"), int):
            message["usage"]["input_tokens"] = max(usage["input_tokens"] - found, 0)
    return {"type": "message_start", "message": message}


def _placeholder(output_tokens: int) -> int:
    # The first count is of what was ready when the stream began, never the final one.
    return min(output_tokens, 1 + output_tokens % MOST_PLACEHOLDER_TOKENS)


def _delta(body: JSON, usage: Mapping[str, Any] | None) -> JSON:
    delta = {key: body[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    event: JSON = {"type": "message_delta", "delta": delta}
    if usage is not None:
        event["usage"] = {key: value for key, value in usage.items() if key in REPEATED | LATE}
    return event


def _contents(content: list[JSON]) -> Iterator[JSON]:
    for index, block in enumerate(content):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        if index == 0:
            yield {"type": "ping"}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}


def _opened(block: JSON) -> JSON:
    cited: JSON = {"citations": []} if block.get("citations") else {}
    empty: JSON = {
        "text": {"text": "", **cited},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
        "server_tool_use": {"input": {}},
    }
    return {**block, **empty.get(block["type"], {})}


def _deltas(block: JSON) -> Iterator[JSON]:
    if block["type"] == "text":
        yield from ({"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ())
        yield from ({"type": "text_delta", "text": piece} for piece in split_chunks(block["text"]))
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in split_chunks(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"].endswith("tool_use"):
        for piece in ["", *split_json(compact(block["input"]))]:
            yield {"type": "input_json_delta", "partial_json": piece}
