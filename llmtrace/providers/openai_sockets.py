"""OpenAI's WebSockets: what is said on a connection, as calls.

Each response on a connection is a call, and so is each transcript of what was said to it, which is billed at the price
of the model that wrote it. A live session is one call, billed by its seconds; what it delegates is told beside it.

Sources: https://developers.openai.com/api/docs/guides/realtime-costs,
https://developers.openai.com/api/docs/guides/realtime-transcription
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, as_mapping, as_text
from llmtrace.providers.openai_responses import ENDPOINTS as RESPONSES
from llmtrace.providers.openai_work import read_decision

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
RESPONSE_ENDS = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
SESSION_TOLD = frozenset({"session.created", "session.updated", "session.started"})
# Events that are read; of all others, only that output came.
READ = RESPONSE_ENDS | SESSION_TOLD | {"response.created", "session.usage.updated", "session.closed", TRANSCRIBED}
FINISHED = {"completed": "stop", "incomplete": "length", "failed": "error", "cancelled": "cancelled"}
NO_PATH = re.compile(r"(?!)")


class RealtimeFold:
    """Gathers the events of one response of a realtime connection."""

    __slots__ = ("_body", "complete", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.complete = self.usage_complete = False
        self._body: Mapping[str, Any] = {}

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        body = as_mapping(event.get("response"))
        if body:
            self._body = body
            self.complete = body.get("status") in FINISHED
            self.usage_complete = bool(body.get("usage"))
            details = as_mapping(body.get("status_details"))
            if body.get("status") == "failed":
                error = as_mapping(details.get("error"))
                self.error = as_text(error.get("code")) or as_text(error.get("type")) or "failed"
        return str(event.get("type")).endswith(".delta")

    def response(self) -> Response:
        """The response as far as it got; which model answers is the session's to say."""
        reason = FINISHED.get(str(self._body.get("status")))
        details = as_mapping(self._body.get("status_details"))
        if reason == "length" and details.get("reason") == "content_filter":
            reason = "content_filter"
        return Response(
            id=as_text(self._body.get("id")),
            finish_reasons=(reason,) if reason else None,
            usage=as_mapping(self._body.get("usage")) or None,
        )


class LiveFold:
    """Gathers what a live session tells of itself: its seconds are the total so far, each time."""

    __slots__ = ("_reason", "_seconds", "_session", "complete", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.complete = self.usage_complete = False
        self._session: Mapping[str, Any] = {}
        self._seconds: Any = None
        self._reason: str | None = None

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        kind = str(event.get("type"))
        self._session = as_mapping(event.get("session")) or self._session
        self._seconds = as_mapping(event.get("usage")).get("seconds", self._seconds)
        if kind == "session.closed":
            self.complete = self.usage_complete = True
            self._reason = as_text(event.get("reason"))
        return kind.endswith(".delta")

    def response(self) -> Response:
        """The session as far as it got."""
        return Response(
            id=as_text(self._session.get("id")),
            model=as_text(self._session.get("model")),
            finish_reasons=(self._reason,) if self._reason else None,
            usage=None if self._seconds is None else {"seconds": self._seconds},
        )


def _read_model(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(body.get("model"))}


def read_transcript(event: Mapping[str, Any]) -> Response:
    """The transcript in EVENT, known by the item that it is of."""
    return Response(id=as_text(event.get("item_id")), usage=as_mapping(event.get("usage")) or None)


def _endpoint(name: str, operation: str, **readers: Any) -> Endpoint:
    """An endpoint that is reached over a connection, by no request of its own."""
    values: dict[str, Any] = {"read_request": _read_model, "read_response": lambda body: Response(), **readers}
    return Endpoint(name, operation, "GET", NO_PATH, is_countable=False, **values)


REALTIME = _endpoint("realtime", "chat", new_fold=RealtimeFold)
TRANSCRIPT = _endpoint("realtime.transcription", "transcription", read_response=read_transcript)
LIVE = _endpoint("live", "chat", new_fold=LiveFold)
DECISION = _endpoint("decisions", "decision", read_response=read_decision)
RESPONSE = next(e for e in RESPONSES if e.name == "responses")


def transcriber_of(session: Mapping[str, Any]) -> str | None:
    """The model that transcribes what is said in SESSION; older ones tell it elsewhere."""
    heard = as_mapping(as_mapping(session.get("audio")).get("input"))
    told = as_mapping(heard.get("transcription")) or as_mapping(session.get("input_audio_transcription"))
    return as_text(told.get("model"))
