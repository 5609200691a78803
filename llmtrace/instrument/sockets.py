"""WebSocket connections of the openai SDK: each response, transcript and session on one is a call.

A connection parses every message in `parse_event`, whatever reads it; that is where it is seen, after the SDK made its
own object of it. Messages of sound are looked at for their type alone.
"""

import functools
import json
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from llmtrace.instrument.contracts import Capture
from llmtrace.instrument.imports import PatchOnImport
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly
from llmtrace.providers import Endpoint, Family
from llmtrace.providers.base import as_mapping, as_text
from llmtrace.providers.openai_sockets import (
    DECISION,
    LIVE,
    READ,
    REALTIME,
    RESPONSE,
    RESPONSE_ENDS,
    SESSION_TOLD,
    TRANSCRIBED,
    TRANSCRIPT,
    transcriber_of,
)

# Modules whose connections parse messages, and what a response on one of them is.
MODULES: dict[str, Endpoint] = {
    "openai.resources.realtime.realtime": REALTIME,
    "openai.resources.beta.realtime.realtime": REALTIME,
    "openai.resources.responses.responses": RESPONSE,
    "openai.resources.beta.responses.responses": RESPONSE,
    "openai.resources.live.live": RESPONSE,
    "openai.resources.live.forks": RESPONSE,
    "openai.resources.live.sideband": RESPONSE,
}
PARSE = "parse_event"
NESTED = frozenset({"response.event", "decision.event"})


