"""Mistral's API: OpenAI's chat completions and embeddings, with errors and counts of its own.

Source: https://docs.mistral.ai/api
"""

import json
import random
from typing import ClassVar
from uuid import UUID

from llmtrace.simulator.limits import Limits
from llmtrace.simulator.openai_stream import DONE, write_data
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.script import Target

PREFIX = "/mistral/"
TYPES = {400: "invalid_request_error", 404: "invalid_model", 422: "invalid_request_message_error", 429: "rate_limited"}
KEPT = frozenset({"id", "object", "created", "model", "choices", "data"})


class Mistral(Protocol):
    """An endpoint of OpenAI's as Mistral serves it, under a prefix: the paths are the same."""

    name: ClassVar[str] = "mistral"
    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, endpoint: Protocol) -> None:
        """Serve ENDPOINT."""
        self._endpoint = endpoint
        self.speaks, self.streams = endpoint.speaks, endpoint.streams

    def serves(self, method: str, path: str) -> bool:
        """Whether a request of METHOD to PATH is for this endpoint of Mistral's."""
        return path.startswith(PREFIX) and self._endpoint.serves(method, path)

    def target(self, asked: Asked) -> Target:
        """The traits of a request."""
        target = self._endpoint.target(asked)
        return Target(self.name, target.model, target.stream)

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if not asked.headers.get("authorization"):
            return self.problem(401, None, "Unauthorized")
        found = self._endpoint.refuse(asked)
        return None if found is None else self.problem(422, None, found.message)

    def reply(self, request: Request) -> Reply:
        """The answer of the endpoint, with what Mistral counts."""
        reply = self._endpoint.reply(request)
        usage = reply.usage
        if request.answer is None or request.answer.usage is None:
            total = reply.input_tokens + reply.output_tokens
            counted = {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens}
            usage = {**counted, "total_tokens": total}
        body: JSON = {k: v for k, v in reply.body.items() if k in KEPT}
        body.setdefault("id", request.draw_id("", 32))
        return Reply({**body, "usage": dict(usage or {})}, usage, reply.input_tokens, reply.output_tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The chunks of the endpoint; the one with the reason to stop counts."""
        base = {"service_tier": None, "system_fingerprint": None}
        whole = Reply({**base, **reply.body}, reply.usage, reply.input_tokens, reply.output_tokens)
        chunks = [
            {k: v for k, v in json.loads(event.data[6:]).items() if k in KEPT}
            for event in self._endpoint.events(request, whole, omits_usage=True)
            if event is not DONE
        ]
        if chunks and not omits_usage:
            chunks[-1]["usage"] = reply.usage
        return [*(Event(write_data(chunk), "usage" in chunk) for chunk in chunks), DONE]

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Mistral sends with STATUS; CODE is a type of error."""
        kind = code or TYPES.get(status, "internal_server_error" if status >= 500 else "invalid_request_error")
        return Problem(status, kind, message or "The request could not be served.", str(status * 10))

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return self.problem(404)

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        if problem.status == 401:
            return {"detail": problem.message}
        return {
            "object": "error", "message": problem.message, "type": problem.type, "param": None, "code": problem.code,
        }  # fmt: skip

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        return Event(write_data(self.error(problem, request_id)))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as Mistral's."""
        return str(UUID(int=ids.getrandbits(128), version=4))

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered, and what is left of the minute."""
        headers = {"mistral-correlation-id": request_id}
        for word, bucket in (("req", limits.requests), ("tokens", limits.tokens)):
            headers[f"x-ratelimit-limit-{word}-minute"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{word}-minute"] = str(bucket.remaining)
        return headers
