"""Cohere's API in its second version: chat, embeddings and ranking.

Source: https://docs.cohere.com/reference/chat
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output
from llmtrace.simulator.conversation import ConversationProtocol, count_prompt, finish, speak
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import compact, count_tokens, seeded, split_chunks, split_json

DIMENSIONS = 16
DOCUMENTS_PER_SEARCH = 100
META: JSON = {"api_version": {"version": "2"}}


class CohereProtocol(ConversationProtocol):
    """An endpoint of Cohere."""

    name: ClassVar[str] = "cohere"

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        return super().refuse(asked) if asked.headers.get("authorization") else self.problem(401)

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        return {"id": request_id, "message": problem.message}

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream: it ends."""
        return Event(
            write_event({"type": "message-end", "delta": {"error": problem.message, "finish_reason": "ERROR"}})
        )

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Which exchange it was."""
        return {"x-debug-trace-id": request_id}


class CohereChat(CohereProtocol):
    """`/v2/chat`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v2/chat",)

    def reply(self, request: Request) -> Reply:
        """The complete answer."""
        body = request.body
        output = speak(request, limit=body.get("max_tokens"), stops=body.get("stop_sequences"))
        asked = count_prompt(body)
        billed = {"input_tokens": asked, "output_tokens": output.tokens}
        usage: Mapping[str, Any] = {"billed_units": billed, "tokens": {**billed, "input_tokens": asked + 60}}
        if request.answer is not None and request.answer.usage is not None:
            usage = request.answer.usage
        reason = finish(request, output, stop="COMPLETE", cut="MAX_TOKENS", called="TOOL_CALL")
        answer: JSON = {"id": request.draw_id("", 36), "finish_reason": reason, "message": _message(request, output)}
        return Reply({**answer, "usage": dict(usage)}, usage, asked, output.tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the answer, up to the one that counts."""
        head: JSON = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        delta = {"finish_reason": reply.body["finish_reason"]}
        end = {"type": "message-end", "delta": delta if omits_usage else {**delta, "usage": reply.usage}}
        said = [{"type": kind, "index": i, "delta": {"message": m}} for kind, i, m in _pieces(reply.body["message"])]
        start = {"id": reply.body["id"], "type": "message-start", "delta": {"message": head}}
        return [*(Event(write_event(e)) for e in (start, *said)), Event(write_event(end), not omits_usage)]


class CohereEmbed(CohereProtocol):
    """`/v2/embed`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v2/embed",)
    takes: ClassVar[tuple[str, ...]] = ("texts",)
    streams = False

    def reply(self, request: Request) -> Reply:
        """One vector for each text."""
        texts = [str(text) for text in request.body["texts"]]
        tokens = sum(map(count_tokens, texts))
        meta = {**META, "billed_units": {"input_tokens": tokens}}
        vectors = {"float": [[seeded(0, text).uniform(-1, 1)] * DIMENSIONS for text in texts]}
        answer: JSON = {"id": request.draw_id("", 36), "texts": texts, "embeddings": vectors}
        return Reply({**answer, "response_type": "embeddings_by_type", "meta": meta}, meta, tokens)


class CohereRerank(CohereProtocol):
    """`/v2/rerank`."""

    suffixes: ClassVar[tuple[str, ...]] = ("/v2/rerank",)
    takes: ClassVar[tuple[str, ...]] = ("query", "documents")
    streams = False

    def reply(self, request: Request) -> Reply:
        """The documents by their relevance."""
        documents = request.body["documents"]
        meta = {**META, "billed_units": {"search_units": -(-len(documents) // DOCUMENTS_PER_SEARCH)}}
        scores = [(seeded(0, request.body["query"], d).random(), i) for i, d in enumerate(documents)]
        found = [{"index": i, "relevance_score": score} for score, i in sorted(scores, reverse=True)]
        kept = found[: request.body.get("top_n") or len(found)]
        return Reply({"id": request.draw_id("", 36), "results": kept, "meta": meta}, meta)


def write_event(value: Mapping[str, Any]) -> bytes:
    """VALUE as an event with its type for a name."""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return f"event: {value['type']}\ndata: {data}\n\n".encode()


def _message(request: Request, output: Output) -> JSON:
    message: JSON = {"role": "assistant"}
    text = output.refusal if output.refusal is not None else output.text
    if text or not output.calls:
        message["content"] = [{"type": "text", "text": text}]
    if output.calls:
        message["tool_calls"] = [
            {"id": request.draw_id("", 12), "type": "function", "function": {"name": n, "arguments": compact(a)}}
            for n, a in output.calls
        ]
    return message


def _pieces(message: JSON) -> Iterator[tuple[str, int, JSON]]:
    """The events inside a stream that say MESSAGE: their type, index and delta."""
    for index, block in enumerate(message.get("content") or ()):
        yield "content-start", index, {"content": {"type": "text", "text": ""}}
        for piece in split_chunks(block["text"]):
            yield "content-delta", index, {"content": {"text": piece}}
        yield "content-end", index, {}
    for index, call in enumerate(message.get("tool_calls") or ()):
        opened = {**call, "function": {**call["function"], "arguments": ""}}
        yield "tool-call-start", index, {"tool_calls": opened}
        for piece in split_json(call["function"]["arguments"]):
            yield "tool-call-delta", index, {"tool_calls": {"function": {"arguments": piece}}}
        yield "tool-call-end", index, {}
