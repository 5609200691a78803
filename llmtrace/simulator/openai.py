"""OpenAI's chat completions: what is accepted, answered and refused.

Source: https://platform.openai.com/docs/api-reference/chat
"""

import random
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.caches import PrefixCache
from llmtrace.simulator.limits import Limits, go_duration
from llmtrace.simulator.openai_errors import find_problem, read_refusal
from llmtrace.simulator.openai_stream import write_error, write_events
from llmtrace.simulator.protocol import JSON, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.text import compact, count_tokens, iter_texts, mark_message, pad

ORGANIZATION = "org-simulator"
VERSION = "2020-10-01"

# The dated model that answers for an alias; what is not listed answers by the name it was asked by.
SNAPSHOTS = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4": "gpt-4-0613",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "gpt-5.4": "gpt-5.4-2026-03-05",
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17",
    "gpt-5.5": "gpt-5.5-2026-04-23",
}
REASONING = re.compile(r"(o\d|gpt-[5-9])(?!.*-chat)")
# From GPT-5.6 on, the usage also tells what was written to the cache.
TELLS_WRITES = re.compile(r"gpt-(5\.[6-9]|[6-9])")
TIERS = {"flex": "flex", "priority": "priority", "fast": "priority", "scale": "scale"}
REASONING_STEP = 64
EFFORT_STEPS = {"none": 0, "minimal": 0, "low": 2, "medium": 4, "high": 8, "xhigh": 16, "max": 32}
JSON_MODE: JSON = {"type": "object", "properties": {"answer": {"type": "string"}}}


class OpenAI(Protocol):
    """OpenAI's chat completions, with its automatic prompt cache."""

    name: ClassVar[str] = "openai"
    suffixes: ClassVar[tuple[str, ...]] = ("/chat/completions",)

    def __init__(self) -> None:
        """Start with a cold cache."""
        self._cache = PrefixCache()

    def refuse(self, headers: Mapping[str, str], body: object) -> Problem | None:
        """Why a request is not answered, if so."""
        return read_refusal(headers, body)

    def reply(self, request: Request) -> Reply:
        """The complete chat completion."""
        body = request.body
        prompt = read_prompt(body)
        prompt_tokens = count_tokens(prompt)
        cached, written = self._cache.look_up(request.model, prompt)
        outputs = [_think(request) for _ in range(body.get("n") or 1)]
        reasoning = sum(tokens for _, tokens in outputs)
        completion = reasoning + sum(output.tokens for output, _ in outputs)
        details: JSON = {"cached_tokens": cached, "audio_tokens": 0}
        if TELLS_WRITES.match(request.model):
            details["cache_write_tokens"] = written
        usage = _usage(prompt_tokens, completion, details, reasoning)
        if request.answer is not None and request.answer.usage is not None:
            usage = dict(request.answer.usage)
        choices = [_choice(request, index, output) for index, (output, _) in enumerate(outputs)]
        return Reply(_completion(request, choices, usage), usage, prompt_tokens, completion)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The chunks of the chat completion."""
        return write_events(request, reply, omits_usage=omits_usage)

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that OpenAI sends with STATUS."""
        return find_problem(status, code, message)

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return Problem(404, "invalid_request_error", f"Invalid URL ({method} {path})")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        return {
            "error": {
                "message": problem.message,
                "type": problem.type,
                "param": problem.param,
                "code": problem.code,
            }
        }

    def stream_error(self, problem: Problem, request_id: str) -> Event:
        """PROBLEM inside a stream."""
        return write_error(self.error(problem, request_id))

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as OpenAI's."""
        return f"req_{ids.getrandbits(128):032x}"

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered, how fast and what is left; before a model is chosen (401, 404) only the id is known."""
        headers = {"x-request-id": request_id}
        if status in (401, 404):
            return headers
        headers |= {
            "openai-organization": ORGANIZATION,
            "openai-processing-ms": str(round(elapsed_s * 1_000)),
            "openai-version": VERSION,
        }
        for unit, bucket in (("requests", limits.requests), ("tokens", limits.tokens)):
            headers[f"x-ratelimit-limit-{unit}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{unit}"] = str(bucket.remaining)
            headers[f"x-ratelimit-reset-{unit}"] = go_duration(bucket.reset_s)
        return headers


def read_prompt(body: Mapping[str, Any]) -> str:
    """Everything in BODY that the model reads, as whole tokens, what changes least first."""
    parts = [pad(compact(tool)) for tool in body.get("tools") or ()]
    if schema := _schema(body):
        parts.append(pad(compact(schema)))
    for message in body["messages"]:
        parts.append(mark_message(message.get("role")))
        parts += [pad(text) for text in iter_texts(message.get("content"))]
        parts += [pad(compact(message[key])) for key in ("tool_calls", "function_call") if message.get(key)]
        parts += [pad(message[key]) for key in ("name", "tool_call_id") if isinstance(message.get(key), str)]
    return "".join(parts)


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema")
        return schema if isinstance(schema, dict) else JSON_MODE
    return JSON_MODE if wanted.get("type") == "json_object" else None


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools to call now: when a choice forces it, else when the user spoke last."""
    choice = body.get("tool_choice") or "auto"
    last = body["messages"][-1].get("role")
    if choice == "none" or (choice == "auto" and last != "user"):
        return ()
    functions = [tool["function"] for tool in body.get("tools") or () if isinstance(tool.get("function"), dict)]
    tools = [Tool(str(f.get("name")), f.get("parameters") or {}) for f in functions]
    names = _named(choice)
    return tuple(tool for tool in tools if not names or tool.name in names)