class SocketPatches:
    """The patched connections, as far as their modules are loaded, and what stood there before."""

    def __init__(self, family: Family, capture: Capture) -> None:
        """Patch the connections of FAMILY's SDK for CAPTURE, each when its module is loaded."""
        self.family, self.capture = family, capture
        self.sessions: set[str] = set()
        self._sockets: weakref.WeakKeyDictionary[Any, Socket] = weakref.WeakKeyDictionary()
        self._originals: list[tuple[type, Any, Any]] = []
        self._imports = PatchOnImport(list(MODULES), self._patch)
        self._imports.install()

    def undo(self) -> None:
        """Put every original back where the wrapper still stands; what is open on a connection ends with it."""
        self._imports.remove()
        for owner, original, wrapper in self._originals:
            if owner.__dict__.get(PARSE) is wrapper:
                setattr(owner, PARSE, original)
        self._originals.clear()

    def forget_unread(self) -> None:
        """In a forked child: the parent's connections are the parent's."""
        for socket in list(self._sockets.values()):
            socket.forget()
        self._sockets.clear()

    def _patch(self, module: ModuleType) -> None:
        endpoint = MODULES[module.__name__]
        for owner in list(vars(module).values()):
            original = owner.__dict__.get(PARSE) if isinstance(owner, type) else None
            if original is not None and owner.__module__ == module.__name__:
                wrapper = functools.wraps(original)(self._around(original, endpoint))
                setattr(owner, PARSE, wrapper)
                self._originals.append((owner, original, wrapper))

    def _around(self, original: Callable[..., Any], endpoint: Endpoint) -> Callable[..., Any]:
        def parse_event(connection: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
            event = original(connection, data, *args, **kwargs)
            quietly(self._see, connection, endpoint, data, event)
            return event

        return parse_event

    def _see(self, connection: Any, endpoint: Endpoint, data: Any, event: Any) -> None:
        socket = self._sockets.get(connection)
        if socket is None:
            socket = self._sockets[connection] = Socket(self, connection, endpoint)
            weakref.finalize(connection, socket.abandon)
        socket.see(data, event)


class Socket:
    """One connection: the calls that are open on it, and what its session says of those to come."""

    def __init__(self, patches: SocketPatches, connection: Any, endpoint: Endpoint) -> None:
        """Follow CONNECTION, whose responses are calls of ENDPOINT."""
        self._patches, self._endpoint = patches, endpoint
        self._class = type(connection).__name__
        self._host, self._port, self._model = quietly(_place_of, connection) or (None, None, None)
        self._transcriber: str | None = None
        self._open: dict[str, Invocation] = {}
        self._session: Invocation | None = None
        self._session_id: str | None = None

    def see(self, data: Any, event: Any) -> None:
        """The SDK made EVENT of DATA, a message that came."""
        kind = getattr(event, "type", None)
        if kind in READ:
            self._read(kind, json.loads(data))
        elif kind in NESTED:
            self._read_nested(as_mapping(json.loads(data).get("event")))
        elif isinstance(kind, str) and kind.endswith(".delta"):
            self._spoke(kind, getattr(event, "response_id", None), getattr(event, "delta", None))

    def abandon(self) -> None:
        """The connection is gone: what was open on it ends with it."""
        for invocation in [*self._open.values(), *([self._session] if self._session is not None else [])]:
            invocation.end("cancelled", is_collecting=True)
        self.forget()

    def forget(self) -> None:
        """Let go of what is open."""
        self._open.clear()
        self._session = None
        if self._session_id is not None:
            self._patches.sessions.discard(self._session_id)

    def _read_nested(self, event: Any) -> None:
        kind = event.get("type")
        if kind == "decision.completed":
            decision = as_mapping(event.get("decision"))
            self._tell(DECISION, as_text(decision.get("model")), decision)
        elif kind in READ:
            self._read(kind, event)
        elif isinstance(kind, str) and kind.endswith(".delta"):
            self._spoke(kind, event.get("response_id"), event.get("delta"))

    def _read(self, kind: str, event: Any) -> None:
        if kind in SESSION_TOLD or kind == "session.closed":
            self._read_session(kind, event)
        elif kind == "session.usage.updated":
            if self._session is not None:
                self._session.take(event)
        elif kind == TRANSCRIBED:
            self._tell(TRANSCRIPT, self._transcriber, event)
        else:
            self._read_response(kind, event)

    def _read_response(self, kind: str, event: Any) -> None:
        body = as_mapping(event.get("response"))
        key = as_text(body.get("id"))
        if key is None:
            return
        if key not in self._open:
            self._open[key] = self._begin(self._endpoint, as_text(body.get("model")) or self._model, stream=True)
        self._open[key].take(event)
        if kind in RESPONSE_ENDS:
            self._open.pop(key).end("ok")

    def _spoke(self, kind: str, response_id: Any, delta: Any) -> None:
        found = self._open.get(response_id)
        if found is None and len(self._open) == 1:
            (found,) = self._open.values()
        if found is not None:
            found.take({"type": kind, "delta": delta})
        elif self._session is not None:
            self._session.take({"type": kind})

    def _read_session(self, kind: str, event: Any) -> None:
        session = as_mapping(event.get("session"))
        self._model = as_text(session.get("model")) or self._model
        self._transcriber = transcriber_of(session) or self._transcriber
        session_id = as_text(session.get("id"))
        if self._endpoint is RESPONSE and session_id is not None:
            self._follow(session_id)
        if self._session is not None:
            self._session.take(event)
            if kind == "session.closed":
                self._session.end("ok")
                self._session = None

    def _follow(self, session_id: str) -> None:
        """A live session is one call, though another connection of this process may follow it too."""
        if session_id not in self._patches.sessions:
            self._patches.sessions.add(session_id)
            self._session_id = session_id
            self._session = self._begin(LIVE, self._model, stream=True)

    def _tell(self, endpoint: Endpoint, model: str | None, body: Any) -> None:
        """A call that one event tells all of."""
        invocation = self._begin(endpoint, model, stream=False)
        invocation.take(body)
        invocation.end("ok")

    def _begin(self, endpoint: Endpoint, model: str | None, *, stream: bool) -> Invocation:
        capture = self._patches.capture
        origin = (self._class, self._host, self._port, {"model": model}, stream)
        quietly(capture.pipeline.start)
        invocation = Invocation(capture.settings, capture.pipeline, self._patches.family, endpoint, origin)
        invocation.captures = False
        if capture.shared_spans is not None:
            quietly(capture.shared_spans.begin, invocation)
        return invocation


def _place_of(connection: Any) -> tuple[str | None, int | None, str | None]:
    """Host and port that CONNECTION is with, and the model that its address names, as far as it tells."""
    request = getattr(getattr(connection, "_connection", None), "request", None)
    if request is None:
        return None, None, None
    host = urlsplit("//" + request.headers["Host"])
    query = parse_qs(urlsplit(request.path).query)
    model = next((values[0] for name in ("model", "deployment") if (values := query.get(name))), None)
    return host.hostname, host.port or 443, model
