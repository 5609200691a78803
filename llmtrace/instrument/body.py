"""Reads a response that the caller reads itself, byte by byte, without the SDK's parser: JSON, lines of it, or SSE."""

import json
from collections.abc import Callable
from typing import Any

from llmtrace.instrument.frames import CONTENT_TYPE as FRAMES
from llmtrace.instrument.frames import split_frames

KEPT_BYTES = 8 * 1024 * 1024
EVENT_STREAM = "text/event-stream"
JSON_LINES = ("ndjson", "jsonl", "stream+json")
DONE = b"[DONE]"
LINES_BYTES = 256 * 1024
HELD_BYTES = 1024 * 1024
ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")
MEDIA = ("audio/", "image/", "video/")


def is_text(content_type: str) -> bool:
    """Whether a body of CONTENT_TYPE may hold something to read: media is the caller's alone."""
    return not content_type.startswith(MEDIA)


class BodyReader:
    """Sees the decoded bytes of one response, and gives what is in them to RECEIVE.

    Where the SDK's parser may read the same bytes, it shows events as soon as a piece ends with one, before the next is
    asked for: what came is therefore only kept until then. It is read at once where this reader IS_ALONE.
    """

    __slots__ = (
        "_is_alone", "_is_events", "_is_frames", "_is_lines", "_is_media", "_kept", "_pieces", "_receive", "_rest",
        "_tail",
    )  # fmt: skip

    def __init__(self, content_type: str, receive: Callable[[Any], object], *, is_alone: bool = False) -> None:
        """Read a body of CONTENT_TYPE."""
        content_type = content_type.lower()
        self._is_lines = any(name in content_type for name in JSON_LINES)
        self._is_frames = FRAMES in content_type
        self._is_events = EVENT_STREAM in content_type or self._is_lines or self._is_frames
        self._is_media = not is_text(content_type)
        self._is_alone = is_alone
        self._receive = receive
        self._pieces: list[bytes] = []
        self._kept = 0
        self._rest = self._tail = b""

    def feed(self, piece: bytes) -> None:
        """Take the next PIECE."""
        if self._is_media:
            return
        if self._kept > KEPT_BYTES:
            self._pieces.clear()
            return
        if self._is_events and not self._is_alone and self._would_show():
            self._read_events()
        self._pieces.append(piece)
        self._kept += len(piece)
        self._tail = (self._tail + piece[-4:])[-4:]
        if self._is_events and self._is_alone:
            self._read_events()

    def _would_show(self) -> bool:
        """Whether the SDK's parser would have shown what came so far."""
        is_at_end = self._is_frames or self._is_lines or self._tail.endswith(ENDS) or self._kept > HELD_BYTES
        return is_at_end and bool(self._pieces)

    def finish(self) -> None:
        """The caller has read to the end, or as far as it will."""
        if self._kept > KEPT_BYTES:
            return
        if self._is_events:
            self._read_events()
            self._read_event(self._rest)
        elif self._pieces:
            self._read_json(b"".join(self._pieces))
        self._pieces.clear()

    def _read_frames(self) -> None:
        events, self._rest = split_frames(self._rest + b"".join(self._pieces))
        self._pieces.clear()
        self._kept = len(self._rest)
        for event in events:
            self._receive(event)

    def _read_events(self) -> None:
        if self._is_frames:
            self._read_frames()
            return
        text = (self._rest + b"".join(self._pieces)).replace(b"\r\n", b"\n")
        self._pieces.clear()
        # A line ends with LF, CR or both; a CR at the end may be half of both.
        half = text[-1:] if text.endswith(b"\r") else b""
        end = b"\n" if self._is_lines else b"\n\n"
        *blocks, rest = text.removesuffix(b"\r").replace(b"\r", b"\n").split(end)
        self._rest = rest + half
        self._kept = len(self._rest)
        for block in blocks:
            self._read_event(block)

    def _read_event(self, block: bytes) -> None:
        if self._is_lines:
            self._read_json(block)
            return
        lines = (line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        data = b"\n".join(lines)
        if data and not data.startswith(DONE):
            self._read_json(data)

    def _read_json(self, data: bytes) -> None:
        if not data:
            return
        try:
            parsed = json.loads(data)
        except ValueError:
            return  # the caller's to find out
        if isinstance(parsed, dict):
            self._receive(parsed)


class LineReader:
    """Sees the decoded bytes of a response of JSON lines, and gives them on in blocks of whole lines, unparsed."""

    __slots__ = ("_block", "_give")

    def __init__(self, give: Callable[[bytes], object]) -> None:
        """GIVE blocks on."""
        self._give = give
        self._block = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take the next PIECE."""
        self._block += piece
        if len(self._block) >= LINES_BYTES and b"\n" in piece:
            end = self._block.rindex(b"\n") + 1
            whole, self._block = bytes(self._block[:end]), self._block[end:]
            self._give(whole)

    def finish(self) -> None:
        """The caller has read to the end, or as far as it will: the last line may be no whole one."""
        block, self._block = bytes(self._block), bytearray()
        if block:
            self._give(block)


def plain_headers(headers: Any) -> dict[str, str]:
    """HEADERS as a dictionary with lower-case names: each look-up in httpx's own searches the whole list."""
    if not hasattr(headers, "raw"):
        return {str(name).lower(): str(value) for name, value in headers.items()}
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers.raw}


def content_of(message: Any) -> bytes | None:
    """The body of an HTTP request or response that is in memory already; None where it would have to be read."""
    content = message.content if message is not None else None
    return content if isinstance(content, bytes) else None