def _named(choice: object) -> Sequence[str]:
    if not isinstance(choice, dict):
        return ()
    allowed = (choice.get("allowed_tools") or {}).get("tools") or [choice]
    return [str((tool.get("function") or {}).get("name")) for tool in allowed]


def _think(request: Request) -> tuple[Output, int]:
    """One choice, and the reasoning tokens before it."""
    body = request.body
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    reasoning = 0
    if REASONING.match(request.model):
        steps = EFFORT_STEPS.get(body.get("reasoning_effort") or "medium", 4)
        reasoning = REASONING_STEP * request.rng.randint(1, steps) if steps else 0
    if limit is not None:
        reasoning = min(reasoning, limit)
        limit -= reasoning
    stops = body.get("stop") or ()
    wish = Wish(_tools(body), _schema(body), (stops,) if isinstance(stops, str) else tuple(stops), limit)
    return compose(wish, request.answer, request.rng), reasoning


def _usage(prompt_tokens: int, completion_tokens: int, details: JSON, reasoning_tokens: int) -> JSON:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _choice(request: Request, index: int, output: Output) -> JSON:
    message: JSON = {"role": "assistant", "content": output.text if not (output.calls or output.refusal) else None}
    if output.calls:
        message["content"] = output.text or None
        message["tool_calls"] = [
            {
                "id": request.draw_id("call_", 24),
                "type": "function",
                "function": {"name": name, "arguments": compact(arguments)},
            }
            for name, arguments in output.calls
        ]
    message |= {"refusal": output.refusal, "annotations": []}
    choice: JSON = {"index": index, "message": message}
    if not REASONING.match(request.model):
        choice["logprobs"] = None
    return choice | {"finish_reason": _finish_reason(request, output)}


def _finish_reason(request: Request, output: Output) -> str:
    if request.answer is not None and request.answer.finish_reason is not None:
        return request.answer.finish_reason
    if output.is_cut:
        return "length"
    # A call of a tool that the request named ends with "stop": the model did not choose to call it.
    choice = request.body.get("tool_choice")
    named = isinstance(choice, dict) and choice.get("type") == "function"
    return "tool_calls" if output.calls and not named else "stop"


def _completion(request: Request, choices: list[JSON], usage: Mapping[str, Any]) -> JSON:
    answered = request.answer.response_model if request.answer is not None else None
    model = answered or SNAPSHOTS.get(request.model, request.model)
    fingerprint = None if REASONING.match(request.model) else f"fp_{blake2b(model.encode(), digest_size=5).hexdigest()}"
    return {
        "id": request.draw_id("chatcmpl-", 29),
        "object": "chat.completion",
        "created": request.created,
        "model": model,
        "choices": choices,
        "usage": dict(usage),
        "service_tier": TIERS.get(request.body.get("service_tier") or "auto", "default"),
        "system_fingerprint": fingerprint,
    }
