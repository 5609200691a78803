"""The prompt and the answer of a chat completion as OpenTelemetry messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers.base import as_mapping, as_text, as_texts
from llmtrace.providers.content import Message, Part, file_part, media_part, text_part, tool_call_part

FINISH_REASONS = {"tool_calls": "tool_call", "function_call": "tool_call"}


def read_chat_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the EVENTS of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    choices = _join(events) if is_stream else [c for e in events for c in e.get("choices") or ()]
    return Conversation(
        input_messages=[_input(as_mapping(m)) for m in body.get("messages") or ()],
        output_messages=[_output(as_mapping(c)) for c in choices],
        tool_definitions=[_tool(as_mapping(t)) for t in body.get("tools") or ()],
    )


def read_completion_content(
    request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool
) -> Conversation:
    """Content of a text completion: the prompt as the user's, each choice as the model's."""
    body = as_mapping(json.loads(request)) if request else {}
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for event in events:
        for choice in event.get("choices") or ():
            index = choice.get("index") or 0
            texts[index] = texts.get(index, "") + (choice.get("text") or "")
            reasons[index] = choice.get("finish_reason") or reasons.get(index) or "error"
    answers = [
        {"role": "assistant", "parts": [text_part(texts[i])], "finish_reason": reasons[i]} for i in sorted(texts)
    ]
    prompts = as_texts(body.get("prompt")) or ()
    return Conversation(
        input_messages=[{"role": "user", "parts": [text_part(p)]} for p in prompts],
        output_messages=answers,
    )


def _input(message: Mapping[str, Any]) -> Message:
    role = as_text(message.get("role")) or "user"
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": role, "parts": [response]}
    return {"role": "system" if role == "developer" else role, "parts": _parts(message)}


def _output(choice: Mapping[str, Any]) -> Message:
    reason = as_text(choice.get("finish_reason")) or "error"
    parts = _parts(as_mapping(choice.get("message")))
    return {"role": "assistant", "parts": parts, "finish_reason": FINISH_REASONS.get(reason, reason)}


def _parts(message: Mapping[str, Any]) -> list[Part]:
    content = message.get("content")
    parts = [text_part(content)] if isinstance(content, str) and content else []
    if isinstance(content, list):
        parts += [_content_part(as_mapping(p)) for p in content]
    if refusal := as_text(message.get("refusal")):
        parts.append(text_part(refusal))
    for call in message.get("tool_calls") or ():
        function = as_mapping(as_mapping(call).get("function"))
        parts.append(tool_call_part(as_mapping(call).get("id"), function.get("name"), function.get("arguments")))
    return parts


def _content_part(part: Mapping[str, Any]) -> Part:
    kind = part.get("type")
    if kind == "image_url":
        return media_part("image", as_mapping(part.get("image_url")).get("url"))
    if kind == "input_audio":
        audio = as_mapping(part.get("input_audio"))
        return media_part("audio", None, f"audio/{audio.get('format')}", audio.get("data"))
    if kind == "file":
        return file_part(as_mapping(part.get("file")))
    text = part.get("text") or part.get("refusal")
    return text_part(text) if isinstance(text, str) else {"type": str(kind)}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = as_mapping(tool.get("function"))
    kept = {name: function.get(name) for name in ("name", "description", "parameters")}
    return {"type": tool.get("type"), **{k: v for k, v in kept.items() if v is not None}}


def _join(chunks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The choices of a stream, put together from their deltas."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for part in chunk.get("choices") or ():
            choice = choices.setdefault(part.get("index") or 0, {"message": {}, "finish_reason": None})
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            _add_delta(choice["message"], as_mapping(part.get("delta")))
    return [choices[i] for i in sorted(choices)]


def _add_delta(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name in ("content", "refusal"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    calls: list[dict[str, Any]] = message.setdefault("tool_calls", [])
    for tool in delta.get("tool_calls") or ():
        index = tool.get("index") or 0
        while len(calls) <= index:
            calls.append({"id": None, "function": {"name": None, "arguments": ""}})
        function = as_mapping(tool.get("function"))
        calls[index]["id"] = tool.get("id") or calls[index]["id"]
        calls[index]["function"]["name"] = function.get("name") or calls[index]["function"]["name"]
        calls[index]["function"]["arguments"] += function.get("arguments") or ""
