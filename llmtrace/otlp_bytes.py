"""Spans as the bytes of an OTLP `ExportTraceServiceRequest`, written without protobuf.

Protobuf's own messages cost five times as much and their import megabytes, inside the user's app. What is written here
is parsed back by them in the tests. Sources: https://protobuf.dev/programming-guides/encoding/ and
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

import struct
from collections.abc import Callable, Sequence
from typing import cast

from llmtrace import semconv
from llmtrace.model import Attributes, AttributeValue, Span, SpanEvent

# A field's number and wire type: 0 a varint, 1 eight bytes, 2 a length and as many bytes.
REQUEST_RESOURCE_SPANS = b"\x0a"
RESOURCE_SPANS_RESOURCE, RESOURCE_SPANS_SCOPE_SPANS = b"\x0a", b"\x12"
RESOURCE_ATTRIBUTES = b"\x0a"
SCOPE_SPANS_SCOPE, SCOPE_SPANS_SPANS, SCOPE_SPANS_SCHEMA_URL = b"\x0a", b"\x12", b"\x1a"
SCOPE_NAME = b"\x0a"
TRACE_ID, SPAN_ID, PARENT_SPAN_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
NAME, KIND, START, END, ATTRIBUTES, EVENTS, STATUS = b"\x2a", b"\x30", b"\x39", b"\x41", b"\x4a", b"\x5a", b"\x7a"
EVENT_TIME, EVENT_NAME, EVENT_ATTRIBUTES = b"\x09", b"\x12", b"\x1a"
STATUS_MESSAGE, STATUS_CODE = b"\x12", b"\x18"
PAIR_KEY, PAIR_VALUE = b"\x0a", b"\x12"
TEXT, BOOL, INT, DOUBLE, ARRAY = b"\x0a", b"\x10", b"\x18", b"\x21", b"\x2a"
ARRAY_VALUES = b"\x0a"

_fixed64 = struct.Struct("<Q").pack
_double = struct.Struct("<d").pack
_SMALL = [bytes((n,)) for n in range(128)]
MOST_KEYS = 4096
_KEYS: dict[str, bytes] = {}
MOST_PAIRS, LONGEST_KEPT = 4096, 64
_PAIRS: dict[tuple[bytes, str, str | int], bytes] = {}


def encode(spans: Sequence[Span]) -> bytes:
    """SPANS as one serialised request. They share the resource and the scope of the first.

    Raises:
        TypeError, ValueError: a span is none, such as one whose id is no hexadecimal number.
    """
    try:
        return _request(spans)
    except struct.error as err:
        raise ValueError(f"a time is no 64-bit number: {err}") from err


def _request(spans: Sequence[Span]) -> bytes:
    first = spans[0]
    scope = [_field(SCOPE_SPANS_SCOPE, _field(SCOPE_NAME, _utf8(first.scope)))]
    scope += [_field(SCOPE_SPANS_SPANS, _span(span)) for span in spans]
    scope.append(_field(SCOPE_SPANS_SCHEMA_URL, _utf8(semconv.SCHEMA_URL)))
    resource = _field(RESOURCE_SPANS_RESOURCE, _pairs(RESOURCE_ATTRIBUTES, first.resource))
    return _field(REQUEST_RESOURCE_SPANS, resource + _field(RESOURCE_SPANS_SCOPE_SPANS, b"".join(scope)))


def _span(span: Span) -> bytes:
    parts = [TRACE_ID, _id(span.trace_id, 16), SPAN_ID, _id(span.span_id, 8)]
    if span.parent_span_id:
        parts += (PARENT_SPAN_ID, _id(span.parent_span_id, 8))
    parts += (
        _field(NAME, _utf8(span.name)), KIND, _varint(span.kind),
        START, _fixed64(span.start_ns), END, _fixed64(span.end_ns),
        _pairs(ATTRIBUTES, span.attributes),
    )  # fmt: skip
    parts += [_field(EVENTS, _event(event)) for event in span.events]
    if span.status_code:
        message = _field(STATUS_MESSAGE, _utf8(span.status_message)) if span.status_message else b""
        parts.append(_field(STATUS, message + STATUS_CODE + _varint(span.status_code)))
    return b"".join(parts)


def _event(event: SpanEvent) -> bytes:
    name = _field(EVENT_NAME, _utf8(event.name))
    return EVENT_TIME + _fixed64(event.time_ns) + name + _pairs(EVENT_ATTRIBUTES, event.attributes)


def _id(text: str, size: int) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != size:
        raise ValueError(f"an id of {size} bytes is not {text!r}")
    return value


def _pairs(tag: bytes, attributes: Attributes) -> bytes:
    """ATTRIBUTES as repeated fields of TAG."""
    parts: list[bytes] = []
    for key, value in attributes.items():
        # By their exact types: True is no 1.
        if type(value) is int or (type(value) is str and len(value) < LONGEST_KEPT):
            parts.append(_PAIRS.get((tag, key, value)) or _keep(tag, key, value))
            continue
        head = _KEYS.get(key) or _key(key)
        encoded = _value(value)
        size = len(encoded)
        pair = len(head) + size + 2
        if pair < 128:  # so is every length in it, and takes one byte
            parts.append(b"%b%c%b\x12%c%b" % (tag, pair, head, size, encoded))
        else:
            length = _varint(size)
            parts += (tag, _varint(pair - 1 + len(length)), head, PAIR_VALUE, length, encoded)
    return b"".join(parts)


def _key(key: str) -> bytes:
    """The field of KEY, remembered: spans have the same few."""
    if len(_KEYS) >= MOST_KEYS:
        _KEYS.clear()
    encoded = _KEYS[key] = _field(PAIR_KEY, _utf8(key))
    return encoded


def _keep(tag: bytes, key: str, value: str | int) -> bytes:
    """The pair of KEY and VALUE as a field of TAG, remembered: most attributes say the same from span to span."""
    if len(_PAIRS) >= MOST_PAIRS:
        _PAIRS.clear()
    encoded = _PAIRS[tag, key, value] = _field(tag, (_KEYS.get(key) or _key(key)) + _field(PAIR_VALUE, _value(value)))
    return encoded


def _value(value: AttributeValue) -> bytes:
    write: Callable[..., bytes] | None = _WRITERS.get(type(value))
    if write is None:
        write = next((w for kind, w in _WRITERS.items() if isinstance(value, kind)), None)
    return write(value) if write is not None else _array(cast("Sequence[AttributeValue]", value))


def _text(value: str) -> bytes:
    raw = _utf8(value)
    size = len(raw)
    return b"\n%c%b" % (size, raw) if size < 128 else _field(TEXT, raw)


def _bool(value: bool) -> bytes:
    return BOOL + (b"\x01" if value else b"\x00")


def _int(value: int) -> bytes:
    if 0 <= value < 128:
        return b"\x18%c" % value
    if not -(2**63) <= value < 2**63:
        return _text(str(value))
    return INT + _varint(value if value >= 0 else value + 2**64)


def _float(value: float) -> bytes:
    return DOUBLE + _double(value)


def _array(value: Sequence[AttributeValue]) -> bytes:
    return _field(ARRAY, b"".join(_field(ARRAY_VALUES, _value(item)) for item in value))


# By type; `bool` stands before `int`, whose kind it is.
_WRITERS: dict[type, Callable[..., bytes]] = {str: _text, bool: _bool, int: _int, float: _float}


def _utf8(text: str) -> bytes:
    """TEXT, with half characters (lone surrogates) replaced: one must not cost the span."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _field(tag: bytes, content: bytes) -> bytes:
    return b"%b%b%b" % (tag, _varint(len(content)), content)


def _varint(number: int) -> bytes:
    if number < 128:
        return _SMALL[number]
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)
