"""The prompt and the answer of a Gemini call as OpenTelemetry messages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers.base import as_list, as_mapping, as_text
from llmtrace.providers.content import Message, Part, media_part, text_part, tool_call_part

ROLES = {"model": "assistant", "function": "tool"}
FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "MALFORMED_FUNCTION_CALL": "error", "OTHER": "error"}


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the chunks of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    return Conversation(
        input_messages=[_message(as_mapping(c)) for c in as_list(body.get("contents"))],
        output_messages=[_output(parts, reason) for parts, reason in _join(events)],
        system_instructions=_parts(as_mapping(body.get("systemInstruction"))),
        tool_definitions=list(_tools(as_list(body.get("tools")))),
    )


def _message(content: Mapping[str, Any]) -> Message:
    role = as_text(content.get("role")) or "user"
    return {"role": ROLES.get(role, role), "parts": _parts(content)}


def _output(parts: list[Part], reason: str | None) -> Message:
    is_call = any(part["type"] == "tool_call" for part in parts)
    word = "error" if reason is None else FINISH_REASONS.get(reason, "content_filter")
    return {"role": "assistant", "parts": parts, "finish_reason": "tool_call" if is_call and word == "stop" else word}


def _parts(content: Mapping[str, Any]) -> list[Part]:
    return [_part(as_mapping(part)) for part in as_list(content.get("parts"))]


def _part(part: Mapping[str, Any]) -> Part:
    if isinstance(part.get("text"), str):
        return {"type": "reasoning", "content": part["text"]} if part.get("thought") else text_part(part["text"])
    call, answer = as_mapping(part.get("functionCall")), as_mapping(part.get("functionResponse"))
    if call:
        return tool_call_part(call.get("id"), call.get("name"), call.get("args"))
    if answer:
        return {"type": "tool_call_response", "id": answer.get("id"), "response": answer.get("response")}
    inline, file = as_mapping(part.get("inlineData")), as_mapping(part.get("fileData"))
    if inline or file:
        mime_type = as_text((inline or file).get("mimeType")) or ""
        return media_part(mime_type.partition("/")[0], file.get("fileUri"), mime_type)
    return {"type": next(iter(part), "unknown")}


def _tools(tools: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for tool in map(as_mapping, tools):
        for function in map(as_mapping, as_list(tool.get("functionDeclarations"))):
            schema = function.get("parametersJsonSchema") or function.get("parameters")
            kept = {"name": function.get("name"), "description": function.get("description"), "parameters": schema}
            yield {"type": "function", **{k: v for k, v in kept.items() if v is not None}}
        yield from ({"type": kind} for kind in tool if kind != "functionDeclarations")


def _join(events: Iterable[Mapping[str, Any]]) -> list[tuple[list[Part], str | None]]:
    """Parts and reason to stop of each candidate: neighbouring pieces of text are one part."""
    found: dict[int, tuple[list[Part], str | None]] = {}
    for event in events:
        for candidate in map(as_mapping, as_list(event.get("candidates"))):
            index = candidate.get("index") or 0
            parts, reason = found.get(index, ([], None))
            for part in _parts(as_mapping(candidate.get("content"))):
                _append(parts, part)
            found[index] = parts, as_text(candidate.get("finishReason")) or reason
    return [found[i] for i in sorted(found)]


def _append(parts: list[Part], part: Part) -> None:
    last = parts[-1] if parts else None
    if last is not None and last["type"] == part["type"] and part["type"] in ("text", "reasoning"):
        last["content"] += part["content"]
    else:
        parts.append(part)
