"""A chat completion as a stream of chunks.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from llmtrace.simulator.protocol import JSON, Event, Reply, Request
from llmtrace.simulator.text import draw_id, split_chunks, split_json

DONE = Event(b"data: [DONE]\n\n")
OBFUSCATED_LENGTH = 16


def write_events(request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
    """The chunks of REPLY, up to [DONE].

    With `include_usage` every chunk has a usage, null in all but the one after the last choice.
    """
    options = request.body.get("stream_options") or {}
    asked = bool(options.get("include_usage"))
    chunks = [_chunk(reply, [choice], asked) for choice in _interleave(reply.body["choices"])]
    if asked and not omits_usage:
        chunks.append(_chunk(reply, [], asked) | {"usage": reply.usage})
    if options.get("include_obfuscation") is not False:
        padding = draw_id(request.rng, "", 2 * OBFUSCATED_LENGTH)
        chunks = [chunk | {"obfuscation": _obfuscate(padding, chunk)} for chunk in chunks]
    return [Event(write_data(chunk), bool(chunk.get("usage"))) for chunk in chunks] + [DONE]


def write_data(value: Mapping[str, Any]) -> bytes:
    """VALUE as an event without a name."""
    return b"data: " + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def _chunk(reply: Reply, choices: list[JSON], asked: bool) -> JSON:
    body = reply.body
    chunk: JSON = {
        "id": body["id"],
        "object": "chat.completion.chunk",
        "created": body["created"],
        "model": body["model"],
        "service_tier": body["service_tier"],
        "system_fingerprint": body["system_fingerprint"],
        "choices": choices,
    }
    return chunk | {"usage": None} if asked else chunk


def _obfuscate(padding: str, chunk: JSON) -> str:
    # As much padding as hides how long the word in the chunk is.
    length = sum(len(str(choice["delta"])) for choice in chunk["choices"])
    return padding[length % OBFUSCATED_LENGTH :][:OBFUSCATED_LENGTH]


def _interleave(choices: list[JSON]) -> Iterator[JSON]:
    for row in zip_longest(*(list(_deltas(choice)) for choice in choices)):
        yield from (delta for delta in row if delta is not None)


def _deltas(choice: JSON) -> Iterator[JSON]:
    """The chunks of one choice: its role, what it says, and why it ended."""
    message = choice["message"]
    for delta in _first(message), *_spoken(message), *_called(message):
        yield _part(choice, delta, None)
    yield _part(choice, {}, choice["finish_reason"])


def _part(choice: JSON, delta: JSON, finish_reason: str | None) -> JSON:
    part: JSON = {"index": choice["index"], "delta": delta}
    if "logprobs" in choice:
        part["logprobs"] = None
    if "content_filter_results" in choice:
        part["content_filter_results"] = choice["content_filter_results"]
    return part | {"finish_reason": finish_reason}


def _first(message: JSON) -> JSON:
    if message["refusal"] is not None:
        return {"role": "assistant", "content": None, "refusal": ""}
    if message["content"] is None:
        return {"role": "assistant", "content": None, "tool_calls": [_opened(message, 0)], "refusal": None}
    return {"role": "assistant", "content": "", "refusal": None}


def _spoken(message: JSON) -> Iterator[JSON]:
    for key in ("content", "refusal"):
        yield from ({key: piece} for piece in split_chunks(message[key] or ""))


def _called(message: JSON) -> Iterator[JSON]:
    for index, call in enumerate(message.get("tool_calls", ())):
        if index or message["content"] is not None:
            yield {"tool_calls": [_opened(message, index)]}
        for piece in split_json(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _opened(message: JSON, index: int) -> JSON:
    call = message["tool_calls"][index]
    function = {"name": call["function"]["name"], "arguments": ""}
    return {"index": index, "id": call["id"], "type": "function", "function": function}
