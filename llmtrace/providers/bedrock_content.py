"""Prompts and answers of Bedrock's calls as OpenTelemetry messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation
from llmtrace.providers import anthropic_content, openai_content
from llmtrace.providers.base import as_list, as_mapping, as_text, as_texts
from llmtrace.providers.bedrock_invoke import PROMPTS, TEXTS
from llmtrace.providers.content import Message, Part, media_part, text_part, tool_call_part

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
MEDIA = ("image", "document", "video", "audio")


def read_converse_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST's parameters, as JSON, and of the answer: one body, or the EVENTS of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    answers = [_join(events)] if is_stream else [_whole(e) for e in events]
    return Conversation(
        input_messages=[_message(as_mapping(m)) for m in as_list(body.get("messages"))],
        output_messages=[a for a in answers if a["parts"]],
        system_instructions=[_part(as_mapping(b)) for b in as_list(body.get("system"))],
        tool_definitions=[_tool(as_mapping(t)) for t in as_list(as_mapping(body.get("toolConfig")).get("tools"))],
    )


def read_invoke_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST's body and of the answer, in the model's own words."""
    first = events[0] if events else {}
    body = as_mapping(json.loads(request)) if request else {}
    if "anthropic_version" in body and "messages" in body:
        return anthropic_content.read_content(request, events, is_stream)
    if "inferenceConfig" in body or "messageStart" in first:
        return read_converse_content(request, events, is_stream)
    if "choices" in first and "messages" in body:
        return openai_content.read_chat_content(request, events, is_stream)
    prompts = [t for name in PROMPTS for t in as_texts(body.get(name)) or ()]
    said = "".join(_texts(events))
    answer = {"role": "assistant", "parts": [text_part(said)], "finish_reason": "stop"}
    return Conversation(
        input_messages=[{"role": "user", "parts": [text_part(p)]} for p in prompts],
        output_messages=[answer] if said else [],
    )


def _texts(events: Sequence[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for event in events:
        answers = [as_mapping(a) for name in ("results", "generations", "outputs") for a in as_list(event.get(name))]
        found += [text for a in (event, *answers) for name in TEXTS if (text := as_text(a.get(name)))]
    return found


def _whole(body: Mapping[str, Any]) -> Message:
    message = _message(as_mapping(as_mapping(body.get("output")).get("message")))
    reason = as_text(body.get("stopReason")) or "error"
    return {**message, "role": "assistant", "finish_reason": FINISH_REASONS.get(reason, reason)}


def _message(message: Mapping[str, Any]) -> Message:
    parts = [_part(as_mapping(b)) for b in as_list(message.get("content"))]
    return {"role": as_text(message.get("role")) or "user", "parts": parts}


def _part(block: Mapping[str, Any]) -> Part:
    if "text" in block:
        return text_part(str(block["text"]))
    if "reasoningContent" in block:
        return {"type": "reasoning", "content": _reasoning(as_mapping(block["reasoningContent"]))}
    if "toolUse" in block:
        tool = as_mapping(block["toolUse"])
        return tool_call_part(tool.get("toolUseId"), tool.get("name"), tool.get("input"))
    if "toolResult" in block:
        result = as_mapping(block["toolResult"])
        return {"type": "tool_call_response", "id": result.get("toolUseId"), "response": result.get("content")}
    kind = next((name for name in MEDIA if name in block), None)
    if kind is not None:
        return media_part(kind, None, as_text(as_mapping(block[kind]).get("format")))
    return {"type": next(iter(block), "unknown")}


def _reasoning(block: Mapping[str, Any]) -> str:
    return str(as_mapping(block.get("reasoningText")).get("text") or block.get("text") or "")


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    spec = as_mapping(tool.get("toolSpec"))
    parameters = as_mapping(spec.get("inputSchema")).get("json")
    kept = {"name": spec.get("name"), "description": spec.get("description"), "parameters": parameters}
    return {"type": "function", **{k: v for k, v in kept.items() if v is not None}}


def _join(events: Sequence[Mapping[str, Any]]) -> Message:
    """The message of a stream, put together from its events."""
    blocks: dict[int, dict[str, Any]] = {}
    reason = "error"
    for event in events:
        start, piece = as_mapping(event.get("contentBlockStart")), as_mapping(event.get("contentBlockDelta"))
        index = start.get("contentBlockIndex", piece.get("contentBlockIndex")) or 0
        if start:
            blocks[index] = {"toolUse": {**as_mapping(as_mapping(start.get("start")).get("toolUse")), "input": ""}}
        elif piece:
            _add_delta(blocks.setdefault(index, {}), as_mapping(piece.get("delta")))
        reason = as_text(as_mapping(event.get("messageStop")).get("stopReason")) or reason
    parts = [_part(blocks[i]) for i in sorted(blocks)]
    return {"role": "assistant", "parts": parts, "finish_reason": FINISH_REASONS.get(reason, reason)}


def _add_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + str(delta["text"])
    elif "toolUse" in delta:
        tool = block.setdefault("toolUse", {"input": ""})
        tool["input"] = str(tool.get("input") or "") + str(as_mapping(delta["toolUse"]).get("input") or "")
    elif "reasoningContent" in delta:
        thought = block.setdefault("reasoningContent", {"text": ""})
        thought["text"] += str(as_mapping(delta["reasoningContent"]).get("text") or "")
