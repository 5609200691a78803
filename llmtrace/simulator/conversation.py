"""What Cohere's and Ollama's endpoints share: chat messages of roles and texts, and plain errors."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.limits import Limits
from llmtrace.simulator.protocol import JSON, Asked, Problem, Protocol, Request
from llmtrace.simulator.text import compact, count_tokens, draw_id, iter_texts, mark_message, pad

PHRASES = {401: "invalid api token", 404: "model not found", 429: "too many requests", 500: "internal server error"}


class ConversationProtocol(Protocol):
    """An endpoint that takes a model and texts, and names no errors."""

    name: ClassVar[str] = ""
    takes: ClassVar[tuple[str, ...]] = ("messages",)

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        body = asked.fields
        if not isinstance(body.get("model"), str) or not body["model"]:
            return self.problem(400, None, "model is required")
        missing = next((name for name in self.takes if not body.get(name)), None)
        return self.problem(400, None, f"{missing} is required") if missing is not None else None

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that goes with STATUS."""
        return Problem(status, code or "error", message or PHRASES.get(status, "the request could not be served"))

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return self.problem(404, None, "not found")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        return {"error": problem.message}

    def draw_request_id(self, ids: random.Random) -> str:
        """An id for one HTTP exchange."""
        return draw_id(ids, "", 32)

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Nothing but the usual."""
        return {}


def count_prompt(body: Mapping[str, Any]) -> int:
    """The tokens of what BODY has the model read."""
    found = [pad(compact(tool)) for tool in body.get("tools") or ()]
    for message in body.get("messages") or ():
        found += [mark_message(message.get("role")), *map(pad, iter_texts(message.get("content")))]
    found += [pad(body[key]) for key in ("prompt", "system", "suffix") if isinstance(body.get(key), str)]
    return sum(map(count_tokens, found))


def speak(request: Request, *, limit: int | None, stops: Any = ()) -> Output:
    """What the model says to REQUEST: it calls a tool where the user spoke last and there is one."""
    body = request.body
    last = (body.get("messages") or [{}])[-1].get("role", "user")
    functions = [t["function"] for t in body.get("tools") or () if isinstance(t.get("function"), dict)]
    tools = tuple(Tool(str(f.get("name")), f.get("parameters") or {}) for f in functions) if last == "user" else ()
    return compose(Wish(tools, None, tuple(stops or ()), limit), request.answer, request.rng)


def finish(request: Request, output: Output, *, stop: str, cut: str, called: str) -> str:
    """Why the model stopped, in the words that are given."""
    if request.answer is not None and request.answer.finish_reason is not None:
        return request.answer.finish_reason
    return cut if output.is_cut else called if output.calls else stop
