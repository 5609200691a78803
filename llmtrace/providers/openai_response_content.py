"""The input and the output of a response as OpenTelemetry messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers.base import as_mapping, as_text
from llmtrace.providers.content import Message, Part, file_part, media_part, text_part, tool_call_part

LAST_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read_response_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the EVENTS of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    instructions = as_text(body.get("instructions"))
    return Conversation(
        input_messages=[_item(as_mapping(i)) for i in items],
        output_messages=_output(_join(events) if is_stream else events),
        system_instructions=[text_part(instructions)] if instructions else [],
        tool_definitions=[_tool(as_mapping(t)) for t in body.get("tools") or ()],
    )


def _join(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The whole response of a stream: its last event has it; of one that broke off, the texts as far as they came."""
    whole = [as_mapping(e.get("response")) for e in events if e.get("type") in LAST_EVENTS]
    if whole:
        return whole[-1:]
    text = "".join(str(e.get("delta")) for e in events if e.get("type") == "response.output_text.delta")
    content = [{"type": "output_text", "text": text}]
    return [{"output": [{"type": "message", "role": "assistant", "content": content}]}] if text else []


def _output(responses: Sequence[Mapping[str, Any]]) -> list[Message]:
    messages = []
    for response in responses:
        parts = [p for item in response.get("output") or () for p in _item(as_mapping(item))["parts"]]
        status = response.get("status")
        called = any(p["type"] == "tool_call" for p in parts)
        reason = "error" if status not in ("completed", "incomplete") else "length" if status == "incomplete" else None
        if parts:
            finish = reason or ("tool_call" if called else "stop")
            messages.append({"role": "assistant", "parts": parts, "finish_reason": finish})
    return messages


def _item(item: Mapping[str, Any]) -> Message:
    """One item of an input or an output."""
    kind = item.get("type") or "message"
    if kind == "function_call":
        return {
            "role": "assistant",
            "parts": [tool_call_part(item.get("call_id"), item.get("name"), item.get("arguments"))],
        }
    if kind == "function_call_output":
        response = {"type": "tool_call_response", "id": item.get("call_id"), "response": item.get("output")}
        return {"role": "tool", "parts": [response]}
    if kind == "reasoning":
        texts = [str(as_mapping(s).get("text") or "") for s in item.get("summary") or ()]
        return {"role": "assistant", "parts": [{"type": "reasoning", "content": t} for t in texts]}
    role = as_text(item.get("role")) or "assistant"
    content = item.get("content")
    parts = [text_part(content)] if isinstance(content, str) else [_part(as_mapping(p)) for p in content or ()]
    if kind != "message" and not parts:
        parts = [{"type": str(kind)}]
    return {"role": "system" if role == "developer" else role, "parts": parts}


def _part(part: Mapping[str, Any]) -> Part:
    kind = str(part.get("type"))
    if kind == "input_image":
        return media_part("image", part.get("image_url"))
    if kind == "input_file":
        return file_part(part)
    if kind == "input_audio":
        audio = as_mapping(part.get("input_audio"))
        return media_part("audio", None, f"audio/{audio.get('format')}", audio.get("data"))
    text = part.get("text") or part.get("refusal")
    return text_part(text) if isinstance(text, str) else {"type": kind}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: tool.get(name) for name in ("name", "description", "parameters")}
    return {"type": tool.get("type"), **{k: v for k, v in kept.items() if v is not None}}
