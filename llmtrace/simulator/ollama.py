"""Ollama's API: chat, completions and embeddings, streamed as lines of JSON.

Source: https://docs.ollama.com/api
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output
from llmtrace.simulator.conversation import ConversationProtocol, count_prompt, finish, speak
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.script import Target
from llmtrace.simulator.text import count_tokens, seeded, split_chunks

DIMENSIONS = 16
NANOSECONDS_PER_TOKEN = 1_000_000


class OllamaProtocol(ConversationProtocol):
    """An endpoint of Ollama, which streams unless it is told not to."""

    name: ClassVar[str] = "ollama"
    stream_type = "application/x-ndjson"

    def target(self, asked: Asked) -> Target:
        """The traits of a request."""
        target = super().target(asked)
        return Target(target.provider, target.model, self.streams and asked.fields.get("stream", True) is not False)

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return Event(write_line(self.error(problem, request_id)))


class OllamaChat(OllamaProtocol):
    """`/api/chat`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/api/chat",)

    def reply(self, request: Request) -> Reply:
        """The complete answer."""
        output = _speak(request)
        message: JSON = {"role": "assistant", "content": output.text or output.refusal or ""}
        if output.calls:
            message["tool_calls"] = [{"function": {"name": n, "arguments": dict(a)}} for n, a in output.calls]
        return _reply(request, output, {"message": message})

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The lines of the answer, of which the last is done."""
        message = reply.body["message"]
        said = [{**message, "content": piece} for piece in split_chunks(message["content"])] or [message]
        for piece in said[1:]:
            piece.pop("tool_calls", None)
        last = {"role": "assistant", "content": ""}
        return _lines(reply, [{"message": m} for m in said], {"message": last}, omits_usage=omits_usage)


class OllamaGenerate(OllamaProtocol):
    """`/api/generate`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/api/generate",)
    takes: ClassVar[tuple[str, ...]] = ("prompt",)

    def reply(self, request: Request) -> Reply:
        """The complete answer."""
        output = _speak(request)
        return _reply(request, output, {"response": output.text or output.refusal or ""})

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The lines of the answer, of which the last is done."""
        said = [{"response": piece} for piece in split_chunks(reply.body["response"])]
        return _lines(reply, said, {"response": ""}, omits_usage=omits_usage)


class OllamaEmbed(OllamaProtocol):
    """`/api/embed`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/api/embed",)
    takes: ClassVar[tuple[str, ...]] = ("input",)
    streams = False

    def reply(self, request: Request) -> Reply:
        """One vector for each text."""
        given = request.body["input"]
        texts = [str(t) for t in (given if isinstance(given, list) else [given])]
        tokens = sum(map(count_tokens, texts))
        vectors = [[seeded(0, text).uniform(-1, 1)] * DIMENSIONS for text in texts]
        usage = {"prompt_eval_count": tokens}
        return Reply({"model": request.model, "embeddings": vectors, **usage}, usage, tokens)


def write_line(value: Mapping[str, Any]) -> bytes:
    """VALUE as a line of JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _speak(request: Request) -> Output:
    options = request.body.get("options") or {}
    return speak(request, limit=options.get("num_predict"), stops=options.get("stop"))


def _reply(request: Request, output: Output, said: JSON) -> Reply:
    asked = count_prompt(request.body)
    usage: Mapping[str, Any] = {"prompt_eval_count": asked, "eval_count": output.tokens}
    if request.answer is not None and request.answer.usage is not None:
        usage = request.answer.usage
    took = (asked + output.tokens) * NANOSECONDS_PER_TOKEN
    body: JSON = {
        "model": (request.answer.response_model if request.answer is not None else None) or request.model,
        "created_at": datetime.fromtimestamp(request.created, UTC).isoformat(),
        **said,
        "done": True,
        "done_reason": finish(request, output, stop="stop", cut="length", called="stop"),
        "total_duration": took,
        **usage,
    }
    return Reply(body, usage, asked, output.tokens)


def _lines(reply: Reply, said: list[JSON], last: JSON, *, omits_usage: bool) -> list[Event]:
    head = {name: reply.body[name] for name in ("model", "created_at")}
    end = {k: v for k, v in {**reply.body, **last}.items() if not (omits_usage and k in (reply.usage or {}))}
    spoken = [Event(write_line({**head, **piece, "done": False})) for piece in said]
    return [*spoken, Event(write_line(end), not omits_usage)]
