"""Clients of both SDKs whose HTTP library answers from memory: what a provider may say, to the byte, and very often."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import anthropic
import httpx2
import openai

EVENT_STREAM = "text/event-stream"
Answer = Callable[[httpx2.Request], httpx2.Response]

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15}


def say(text: str, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion that says TEXT."""
    return {**CHUNK, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


CHAT = {
    **CHUNK,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Night"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [{"type": "text", "text": "Night"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 4},
}
STOP = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
COUNTED = {**CHUNK, "choices": [], "usage": USAGE}
CHAT_CHUNKS: list[Any] = [say("Night"), say(" over"), say(" the"), say(" harbour"), STOP, COUNTED]
MESSAGE_EVENTS: list[Any] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-6",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in ("Night", " over", " the", " harbour")
    ),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 4},
    },
    {"type": "message_stop"},
]


def event_lines(events: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """EVENTS as a server sends them, the end of OpenAI's streams included where they are OpenAI's."""
    named = [event for event in events if "type" in event]
    lines = [
        (f"event: {event['type']}\n" if named else "").encode() + b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in events
    ]
    return lines if named else [*lines, b"data: [DONE]\n\n"]


class Lines(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that arrives in PIECES; ERROR breaks it off."""

    def __init__(self, pieces: Sequence[bytes], error: Exception | None = None) -> None:
        self._pieces, self._error = pieces, error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def streaming(events: Sequence[Mapping[str, Any]], error: Exception | None = None) -> Answer:
    """Answers each request with EVENTS."""
    lines = event_lines(events)
    return lambda request: httpx2.Response(200, headers={"content-type": EVENT_STREAM}, stream=Lines(lines, error))


def streaming_chat(request: httpx2.Request) -> httpx2.Response:
    """Answers with a chat completion, and with its usage where that is asked for, as OpenAI does."""
    options = json.loads(request.content).get("stream_options") or {}
    return streaming(CHAT_CHUNKS if options.get("include_usage") else CHAT_CHUNKS[:-1])(request)


def answering(body: Mapping[str, Any]) -> Answer:
    """Answers each request with BODY."""
    return lambda request: httpx2.Response(200, json=body)


def make_openai(answer: Answer, *, is_async: bool = False, host: str = "http://model.example/v1") -> Any:
    """A client of OpenAI's SDK that is answered with ANSWER."""
    transport = httpx2.MockTransport(answer)
    if is_async:
        http = httpx2.AsyncClient(transport=transport)
        return openai.AsyncOpenAI(base_url=host, api_key="k", http_client=http, max_retries=0)
    return openai.OpenAI(base_url=host, api_key="k", http_client=httpx2.Client(transport=transport), max_retries=0)


def make_anthropic(answer: Answer, *, is_async: bool = False, host: str = "http://model.example") -> Any:
    """The same of Anthropic's."""
    transport = httpx2.MockTransport(answer)
    if is_async:
        http = httpx2.AsyncClient(transport=transport)
        return anthropic.AsyncAnthropic(base_url=host, api_key="k", http_client=http, max_retries=0)
    http_client = httpx2.Client(transport=transport)
    return anthropic.Anthropic(base_url=host, api_key="k", http_client=http_client, max_retries=0)
