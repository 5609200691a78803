"""Follows what botocore hands out unread, without putting anything of ours in its place.

An `EventStream` parses each event with a method of its own, and reads them from a generator of its own: both are
wrapped on the one object. A `StreamingBody` reads from urllib3's response, through its `read` or its `read_chunked`.
"""

import base64
import json
import weakref
from collections.abc import Callable
from typing import Any

from llmtrace.instrument.body import KEPT_BYTES
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.streams import SyncItems


def follow_events(invocation: Invocation, stream: Any, registry: dict[int, Invocation]) -> None:
    """Let INVOCATION end when STREAM, an `EventStream`, is read, closed or dropped."""
    generator = stream._event_generator
    invocation.hold(stream, registry)
    registry[id(stream)] = invocation
    reference = weakref.ref(stream)
    stream._parse_event = _parsing(invocation, reference)
    stream.close = _closing(invocation, reference)
    stream._event_generator = SyncItems(invocation, generator, _pass_on)


def follow_body(invocation: Invocation, body: Any, registry: dict[int, Invocation]) -> None:
    """Let INVOCATION end when BODY, a `StreamingBody`, is read, closed or dropped."""
    raw, headers = body._raw_stream, invocation.headers or {}
    length = headers.get("content-length", "")
    invocation.hold(raw, registry)
    registry[id(raw)] = invocation
    invocation.reader = KeptBody(invocation)
    reference = weakref.ref(raw)
    raw.read = _reading(invocation, reference, int(length) if length.isdecimal() else None)
    raw.read_chunked = _reading_chunks(invocation, reference)
    raw.close = _closing(invocation, reference)


def _pass_on(item: Any) -> None:
    """Do nothing: the stream's own parser shows the event."""


class KeptBody:
    """The body as the caller reads it, which is parsed off the call's path."""

    __slots__ = ("_invocation", "_kept", "_pieces")

    def __init__(self, invocation: Invocation) -> None:
        """Give what is read to INVOCATION."""
        self._invocation = invocation
        self._pieces: list[bytes] = []
        self._kept = 0

    def feed(self, piece: bytes) -> None:
        """Take the next PIECE."""
        self._kept += len(piece)
        if self._kept <= KEPT_BYTES:
            self._pieces.append(piece)

    def finish(self) -> None:
        """The caller has read to the end, or as far as it will."""
        if self._kept <= KEPT_BYTES:
            self._invocation.response_bytes = b"".join(self._pieces)
        self._pieces.clear()


def _closing(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[], Any]:
    def close() -> Any:
        source = reference()
        quietly(invocation.close)
        return None if source is None else type(source).close(source)

    return close


def _parsing(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[[Any], Any]:
    def parse_event(event: Any) -> Any:
        stream: Any = reference()
        try:
            parsed = type(stream)._parse_event(stream, event)
        except BaseException as err:
            quietly(invocation.fail, err)
            raise
        if parsed:
            quietly(_receive, invocation, parsed)
        return parsed

    return parse_event


def _receive(invocation: Invocation, event: dict[str, Any]) -> None:
    """Take EVENT: of a Converse stream as it is, of an invoked model what its chunk holds."""
    chunk = event.get("chunk")
    if chunk is not None:
        content = chunk.get("bytes")
        data = json.loads(content) if content else None
    else:
        data = json.loads(json.dumps(event, default=_as_text)) if invocation.captures else event
    if data is not None:
        invocation.receive(data)


def _as_text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _reading(invocation: Invocation, reference: "weakref.ref[Any]", length: int | None) -> Callable[..., Any]:
    seen = 0

    def read(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        raw: Any = reference()
        try:
            piece = type(raw).read(raw, *args, **kwargs)
        except BaseException as err:
            quietly(invocation.fail, err)
            raise
        amount = args[0] if args else kwargs.get("amt")
        seen += len(piece)
        quietly(invocation.feed, piece)
        if amount is None or (not piece and amount != 0) or seen == length:
            quietly(invocation.finish_reading)
        return piece

    return read


def _reading_chunks(invocation: Invocation, reference: "weakref.ref[Any]") -> Callable[..., SyncItems]:
    """What iterating over lines reads from, where the response is chunked."""

    def read_chunked(*args: Any, **kwargs: Any) -> SyncItems:
        raw: Any = reference()
        return SyncItems(invocation, type(raw).read_chunked(raw, *args, **kwargs), invocation.feed)

    return read_chunked
