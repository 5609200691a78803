"""The answer of a row taken apart into the JSON that it is made of, and put together again in other words or forms."""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from replaying import Row

DONE = "[DONE]"


@dataclass(frozen=True)
class Part:
    """One event, line or frame: its JSON where it has some, else its text; `head` is what is sent with it."""

    data: Any = None
    text: str | None = None
    head: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Style:
    """How events are written: the ends of lines, what stands between them, and how the last one ends."""

    line_end: str = "\n"
    between: str = ""
    after_colon: str = " "
    indent: int | None = None
    is_ascii: bool = False
    has_end: bool = True


PLAIN = Style()


@dataclass(frozen=True)
class Answer:
    """`kind` is `json`, `events`, `lines`, `frames` or `other`, of which nothing is known."""

    kind: str
    parts: list[Part] = field(default_factory=list)

    def encode(self, style: Style = PLAIN) -> bytes:
        """The bytes of this answer in STYLE."""
        if self.kind == "frames":
            return b"".join(_frame(part) for part in self.parts)
        if self.kind == "events":
            return _write_events(self.parts, style)
        texts = [_dump(part, style) for part in self.parts]
        if self.kind == "lines":
            return (style.line_end.join(texts) + (style.line_end if style.has_end else "")).encode()
        return texts[0].encode() if texts else b""


def take_apart(row: Row) -> Answer:
    """ROW's answer."""
    content_type = row.headers.get("content-type", "").lower()
    if "eventstream" in content_type:
        return Answer("frames", list(_read_frames(row.body)))
    text = row.body.decode("utf-8", "replace")
    if "event-stream" in content_type:
        return Answer("events", list(_read_events(text)))
    if row.streaming and ("ndjson" in content_type or "stream+json" in content_type):
        return Answer("lines", [Part(json.loads(line)) for line in text.splitlines() if line.strip()])
    try:
        return Answer("json", [Part(json.loads(text))])
    except ValueError:
        return Answer("other")


def put_together(row: Row, answer: Answer, style: Style = PLAIN, suffix: str = "") -> Row:
    """ROW with ANSWER in its place, called by another name."""
    return replace(row, id=row.id + suffix, body=answer.encode(style))


def _read_events(text: str) -> Iterator[Part]:
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = block.split("\n")
        data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        head = tuple(line for line in lines if line and not line.startswith("data:"))
        if not data and not head:
            continue
        try:
            yield Part(json.loads(data), None, head)
        except ValueError:
            yield Part(None, data, head)


def _dump(part: Part, style: Style) -> str:
    if part.text is not None:
        return part.text
    return json.dumps(part.data, ensure_ascii=style.is_ascii, indent=style.indent)


def _write_events(parts: list[Part], style: Style) -> bytes:
    blocks = []
    for part in parts:
        data = _dump(part, style)
        lines = [*part.head, *(f"data:{style.after_colon}{line}" for line in data.split("\n") if data)]
        blocks.append("".join(line + "\n" for line in lines))
    text = (style.between + "\n").join(blocks) + ("\n" if style.has_end else "")
    if not style.has_end:
        text = text.rstrip("\n")
    return text.replace("\n", style.line_end).encode()


# Amazon's frames: https://smithy.io/2.0/aws/amazon-eventstream.html


def _read_frames(data: bytes) -> Iterator[Part]:
    while len(data) >= 16:
        total, head_bytes = struct.unpack("!II", data[:8])
        head, payload = data[12 : 12 + head_bytes], data[12 + head_bytes : total - 4]
        data = data[total:]
        try:
            said = json.loads(payload)
            inner = json.loads(base64.b64decode(said["bytes"])) if "bytes" in said else None
            yield Part(inner if inner is not None else said, None, (head, said if inner is not None else None))
        except ValueError:
            yield Part(None, payload.decode("latin-1"), (head, None))


def _frame(part: Part) -> bytes:
    head, wrapper = part.head
    if part.text is not None:
        payload = part.text.encode("latin-1")
    else:
        said = json.dumps(part.data, ensure_ascii=False).encode()
        chunk = {**wrapper, "bytes": base64.b64encode(said).decode()} if wrapper is not None else None
        payload = said if chunk is None else json.dumps(chunk).encode()
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))
