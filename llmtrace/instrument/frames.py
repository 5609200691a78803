"""Takes AWS's event streams apart, where nobody else shows what is in them.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "vnd.amazon.eventstream"
PRELUDE_BYTES, CHECKSUM_BYTES = 12, 4
MOST_BYTES = 24 * 1024 * 1024
TEXT = 7


def split_frames(data: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """The events in DATA, and what is left for the next piece; nothing more where DATA is no such stream."""
    events: list[dict[str, Any]] = []
    while len(data) >= PRELUDE_BYTES:
        total, head = struct.unpack("!II", data[:8])
        if not PRELUDE_BYTES + head + CHECKSUM_BYTES <= total <= MOST_BYTES:
            return events, b""
        if len(data) < total:
            break
        headers = _headers(data[PRELUDE_BYTES : PRELUDE_BYTES + head])
        event = _event(headers, data[PRELUDE_BYTES + head : total - CHECKSUM_BYTES])
        if event is not None:
            events.append(event)
        data = data[total:]
    return events, data


def _headers(data: bytes) -> dict[str, str]:
    """The headers of text at the start of DATA; Bedrock sends no others."""
    headers: dict[str, str] = {}
    while data:
        end = 1 + data[0]
        name, kind = data[1:end].decode(), data[end]
        if kind != TEXT:
            break
        (size,) = struct.unpack("!H", data[end + 1 : end + 3])
        headers[name] = data[end + 3 : end + 3 + size].decode()
        data = data[end + 3 + size :]
    return headers


def _event(headers: Mapping[str, str], payload: bytes) -> dict[str, Any] | None:
    """What a frame with HEADERS and PAYLOAD says, as botocore would show it; of a chunk, what is in it."""
    failed = headers.get(":exception-type") or headers.get(":error-code")
    if failed is not None:
        return {"exception": failed}
    said = json.loads(payload)
    if headers.get(":event-type") == "chunk":
        found = json.loads(base64.b64decode(said["bytes"]))
        return found if isinstance(found, dict) else None
    return {headers.get(":event-type", ""): said}
