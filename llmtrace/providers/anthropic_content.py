"""The prompt and the answer of an Anthropic message as OpenTelemetry messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers.base import as_mapping, as_text
from llmtrace.providers.content import Message, Part, media_part, text_part, tool_call_part

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
MEDIA = {"image": "image", "document": "document"}


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the EVENTS of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    messages = [_join(events)] if is_stream else list(events)
    system = body.get("system")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
    return Conversation(
        input_messages=[_message(as_mapping(m)) for m in body.get("messages") or ()],
        output_messages=[_output(m) for m in messages if m.get("content")],
        system_instructions=[_part(as_mapping(b)) for b in blocks],
        tool_definitions=[_tool(as_mapping(t)) for t in body.get("tools") or ()],
    )


def _message(message: Mapping[str, Any]) -> Message:
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    return {"role": as_text(message.get("role")) or "user", "parts": [_part(as_mapping(b)) for b in blocks]}


def _output(message: Mapping[str, Any]) -> Message:
    reason = as_text(message.get("stop_reason")) or "error"
    parts = [_part(as_mapping(b)) for b in message.get("content") or ()]
    return {"role": "assistant", "parts": parts, "finish_reason": FINISH_REASONS.get(reason, reason)}


def _part(block: Mapping[str, Any]) -> Part:
    kind = str(block.get("type"))
    if kind == "text":
        return text_part(str(block.get("text") or ""))
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking") or ""}
    if kind in ("tool_use", "server_tool_use"):
        return tool_call_part(block.get("id"), block.get("name"), block.get("input"))
    if kind.endswith("tool_result"):
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": block.get("content")}
    if kind in MEDIA:
        source = as_mapping(block.get("source"))
        return media_part(MEDIA[kind], source.get("url"), source.get("media_type"), source.get("data"))
    return {"type": kind}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"name": tool.get("name"), "description": tool.get("description"), "parameters": tool.get("input_schema")}
    return {"type": tool.get("type") or "function", **{k: v for k, v in kept.items() if v is not None}}


def _join(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The message of a stream, put together from its events."""
    blocks: dict[int, dict[str, Any]] = {}
    reason = None
    for event in events:
        index = event.get("index") or 0
        if event.get("type") == "content_block_start":
            blocks[index] = {**as_mapping(event.get("content_block"))}
        elif event.get("type") == "content_block_delta" and index in blocks:
            _add_delta(blocks[index], as_mapping(event.get("delta")))
        elif event.get("type") == "message_delta":
            reason = as_mapping(event.get("delta")).get("stop_reason") or reason
    return {"content": [_finished(blocks[i]) for i in sorted(blocks)], "stop_reason": reason}


def _add_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name in ("text", "thinking", "partial_json"):
        if isinstance(delta.get(name), str):
            block[name] = (block.get(name) or "") + delta[name]


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    """BLOCK with a tool's input as it was streamed: JSON text, in pieces."""
    text = block.pop("partial_json", None)
    return {**block, "input": text} if text else block
