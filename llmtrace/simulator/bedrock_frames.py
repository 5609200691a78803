"""AWS's event streams: frames of a length, headers, a payload, and two checksums.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

STRING = 7
CONTENT_TYPE = "application/vnd.amazon.eventstream"


def write_event(name: str, payload: Mapping[str, Any]) -> bytes:
    """The event called NAME, with PAYLOAD."""
    return _frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload)


def write_exception(name: str, payload: Mapping[str, Any]) -> bytes:
    """The exception called NAME, with PAYLOAD."""
    return _frame({":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload)


def write_chunk(data: Mapping[str, Any]) -> bytes:
    """DATA of a model as the chunk that it is streamed in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return write_event("chunk", {"bytes": base64.b64encode(text.encode()).decode()})


def _frame(headers: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(head) + len(body) + 16, len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + body
    return message + struct.pack("!I", crc32(message))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", STRING, len(text)) + text
