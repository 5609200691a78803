"""Google's live sessions over a WebSocket: each turn of the model is one answer, and is counted.

Source: https://ai.google.dev/api/live
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, as_list, as_mapping, as_text

KEPT_TEXT_CHARACTERS = 32_768
PATH = "/BidiGenerateContent"


class TurnFold:
    """Gathers the messages of one turn; the last count holds."""

    __slots__ = ("_is_complete", "_is_interrupted", "_kept", "error", "text_parts", "usage")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self.error: str | None = None
        self._is_complete = self._is_interrupted = False
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a message; True when it carried output of the model."""
        self.usage = as_mapping(event.get("usageMetadata")) or self.usage
        content = as_mapping(event.get("serverContent"))
        self._is_complete = self._is_complete or content.get("turnComplete") is True
        self._is_interrupted = self._is_interrupted or content.get("interrupted") is True
        parts = [as_mapping(p) for p in as_list(as_mapping(content.get("modelTurn")).get("parts"))]
        for text in (as_text(part.get("text")) for part in parts):
            if text is not None and self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
        return bool(parts or event.get("toolCall"))

    def response(self) -> Response:
        """The response as far as it got."""
        reason = "interrupted" if self._is_interrupted else "turn_complete" if self._is_complete else None
        return Response(finish_reasons=(reason,) if reason else None, usage=self.usage)

    @property
    def complete(self) -> bool:
        """Whether the model finished its turn."""
        return self._is_complete

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's count of a whole turn arrived."""
        return self._is_complete and self.usage is not None


ENDPOINTS = (
    Endpoint(
        name="live",
        operation="generate_content",
        method="GET",
        matches=re.compile(PATH + "$"),
        read_request=lambda body: {"model": as_text(body.get("model"))},
        read_response=lambda body: Response(),
        new_fold=TurnFold,
    ),
)
