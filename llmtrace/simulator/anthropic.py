"""Anthropic's messages, plain and beta: what is accepted, answered and refused.

Source: https://docs.anthropic.com/en/api/messages
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llmtrace.simulator.answers import Output, Tool, Wish, compose
from llmtrace.simulator.anthropic_api import AnthropicProtocol
from llmtrace.simulator.anthropic_errors import read_refusal
from llmtrace.simulator.anthropic_prompt import read_blocks, read_schema
from llmtrace.simulator.anthropic_stream import write_events
from llmtrace.simulator.anthropic_tools import Run, cite, run_tools, user_spoke
from llmtrace.simulator.caches import BlockCache, CacheUse
from llmtrace.simulator.limits import rfc3339
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request
from llmtrace.simulator.text import count_tokens, write_prose

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


CONTAINER_S = 3_600.0
# The server tools that are charged by the request.
BILLED = ("web_search_requests", "web_fetch_requests")


@dataclass(frozen=True, slots=True)
class _Thought:
    """What the model thinks first; `text` is empty when only its signature is shown."""

    tokens: int
    text: str
    signature: str


class Messages(AnthropicProtocol):
    """Anthropic's messages, with prompt caching at breakpoints."""

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
        runs = run_tools(request)
        prompt_tokens = sum(block.tokens for block in blocks) + sum(run.read_tokens for run in runs)
        cache = self._cache.look_up(request.model, blocks)
        thought = _think(request)
        thinking_tokens = thought.tokens if thought else 0
        limit = request.body["max_tokens"] - thinking_tokens
        output = compose(_wish(request.body, limit), request.answer, request.rng)
        output_tokens = thinking_tokens + sum(run.spoken_tokens for run in runs) + output.tokens
        usage = _usage(request.body, prompt_tokens - cache.total, cache, output_tokens)
        if thought:
            usage["output_tokens_details"] = {"thinking_tokens": thinking_tokens}
        if runs:
            usage["server_tool_use"] = {kind: sum(run.bills == kind for run in runs) for kind in BILLED}
        if request.answer is not None and request.answer.usage is not None:
            usage = dict(request.answer.usage)
        return Reply(_message(request, thought, runs, output, usage), usage, prompt_tokens, output_tokens)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The events of the message."""
        return write_events(reply, omits_usage=omits_usage)


def _wish(body: Mapping[str, Any], limit: int) -> Wish:
    return Wish(_tools(body), read_schema(body), tuple(body.get("stop_sequences") or ()), max(limit, 0))


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools to call now: when a choice forces it, else when the last message brings no result of one."""
    choice = body.get("tool_choice") or {"type": "auto"}
    if choice.get("type") == "none" or (choice.get("type") == "auto" and not user_spoke(body)):
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


def _message(
    request: Request, thought: _Thought | None, runs: list[Run], output: Output, usage: Mapping[str, Any]
) -> JSON:
    answer = request.answer
    reason = _stop_reason(request, output)
    category = answer.refusal_category if answer is not None else None
    message: JSON = {
        "model": (answer.response_model if answer is not None else None) or SNAPSHOTS.get(request.model, request.model),
        "id": request.draw_id("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "content": _content(request, thought, runs, output),
        "stop_reason": reason,
        "stop_sequence": output.stop if reason == "stop_sequence" else None,
        "stop_details": {"type": "refusal", "category": category, "explanation": None} if reason == "refusal" else None,
        "usage": dict(usage),
    }
    if any(run.has_container for run in runs):
        message["container"] = {"id": request.draw_id("container_01", 22), "expires_at": rfc3339(CONTAINER_S)}
    return message


def _content(request: Request, thought: _Thought | None, runs: list[Run], output: Output) -> list[JSON]:
    content: list[JSON] = []
    if thought:
        content.append({"type": "thinking", "thinking": thought.text, "signature": thought.signature})
    for run in runs:
        content += run.blocks
    if text := output.text or output.refusal:
        content.append({"type": "text", "text": text, **cite(runs)})
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
