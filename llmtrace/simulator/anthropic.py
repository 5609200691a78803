"""Anthropic's messages, plain and beta: what is accepted, answered and refused.

Source: https://docs.anthropic.com/en/api/messages
"""

import random
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.anthropic_errors import SHOULD_NOT_RETRY, find_problem, read_refusal
from llmtrace.simulator.anthropic_stream import write_error, write_events
from llmtrace.simulator.caches import Block, BlockCache, CacheUse
from llmtrace.simulator.limits import Bucket, Limits, rfc3339
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Protocol, Reply, Request
from llmtrace.simulator.text import compact, count_tokens, draw_id, iter_texts, mark_message, pad, write_prose

ORGANIZATION = "00000000-5111-4a70-8000-000000000000"

# The dated model that answers for an alias; what is not listed answers by the name it was asked by.
SNAPSHOTS = {
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
    "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
# Up to Claude 4.5 a region cannot be chosen.
REGIONLESS = re.compile(r"claude-(3|[a-z]+-4-([015]|20))")


@dataclass(frozen=True, slots=True)
class _Thought:
    """What the model thinks first; `text` is empty when only its signature is shown."""

    tokens: int
    text: str
    signature: str


class Anthropic(Protocol):
    """Anthropic's messages, with prompt caching at breakpoints."""

    name: ClassVar[str] = "anthropic"
    suffixes: ClassVar[tuple[str, ...]] = ("/v1/messages",)

    def __init__(self) -> None:
        """Start with a cold cache."""
        self._cache = BlockCache()

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        return read_refusal(asked.headers, asked.body)

    def reply(self, request: Request) -> Reply:
        """The complete message."""
        blocks = read_blocks(request.body)
        prompt_tokens = sum(block.tokens for block in blocks)
        cache = self._cache.look_up(request.model, blocks)
        thought = _think(request)
        thinking_tokens = thought.tokens if thought else 0
        limit = request.body["max_tokens"] - thinking_tokens
        output = compose(_wish(request.body, limit), request.answer, request.rng)
        output_tokens = thinking_tokens + output.tokens
        usage = _usage(request.body, prompt_tokens - cache.total, cache, output_tokens)
        if thought:
            usage["output_tokens_details"] = {"thinking_tokens": thinking_tokens}
        if request.answer is not None and request.answer.usage is not None:
            usage = dict(request.answer.usage)
        return Reply(_message(request, thought, output, usage), usage, prompt_tokens, output_tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the message."""
        return write_events(reply, omits_usage=omits_usage)

    def problem(self, status: int, code: str | None = None, message: str | None = None) -> Problem:
        """The error that Anthropic sends with STATUS; CODE is a type of error."""
        return find_problem(status, code, message)

    def missing(self, method: str, path: str) -> Problem:
        """The error for a path that there is not."""
        return Problem(404, "not_found_error", "Not Found")

    def error(self, problem: Problem, request_id: str) -> JSON:
        """PROBLEM as a body."""
        error = {"type": problem.type, "message": problem.message}
        return {"type": "error", "error": error, "request_id": request_id}

    def stream_error(self, problem: Problem, request_id: str, number: int) -> Event:
        """PROBLEM inside a stream."""
        error = {"details": None, "type": problem.type, "message": problem.message}
        return write_error({"type": "error", "error": error, "request_id": request_id})

    def draw_request_id(self, ids: random.Random) -> str:
        """An id such as Anthropic's."""
        return draw_id(ids, "req_011C", 20)

    def headers(self, status: int, request_id: str, elapsed_s: float, limits: Limits) -> dict[str, str]:
        """Who answered and what is left; a request that was refused has used nothing up."""
        headers = {"request-id": request_id}
        if status in SHOULD_NOT_RETRY:
            return headers | {"x-should-retry": "false"}
        headers["anthropic-organization-id"] = ORGANIZATION
        named = {
            "requests": (limits.requests, limits.requests.remaining),
            "tokens": (limits.tokens, _rounded(limits.tokens)),
            "input-tokens": (limits.input_tokens, _rounded(limits.input_tokens)),
            "output-tokens": (limits.output_tokens, _rounded(limits.output_tokens)),
        }
        for unit, (bucket, remaining) in named.items():
            headers[f"anthropic-ratelimit-{unit}-limit"] = str(bucket.limit)
            headers[f"anthropic-ratelimit-{unit}-remaining"] = str(remaining)
            headers[f"anthropic-ratelimit-{unit}-reset"] = rfc3339(bucket.reset_s)
        return headers


def _rounded(bucket: Bucket) -> int:
    # Anthropic tells remaining tokens in thousands.
    return min(round(bucket.remaining, -3), bucket.limit)


def read_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The prompt in BODY, block by block, in the order that caching goes by: tools, system, messages."""
    blocks = [Block(pad(compact(_bare(tool))), _ttl(tool)) for tool in body.get("tools") or ()]
    if schema := _schema(body):
        blocks.append(Block(pad(compact(schema))))
    blocks += _content_blocks(body.get("system"), "")
    for message in body["messages"]:
        blocks += _content_blocks(message.get("content"), mark_message(message.get("role")))
    if blocks and (whole := _ttl(body)):
        blocks[-1] = Block(blocks[-1].text, blocks[-1].ttl or whole)
    return blocks


def _content_blocks(content: object, mark: str) -> list[Block]:
    parts = content if isinstance(content, list) else [content] if content else []
    blocks = [Block("".join(pad(text) for text in iter_texts([part])), _ttl(part)) for part in _as_parts(parts)]
    if not mark:
        return blocks
    return [Block(mark + blocks[0].text, blocks[0].ttl), *blocks[1:]] if blocks else [Block(mark)]


def _as_parts(parts: list[Any]) -> list[Any]:
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _ttl(holder: object) -> str | None:
    control = holder.get("cache_control") if isinstance(holder, dict) else None
    return str(control.get("ttl") or "5m") if isinstance(control, dict) else None


def _bare(part: Mapping[str, Any]) -> JSON:
    return {key: value for key, value in part.items() if key != "cache_control"}


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    # Releases before 1.0 of the SDK send `output_format`, beside no `output_config`.
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema = wanted.get("schema")
    return schema if wanted.get("type") == "json_schema" and isinstance(schema, dict) else None


def _wish(body: Mapping[str, Any], limit: int) -> Wish:
    return Wish(_tools(body), _schema(body), tuple(body.get("stop_sequences") or ()), max(limit, 0))


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools to call now: when a choice forces it, else when the last message brings no result of one."""
    choice = body.get("tool_choice") or {"type": "auto"}
    content = body["messages"][-1].get("content")
    parts = content if isinstance(content, list) else []
    answered = any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    spoke = body["messages"][-1].get("role") == "user" and not answered
    if choice.get("type") == "none" or (choice.get("type") == "auto" and not spoke):
        return ()
    tools = [tool for tool in body.get("tools") or () if isinstance(tool.get("input_schema"), dict)]
    wanted = choice.get("name") if choice.get("type") == "tool" else None
    return tuple(Tool(str(t.get("name")), t["input_schema"]) for t in tools if wanted in (None, t.get("name")))


def _think(request: Request) -> _Thought | None:
    thinking = request.body.get("thinking") or {}
    if thinking.get("type") not in ("enabled", "adaptive"):
        return None
    text = write_prose(request.rng, 16, 40)
    tokens = min(count_tokens(text), request.body["max_tokens"])
    signature = b64encode(request.rng.randbytes(96)).decode()
    return _Thought(tokens, "" if thinking.get("display") == "omitted" else text, signature)


def _usage(body: Mapping[str, Any], fresh: int, cache: CacheUse, output_tokens: int) -> JSON:
    regionless = REGIONLESS.match(body["model"])
    usage: JSON = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": cache.written_5m + cache.written_1h,
        "cache_read_input_tokens": cache.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cache.written_5m,
            "ephemeral_1h_input_tokens": cache.written_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": "not_available" if regionless else body.get("inference_geo") or "global",
    }
    return usage | ({"speed": body["speed"]} if body.get("speed") else {})


def _message(request: Request, thought: _Thought | None, output: Output, usage: Mapping[str, Any]) -> JSON:
    answered = request.answer.response_model if request.answer is not None else None
    reason = _stop_reason(request, output)
    details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
    return {
        "model": answered or SNAPSHOTS.get(request.model, request.model),
        "id": request.draw_id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "content": _content(request, thought, output),
        "stop_reason": reason,
        "stop_sequence": output.stop if reason == "stop_sequence" else None,
        "stop_details": details,
        "usage": dict(usage),
    }


def _content(request: Request, thought: _Thought | None, output: Output) -> list[JSON]:
    content: list[JSON] = []
    if thought:
        content.append({"type": "thinking", "thinking": thought.text, "signature": thought.signature})
    if text := output.text or output.refusal:
        content.append({"type": "text", "text": text})
    for name, arguments in output.calls:
        call_id = request.draw_id("toolu_01", 22)
        caller = {"type": "direct"}
        content.append({"type": "tool_use", "id": call_id, "name": name, "input": dict(arguments), "caller": caller})
    return content


def _stop_reason(request: Request, output: Output) -> str:
    if request.answer is not None and request.answer.finish_reason is not None:
        return request.answer.finish_reason
    if output.refusal is not None:
        return "refusal"
    if output.is_cut:
        return "max_tokens"
    if output.calls:
        return "tool_use"
    return "stop_sequence" if output.stop is not None else "end_turn"
