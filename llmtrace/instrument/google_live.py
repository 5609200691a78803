"""The choke point of google-genai's live sessions: `AsyncSession._receive`, through which every message comes.

A session stays open while both sides speak, so that a call is one turn of the model: from what the app sent last
before it to the message that completes it, or to the end of the session.
"""

import sys
import time
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.seam import Asked, Seam
from llmtrace.providers.google import VERTEX
from llmtrace.providers.google_live import PATH

DEPRECATED = "send"
SENDING = (DEPRECATED, "send_client_content", "send_realtime_input", "send_tool_response")


class _Session:
    """What is known of one session: its model, when the app last sent something, and the turn that is open."""

    __slots__ = ("model", "sent_at", "sent_at_ns", "turn")

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.turn: Invocation | None = None
        self.sent_at = self.sent_at_ns = 0

    def note_sending(self) -> None:
        self.sent_at, self.sent_at_ns = time.perf_counter_ns(), time.time_ns()


class LiveSeam(Seam):
    """The patched live sessions of google-genai."""

    def install(self, module: ModuleType) -> bool:
        """Whether MODULE, `live`, has what begins calls; all that it has is replaced."""
        self._sessions: weakref.WeakKeyDictionary[Any, _Session] = weakref.WeakKeyDictionary()
        session = getattr(module, "AsyncSession", None)
        for name in SENDING:
            self._patched.patch(session, name, self._around_send, is_expected=name != DEPRECATED)
        begins = (
            self._patched.patch(session, "__init__", self._around_init),
            self._patched.patch(session, "_receive", self._around_receive),
        )
        return all(begins)

    def forget_unread(self) -> None:
        """In a forked child: the parent's sessions are the parent's."""
        self._sessions.clear()

    def _around_init(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def init(session: Any, *args: Any, **kwargs: Any) -> None:
            original(session, *args, **kwargs)
            # `connect` makes the session: its parameter is the only place that names the model.
            model = sys._getframe(1).f_locals.get("model")
            quietly(self._sessions.__setitem__, session, _Session(model if isinstance(model, str) else None))

        return init

    def _around_send(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def send(session: Any, *args: Any, **kwargs: Any) -> Any:
            known = self._sessions.get(session)
            if known is not None:
                known.note_sending()
            return await original(session, *args, **kwargs)

        return send

    def _around_receive(self, original: Callable[..., Any]) -> Callable[..., Any]:
        async def receive(session: Any, *args: Any, **kwargs: Any) -> Any:
            known = self._sessions.get(session)
            try:
                message = await original(session, *args, **kwargs)
            except BaseException as err:
                if known is not None and known.turn is not None:
                    quietly(known.turn.fail, err)
                    known.turn = None
                raise
            if known is not None:
                quietly(self._see, session, known, message)
            return message

        return receive

    def _see(self, session: Any, known: _Session, message: Any) -> None:
        event = _read(message)
        if known.turn is None and event:
            known.turn = self._begin(session, known)
        if known.turn is None:
            return
        known.turn.receive(event)
        if known.turn.fold is not None and known.turn.fold.complete:
            known.turn.end("ok")
            known.turn = None

    def _begin(self, session: Any, known: _Session) -> Invocation | None:
        client = session._api_client
        url = str(client._http_options.base_url).rstrip("/") + PATH
        asked = Asked(VERTEX if client.vertexai else "", "GET", url, {"model": known.model}, stream=True)
        turn = self.begin(asked)
        if turn is not None:
            turn.sent = True
            if known.sent_at:
                turn.started, turn.started_at_ns = known.sent_at, known.sent_at_ns
            turn.end_without(session)
        return turn


def _read(message: Any) -> dict[str, Any]:
    """What MESSAGE, an object of the SDK's, says of a turn: no more than that, since it may hold a second of sound."""
    event: dict[str, Any] = {}
    content, usage = message.server_content, message.usage_metadata
    if usage is not None:
        event["usageMetadata"] = usage.model_dump(mode="json", by_alias=True, exclude_none=True)
    if message.tool_call is not None:
        event["toolCall"] = True
    if content is not None:
        parts = content.model_turn.parts if content.model_turn is not None else None
        event["serverContent"] = {
            "turnComplete": content.turn_complete,
            "interrupted": content.interrupted,
            "modelTurn": {"parts": [{"text": part.text} for part in parts or ()]},
        }
    return event
