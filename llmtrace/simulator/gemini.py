"""Google's Gemini API, and the same models on Vertex AI: answers, streams and embeddings.

Source: https://ai.google.dev/api/generate-content
"""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.openai_stream import write_data
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.script import Target
from llmtrace.simulator.text import compact, count_tokens, draw_id, mark_message, pad, seeded, split_chunks

MODEL = re.compile(r"/models/(?P<model>[^/:]+):(?P<method>[A-Za-z]+)$")
STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
DIMENSIONS = 16


class GeminiProtocol(Protocol):
    """An endpoint of Google's: the path names the model and the method."""

    name: ClassVar[str] = "google"
    suffixes: ClassVar[tuple[str, ...]] = ()
    methods: ClassVar[tuple[str, ...]] = ()

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is this endpoint's."""
        return method == "POST" and path.endswith(tuple(f":{name}" for name in self.methods))

    def target(self, asked: Asked) -> Target:
        """The traits of a request, which stand in its path."""
        found = MODEL.search(asked.path)
        return Target(self.name, found["model"] if found else None, asked.path.endswith(":streamGenerateContent"))

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if not (asked.headers.get("x-goog-api-key") or asked.headers.get("authorization")):
            return self.problem(403, None, "Method doesn't allow unregistered callers.")
        return None if isinstance(asked.body, dict) else self.problem(400, None, "Invalid JSON payload received.")

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Google sends with STATUS; CODE is its word for it."""
        return Problem(status, code or STATUSES.get(status, "UNKNOWN"), message or "The request could not be served.")

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return self.problem(404)

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        return {"error": {"code": problem.status, "message": problem.message, "status": problem.type}}

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return Event(write_data(self.error(problem, request_id)))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id for one HTTP exchange, which Google does not tell."""
        return draw_id(ids, "", 16)

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """How long it took."""
        return {"server-timing": f"gfet4t7; dur={round(elapsed_s * 1000)}"}


class GenerateContent(GeminiProtocol):
    """`generateContent` and `streamGenerateContent`."""

    methods: ClassVar[tuple[str, ...]] = ("generateContent", "streamGenerateContent")

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        refused = super().refuse(asked)
        if refused is None and not isinstance(asked.fields.get("contents"), list):
            return self.problem(400, None, "GenerateContentRequest.contents: contents is not specified")
        return refused

    def reply(self, request: Request) -> Reply:
        """The complete answer."""
        model = self.target(request.asked).model or ""
        output = compose(_wish(request.body), request.answer, request.rng)
        asked = sum(map(count_tokens, _prompt(request.body)))
        usage: Mapping[str, Any] = {
            "promptTokenCount": asked,
            "candidatesTokenCount": output.tokens,
            "totalTokenCount": asked + output.tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked}],
        }
        if request.answer is not None and request.answer.usage is not None:
            usage = request.answer.usage
        candidate = {
            "content": {"parts": _parts(output), "role": "model"},
            "finishReason": _finish_reason(request, output),
            "index": 0,
        }
        body: JSON = {
            "candidates": [candidate],
            "usageMetadata": dict(usage),
            "modelVersion": (request.answer.response_model if request.answer is not None else None) or model,
            "responseId": request.draw_id("", 22),
        }
        return Reply(body, usage, asked, output.tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The chunks of the answer, of which the last tells the reason to stop and the whole count."""
        whole, candidate = reply.body, reply.body["candidates"][0]
        prompt = {"promptTokenCount": reply.input_tokens, "totalTokenCount": reply.input_tokens}
        pieces = list(_split(candidate["content"]["parts"]))
        chunks = []
        for number, part in enumerate(pieces, 1):
            chunk = {**whole, "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]}
            chunk["usageMetadata"] = prompt
            if number == len(pieces):
                chunk["candidates"][0]["finishReason"] = candidate["finishReason"]
                chunk["usageMetadata"] = whole["usageMetadata"]
            chunks.append({k: v for k, v in chunk.items() if not (omits_usage and k == "usageMetadata")})
        return [Event(write_data(c), i == len(chunks) and not omits_usage) for i, c in enumerate(chunks, 1)]


class EmbedContent(GeminiProtocol):
    """`embedContent` and `batchEmbedContents`."""

    methods: ClassVar[tuple[str, ...]] = ("embedContent", "batchEmbedContents")
    streams = False

    def target(self, asked: Asked) -> Target:
        """The traits of a request, which stand in its path."""
        return replace(super().target(asked), stream=False)

    def reply(self, request: Request) -> Reply:
        """One vector for each content."""
        batch = request.body.get("requests")
        contents = [r.get("content") for r in batch] if isinstance(batch, list) else [request.body.get("content")]
        texts = [text for content in contents for text in _texts(content)]
        tokens = sum(map(count_tokens, texts))
        vectors = [{"values": [seeded(0, content).uniform(-1, 1)] * DIMENSIONS} for content in contents]
        usage = {"promptTokenCount": tokens}
        body: JSON = {"embeddings": vectors} if isinstance(batch, list) else {"embedding": vectors[0]}
        return Reply({**body, "usageMetadata": usage}, usage, tokens)


def _texts(content: Any) -> list[str]:
    parts = content.get("parts") if isinstance(content, dict) else None
    return [str(p.get("text") or compact(p)) for p in parts or () if isinstance(p, dict)]


def _prompt(body: Mapping[str, Any]) -> list[str]:
    """Everything in BODY that the model reads, as whole tokens."""
    found = [pad(compact(tool)) for tool in body.get("tools") or ()]
    for content in (body.get("systemInstruction"), *body["contents"]):
        if isinstance(content, dict):
            found += [mark_message(content.get("role")), *map(pad, _texts(content))]
    return found


def _wish(body: Mapping[str, Any]) -> Wish:
    config = body.get("generationConfig") or {}
    last = body["contents"][-1] if body["contents"] else {}
    functions = [f for tool in body.get("tools") or () for f in tool.get("functionDeclarations") or ()]
    answers = any("functionResponse" in part for part in last.get("parts") or () if isinstance(part, dict))
    tools = [Tool(str(f.get("name")), f.get("parametersJsonSchema") or {}) for f in functions]
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    return Wish(
        () if answers else tuple(tools),
        schema if isinstance(schema, dict) else None,
        tuple(config.get("stopSequences") or ()),
        config.get("maxOutputTokens"),
    )


def _parts(output: Output) -> list[JSON]:
    text = output.refusal if output.refusal is not None else output.text
    parts: list[JSON] = [{"text": text}] if text or not output.calls else []
    return parts + [{"functionCall": {"name": name, "args": dict(args)}} for name, args in output.calls]


def _split(parts: list[JSON]) -> Iterator[JSON]:
    for part in parts:
        yield from ({"text": piece} for piece in split_chunks(part["text"])) if part.get("text") else (part,)


def _finish_reason(request: Request, output: Output) -> str:
    if request.answer is not None and request.answer.finish_reason is not None:
        return request.answer.finish_reason
    if output.refusal is not None:
        return "SAFETY"
    return "MAX_TOKENS" if output.is_cut else "STOP"
