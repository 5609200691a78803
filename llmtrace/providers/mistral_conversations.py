"""Conversations with Mistral's models and agents: the API of its own, in which each answer is a list of entries.

Source: https://docs.mistral.ai/api/endpoint/beta/conversations
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation, Response
from llmtrace.providers.base import Endpoint, as_float, as_int, as_list, as_mapping, as_text, as_texts
from llmtrace.providers.content import Part, text_part, tool_call_part

KEPT_TEXT_CHARACTERS = 32_768
DONE, FAILED = "conversation.response.done", "conversation.response.error"
SPEAKING = frozenset({"message.output.delta", "function.call.delta"})


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    options = as_mapping(body.get("completion_args"))
    return {
        "model": as_text(body.get("model")) or as_text(body.get("agent_id")),
        "max_tokens": as_int(options.get("max_tokens")),
        "temperature": as_float(options.get("temperature")),
        "top_p": as_float(options.get("top_p")),
        "frequency_penalty": as_float(options.get("frequency_penalty")),
        "presence_penalty": as_float(options.get("presence_penalty")),
        "seed": as_int(options.get("random_seed")),
        "stop_sequences": as_texts(options.get("stop")),
        "reasoning_level": as_text(options.get("reasoning_effort")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of instructions and inputs in BODY: what an estimate counts where the count does not arrive."""
    texts = [t for t in (body.get("instructions"), body.get("inputs")) if isinstance(t, str)]
    return texts + [p["content"] for e in as_list(body.get("inputs")) for p in _parts(as_mapping(e)) if "content" in p]


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: its id is the first entry's, since the conversation's own stays the same."""
    outputs = [as_mapping(e) for e in as_list(body.get("outputs"))]
    error = body.get("error")
    return Response(
        id=next((i for e in outputs if (i := as_text(e.get("id")))), None),
        model=next((m for e in reversed(outputs) if (m := as_text(e.get("model")))), None),
        finish_reasons=("tool_calls",) if any(e.get("type") == "function.call" for e in outputs) else None,
        error=(as_text(as_mapping(error).get("type")) or "error") if error else None,
        usage=as_mapping(body.get("usage")) or None,
    )


class ConversationFold:
    """Gathers the events of a streamed conversation."""

    __slots__ = ("_id", "_is_done", "_kept", "_model", "error", "text_parts", "usage")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self.error: str | None = None
        self._id: str | None = None
        self._model: str | None = None
        self._is_done = False
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        kind = as_text(event.get("type"))
        self._model = as_text(event.get("model")) or self._model
        self._id = self._id or as_text(event.get("id"))
        if kind == DONE:
            self._is_done = True
            self.usage = as_mapping(event.get("usage")) or None
        elif kind == FAILED:
            self.error = as_text(event.get("code")) or str(as_int(event.get("code")) or "error")
        elif kind in SPEAKING:
            spoken = event.get("content") or event.get("arguments")
            text = spoken if isinstance(spoken, str) else as_text(as_mapping(spoken).get("text"))
            if text and self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
            return bool(spoken)
        return False

    def response(self) -> Response:
        """The response as far as it got."""
        return Response(id=self._id, model=self._model, usage=self.usage)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._is_done

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived."""
        return self._is_done and self.usage is not None


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the events of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    given, system = body.get("inputs"), as_text(body.get("instructions"))
    asked = [{"role": "user", "content": given}] if isinstance(given, str) else [as_mapping(e) for e in as_list(given)]
    outputs = _join(events) if is_stream else [as_mapping(o) for e in events for o in as_list(e.get("outputs"))]
    parts = [part for entry in outputs for part in _parts(entry)]
    is_call = any(part["type"] == "tool_call" for part in parts)
    answer = {"role": "assistant", "parts": parts, "finish_reason": "tool_call" if is_call else "stop"}
    return Conversation(
        input_messages=[{"role": as_text(e.get("role")) or "user", "parts": _parts(e)} for e in asked],
        output_messages=[answer] if parts else [],
        system_instructions=[text_part(system)] if system else [],
        tool_definitions=[dict(as_mapping(t)) for t in as_list(body.get("tools"))],
    )


def _parts(entry: Mapping[str, Any]) -> list[Part]:
    if entry.get("type") == "function.call":
        return [tool_call_part(entry.get("tool_call_id"), entry.get("name"), entry.get("arguments"))]
    if entry.get("type") == "function.result":
        return [{"type": "tool_call_response", "id": entry.get("tool_call_id"), "response": entry.get("result")}]
    content = entry.get("content")
    if isinstance(content, str):
        return [text_part(content)]
    chunks = [content] if isinstance(content, Mapping) else as_list(content)
    return [
        text_part(c["text"]) if isinstance(c.get("text"), str) else {"type": str(c.get("type"))}
        for c in map(as_mapping, chunks)
    ]


def _join(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries of a stream, put together from their deltas."""
    entries: dict[Any, dict[str, Any]] = {}
    for event in events:
        if event.get("type") not in SPEAKING:
            continue
        kind = "function.call" if event.get("type") == "function.call.delta" else "message.output"
        entry = entries.setdefault(event.get("id"), {**event, "type": kind, "content": "", "arguments": ""})
        for name in ("content", "arguments"):
            piece = event.get(name)
            entry[name] += piece if isinstance(piece, str) else as_text(as_mapping(piece).get("text")) or ""
    return list(entries.values())


ENDPOINTS = (
    Endpoint(
        name="conversations",
        operation="chat",
        method="POST",
        matches=re.compile(r"/conversations(?:/[^/]+(?:/restart)?)?$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=ConversationFold,
        prompt_texts=prompt_texts,
        read_content=read_content,
    ),
)
