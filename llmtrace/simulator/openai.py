"""OpenAI's chat completions: what is accepted, answered and refused.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.caches import PrefixCache
from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import read_refusal
from llmtrace.simulator.openai_models import REASONING, TELLS_WRITES, find_snapshot, find_tier, think_tokens
from llmtrace.simulator.openai_stream import write_events
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import compact, count_tokens, iter_texts, mark_message, pad

JSON_MODE: JSON = {"type": "object", "properties": {"answer": {"type": "string"}}}


class ChatCompletions(OpenAIProtocol):
    """OpenAI's chat completions, with its automatic prompt cache."""

    suffixes: ClassVar[tuple[str, ...]] = ("/chat/completions",)

    def __init__(self) -> None:
        """Start with a cold cache."""
        self._cache = PrefixCache()

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        return read_refusal(asked.headers, asked.body)

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
    reasoning = think_tokens(request, body.get("reasoning_effort"))
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
    model = find_snapshot(request)
    fingerprint = None if REASONING.match(request.model) else f"fp_{blake2b(model.encode(), digest_size=5).hexdigest()}"
    return {
        "id": request.draw_id("chatcmpl-", 29),
        "object": "chat.completion",
        "created": request.created,
        "model": model,
        "choices": choices,
        "usage": dict(usage),
        "service_tier": find_tier(request.body.get("service_tier")),
        "system_fingerprint": fingerprint,
    }
