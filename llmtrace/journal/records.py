"""The format of a record, and the way back to the next one behind a damaged one.

A record is a header (magic, payload length, checksum, number of its first span, number of spans) and a payload. The
checksum covers the rest of the header too. Spans are numbered through a process's life, so a gap tells exactly how
many were lost with a damaged stretch.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"LTJ1"
_HEADER = struct.Struct("<4sIIQI")
_CHECKED = struct.Struct("<IQI")
HEADER_BYTES = _HEADER.size
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One intact record: `end` is the offset behind it in its segment, `first_span` the number of its first span."""

    start: int
    end: int
    first_span: int
    span_count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a segment that holds no intact record; how many spans it held, the next record's number tells."""

    start: int
    end: int


def pack_record(payload: bytes, first_span: int, span_count: int) -> bytes:
    """PAYLOAD as a record."""
    checksum = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(len(payload), first_span, span_count)))
    return _HEADER.pack(MAGIC, len(payload), checksum, first_span, span_count) + payload


def parse_records(data: bytes, offset: int, *, is_whole: bool) -> Iterator[Record | Damage]:
    """Records of DATA, which stands at OFFSET of its segment, with the damage between them.

    An unfinished record at the end is left for later, unless the segment IS_WHOLE and nothing more will come.
    """
    position = 0
    while position < len(data):
        record = _record_at(data, position, offset)
        if record is None:
            behind = _next_intact(data, position + 1, offset)
            if behind is None:
                if is_whole:
                    yield Damage(offset + position, offset + len(data))
                return
            yield Damage(offset + position, offset + behind)
            position = behind
        else:
            yield record
            position = record.end - offset


def _record_at(data: bytes, position: int, offset: int) -> Record | None:
    """The record at POSITION of DATA, or None where there is no intact one."""
    if len(data) - position < HEADER_BYTES:
        return None
    magic, length, checksum, first_span, span_count = _HEADER.unpack_from(data, position)
    if magic != MAGIC or length > MAX_PAYLOAD_BYTES:
        return None
    start = position + HEADER_BYTES
    payload = data[start : start + length]
    if len(payload) < length:
        return None
    if zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, first_span, span_count))) != checksum:
        return None
    return Record(offset + position, offset + start + length, first_span, span_count, payload)


def _next_intact(data: bytes, position: int, offset: int) -> int | None:
    while (position := data.find(MAGIC, position)) != -1:
        if _record_at(data, position, offset) is not None:
            return position
        position += 1
    return None
