"""Anthropic's older completions of text: they tell no usage, whole or streamed.

Source: https://docs.anthropic.com/en/api/complete
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmtrace.model import Conversation, Response
from llmtrace.providers.anthropic_content import FINISH_REASONS
from llmtrace.providers.base import Endpoint, as_float, as_int, as_mapping, as_text, as_texts
from llmtrace.providers.content import text_part

KEPT_TEXT_CHARACTERS = 32_768


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(body.get("max_tokens_to_sample")),
        "temperature": as_float(body.get("temperature")),
        "top_p": as_float(body.get("top_p")),
        "top_k": as_int(body.get("top_k")),
        "stop_sequences": as_texts(body.get("stop_sequences")),
    }


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, a whole completion or a piece of one."""
    reason = as_text(body.get("stop_reason"))
    return Response(
        id=as_text(body.get("id")), model=as_text(body.get("model")), finish_reasons=(reason,) if reason else None
    )


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the EVENTS of a stream."""
    prompt = as_text(as_mapping(json.loads(request)).get("prompt")) if request else None
    text = "".join(as_text(e.get("completion")) or "" for e in events)
    reason = next((r for e in reversed(events) if (r := as_text(e.get("stop_reason")))), "error")
    answer = {"role": "assistant", "parts": [text_part(text)], "finish_reason": FINISH_REASONS.get(reason, reason)}
    return Conversation(
        input_messages=[{"role": "user", "parts": [text_part(prompt)]}] if prompt else [],
        output_messages=[answer] if text else [],
    )


class CompletionFold:
    """Gathers the pieces of a streamed completion."""

    __slots__ = ("_kept", "_last", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.usage_complete = False  # it never comes
        self._last: Mapping[str, Any] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        if event.get("type") == "error":
            self.error = as_text(as_mapping(event.get("error")).get("type")) or "error"
        if event.get("type") != "completion":
            return False
        self._last = event
        text = as_text(event.get("completion"))
        if text is not None and self._kept < KEPT_TEXT_CHARACTERS:
            self.text_parts.append(text)
            self._kept += len(text)
        return text is not None

    def response(self) -> Response:
        """The response as far as it got."""
        return read_response(self._last)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._last.get("stop_reason") is not None


ENDPOINTS = (
    Endpoint(
        name="complete",
        operation="text_completion",
        method="POST",
        matches=re.compile(r"/v1/complete$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=CompletionFold,
        prompt_texts=lambda body: list(as_texts(body.get("prompt")) or ()),
        read_content=read_content,
    ),
)
