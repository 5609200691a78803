"""Google's interactions: the API of its own beside `generateContent`, with names of its own for the same counts.

One that runs in the background has no usage until it is fetched.

Source: https://ai.google.dev/api/interactions-api
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation, Response
from llmtrace.providers.base import Endpoint, as_float, as_int, as_list, as_mapping, as_text, as_texts
from llmtrace.providers.content import Part, text_part, tool_call_part
from llmtrace.providers.uncharged import FETCH_OPERATION

KEPT_TEXT_CHARACTERS = 32_768
# Of a run that is over; what is in progress has no usage yet.
OVER = frozenset({"completed", "failed", "cancelled", "incomplete", "requires_action", "requires_continuation"})
FINISH_REASONS = {"completed": "stop", "requires_action": "tool_call", "incomplete": "length"}
SPOKEN = ("text", "arguments", "data", "content")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    config = as_mapping(body.get("generation_config"))
    return {
        "model": as_text(body.get("model")) or as_text(body.get("agent")),
        "max_tokens": as_int(config.get("max_output_tokens")),
        "temperature": as_float(config.get("temperature")),
        "top_p": as_float(config.get("top_p")),
        "seed": as_int(config.get("seed")),
        "stop_sequences": as_texts(config.get("stop_sequences")),
        "reasoning_level": as_text(config.get("thinking_level")),
        "service_tier": as_text(body.get("service_tier")),
        "previous_response_id": as_text(body.get("previous_interaction_id")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of instructions and input in BODY: what an estimate counts where the count does not arrive."""
    texts = [t for t in (body.get("system_instruction"), body.get("input")) if isinstance(t, str)]
    return texts + [part["content"] for part in _read_parts(body.get("input")) if part["type"] == "text"]


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, an interaction."""
    status = as_text(body.get("status"))
    return Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=(status,) if status in OVER else None,
        service_tier=as_text(body.get("service_tier")),
        error=_read_failure(body),
        usage=as_mapping(body.get("usage")) or None,
    )


def _read_failure(body: Mapping[str, Any]) -> str | None:
    error = as_mapping(body.get("error"))
    if error:
        return as_text(error.get("status")) or str(error.get("code") or "error")
    return "failed" if body.get("status") == "failed" else None


class InteractionFold:
    """Gathers the events of a streamed interaction."""

    __slots__ = ("_kept", "_last", "error", "text_parts")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self._last: dict[str, Any] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        interaction = as_mapping(event.get("interaction"))
        if interaction:
            self._last |= interaction
        if event.get("error") or interaction.get("error"):
            self.error = self.error or _read_failure(interaction or event)
            return False
        delta = as_mapping(event.get("delta"))
        spoken = next((v for name in SPOKEN if (v := delta.get(name))), None)
        if isinstance(spoken, str) and self._kept < KEPT_TEXT_CHARACTERS:
            self.text_parts.append(spoken)
            self._kept += len(spoken)
        return spoken is not None

    def response(self) -> Response:
        """The response as far as it got."""
        return read_response(self._last)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return as_text(self._last.get("status")) in OVER

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived: with the finished interaction."""
        return self.complete and bool(self._last.get("usage"))


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the events of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    given, system = body.get("input"), as_text(body.get("system_instruction"))
    asked = [text_part(given)] if isinstance(given, str) else _read_parts(given)
    steps = _join(events) if is_stream else [s for e in events for s in as_list(e.get("steps") or e.get("outputs"))]
    status = next((s for e in reversed(events) if (s := (as_mapping(e.get("interaction")) or e).get("status"))), None)
    answer = {
        "role": "assistant",
        "parts": _read_parts(steps),
        "finish_reason": FINISH_REASONS.get(str(status), "error"),
    }
    return Conversation(
        input_messages=[{"role": "user", "parts": asked}] if asked else [],
        output_messages=[answer] if answer["parts"] else [],
        system_instructions=[text_part(system)] if system else [],
        tool_definitions=[dict(as_mapping(t)) for t in as_list(body.get("tools"))],
    )


def _read_parts(items: Any) -> list[Part]:
    """The parts in ITEMS: contents, or steps and turns that hold contents."""
    parts: list[Part] = []
    for item in map(as_mapping, as_list(items)):
        held = item.get("content") if item.get("content") is not None else item.get("summary")
        if isinstance(item.get("text"), str):
            parts.append(text_part(item["text"]))
        elif isinstance(held, str):
            parts.append(text_part(held))
        elif isinstance(held, list):
            parts += _read_parts(held)
        elif item.get("type") in ("function_call", "function_call_step"):
            parts.append(tool_call_part(item.get("id"), item.get("name"), item.get("arguments")))
        elif as_text(item.get("type")):
            parts.append({"type": item["type"]})
    return parts


def _join(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of a stream, put together from their deltas."""
    steps: dict[int, dict[str, Any]] = {}
    for event in events:
        index, delta = event.get("index") or 0, as_mapping(event.get("delta"))
        if event.get("event_type") == "step.start":
            steps[index] = dict(as_mapping(event.get("step")))
        elif delta and index in steps:
            for name in ("text", "arguments"):
                if isinstance(delta.get(name), str):
                    steps[index][name] = (steps[index].get(name) or "") + delta[name]
    return [steps[i] for i in sorted(steps)]


ENDPOINTS = (
    Endpoint(
        name="interactions",
        operation="generate_content",
        method="POST",
        matches=re.compile(r"/interactions$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=InteractionFold,
        prompt_texts=prompt_texts,
        read_content=read_content,
    ),
    Endpoint(
        name="interactions.retrieve",
        operation=FETCH_OPERATION,
        method="GET",
        matches=re.compile(r"/interactions/[^/]+$"),
        read_request=lambda body: {},
        read_response=read_response,
        new_fold=InteractionFold,
    ),
)
