"""The prompt and the answer of a Cohere chat as OpenTelemetry messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers.base import as_list, as_mapping, as_text
from llmtrace.providers.content import Message, Part, media_part, text_part, tool_call_part

FINISH_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_call"}
ROLES = {"chatbot": "assistant"}


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the events of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    asked = [as_mapping(m) for m in (*as_list(body.get("messages")), *as_list(body.get("chat_history")))]
    if as_text(body.get("message")):
        asked.append({"role": "user", "content": body["message"]})
    preamble = as_text(body.get("preamble"))
    answer = _join(events) if is_stream else (events[-1] if events else {})
    return Conversation(
        input_messages=[_message(m) for m in asked],
        output_messages=[_output(answer)] if answer else [],
        system_instructions=[text_part(preamble)] if preamble else [],
        tool_definitions=[_tool(as_mapping(t)) for t in as_list(body.get("tools"))],
    )


def _message(message: Mapping[str, Any]) -> Message:
    role = (as_text(message.get("role")) or "user").lower()
    if role == "tool":
        answer = message.get("content") or message.get("tool_results")
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": answer}
        return {"role": role, "parts": [response]}
    return {"role": ROLES.get(role, role), "parts": _parts(message)}


def _output(answer: Mapping[str, Any]) -> Message:
    reason = FINISH_REASONS.get(as_text(answer.get("finish_reason")) or "", "error")
    return {"role": "assistant", "parts": _parts(as_mapping(answer.get("message")) or answer), "finish_reason": reason}


def _parts(message: Mapping[str, Any]) -> list[Part]:
    content = message.get("content")
    if content is None:
        content = message.get("message") or message.get("text") or message.get("tool_plan")
    parts = [text_part(content)] if isinstance(content, str) and content else []
    parts += [_part(as_mapping(p)) for p in as_list(content)]
    for call in map(as_mapping, as_list(message.get("tool_calls"))):
        function = as_mapping(call.get("function")) or call
        arguments = function.get("arguments") or function.get("parameters")
        parts.append(tool_call_part(call.get("id"), function.get("name"), arguments))
    return parts


def _part(part: Mapping[str, Any]) -> Part:
    if isinstance(part.get("thinking"), str):
        return {"type": "reasoning", "content": part["thinking"]}
    if part.get("type") == "image_url":
        return media_part("image", as_mapping(part.get("image_url")).get("url"))
    return text_part(part["text"]) if isinstance(part.get("text"), str) else {"type": str(part.get("type"))}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = as_mapping(tool.get("function")) or tool
    schema = function.get("parameters") or function.get("parameter_definitions")
    kept = {"name": function.get("name"), "description": function.get("description"), "parameters": schema}
    return {"type": "function", **{k: v for k, v in kept.items() if v is not None}}


def _join(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer of a stream, put together from its events; the first version ends with the whole."""
    message: dict[str, Any] = {"content": [], "tool_calls": []}
    reason = None
    for event in events:
        if event.get("event_type") == "stream-end":
            return {"finish_reason": event.get("finish_reason"), **as_mapping(event.get("response"))}
        delta = as_mapping(event.get("delta"))
        reason = delta.get("finish_reason") or reason
        _add(message, str(event.get("type")), as_mapping(delta.get("message")))
    return {"message": {k: v for k, v in message.items() if v}, "finish_reason": reason}


def _add(message: dict[str, Any], kind: str, delta: Mapping[str, Any]) -> None:
    content, call = as_mapping(delta.get("content")), as_mapping(delta.get("tool_calls"))
    if kind == "content-start":
        message["content"].append(dict(content))
    elif kind == "content-delta" and message["content"]:
        block = message["content"][-1]
        for name in ("text", "thinking"):
            if isinstance(content.get(name), str):
                block[name] = (block.get(name) or "") + content[name]
    elif kind == "tool-call-start":
        message["tool_calls"].append({**call, "function": dict(as_mapping(call.get("function")))})
    elif kind == "tool-call-delta" and message["tool_calls"]:
        function = message["tool_calls"][-1]["function"]
        function["arguments"] = (function.get("arguments") or "") + (
            as_text(as_mapping(call.get("function")).get("arguments")) or ""
        )
