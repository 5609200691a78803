"""Recorded traffic of Amazon Bedrock as rows for boto3, and the ways of calling that it offers."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config
from replaying import ROW_HEADER, LoopError, Row

OPERATIONS = {
    "converse": "converse",
    "converse-stream": "converse_stream",
    "invoke": "invoke_model",
    "invoke-with-response-stream": "invoke_model_with_response_stream",
}
EVENTS = "application/vnd.amazon.eventstream"
# A gateway may put a part of its own before the path.
_PATH = re.compile(r"/model/([^/]+)/([^/?]+)(?:\?.*)?$")


def read(entry: dict[str, Any]) -> Row | str:
    """ENTRY as a row, or the reason why it is none."""
    found = _PATH.search(entry["path"])
    operation = OPERATIONS.get(found[2]) if found else None
    if found is None or operation is None:
        return "a request that runs no model of the runtime"
    headers = {k: v for k, v in (entry.get("headers") or {}).items() if v != "**REDACTED**"}
    encoded = entry.get("body_b64")
    body = base64.b64decode(encoded) if encoded else (entry.get("body") or "").encode()
    is_stream = operation.endswith("stream") and entry["status"] == 200
    headers.setdefault("content-type", EVENTS if is_stream else "application/json")
    request = {**(entry.get("request") or {}), "modelId": unquote(found[1])}
    return Row(
        entry["id"], operation, "bedrock", entry["status"], is_stream, request, headers, body, entry.get("usage")
    )


class Runtime:
    """A client of the runtime at ADDRESS, whose requests name the row they ask for."""

    def __init__(self, address: str) -> None:
        self.row = ""
        self.client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=address,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(parameter_validation=False, retries={"max_attempts": 0}),
        )
        self.client.meta.events.register("before-sign.bedrock-runtime.*", self._name)

    def _name(self, request: Any, **_: Any) -> None:
        request.headers[ROW_HEADER] = self.row

    def call(self, row: Row) -> Any:
        self.row = row.id
        body = dict(row.request)
        model = body.pop("modelId")
        method = getattr(self.client, row.operation)
        if row.operation.startswith("invoke"):
            return method(modelId=model, body=json.dumps(body))
        return method(modelId=model, **body)


def plain(runtime: Runtime, row: Row) -> list[str]:
    """Call, and read what there is to read."""
    return _seen(runtime.call(row), lambda body: [body.read()])


def piecewise(runtime: Runtime, row: Row) -> list[str]:
    """Call, and read a body in one of the ways that it offers."""
    readers: tuple[Callable[[Any], list[bytes]], ...] = (
        lambda body: list(body.iter_chunks(300)),
        lambda body: list(body.iter_lines()),
        lambda body: body.readlines(),
        lambda body: list(body),
        lambda body: [json.dumps(json.load(body)).encode()],
        _entered,
        _into,
    )
    return _seen(runtime.call(row), readers[sum(row.id.encode()) % len(readers)])


def _entered(body: Any) -> list[bytes]:
    with body as raw:
        return [raw.read()]


def _into(body: Any) -> list[bytes]:
    buffer, pieces = bytearray(200), []
    while count := body.readinto(buffer):
        pieces.append(bytes(buffer[:count]))
    return pieces


def _seen(result: dict[str, Any], read: Callable[[Any], list[bytes]]) -> list[str]:
    result["ResponseMetadata"]["HTTPHeaders"].pop("date", None)
    body, stream = result.pop("body", None), result.pop("stream", None)
    seen = [repr(result)]
    if body is not None and hasattr(body, "_event_generator"):
        body, stream = None, body
    if body is not None:
        seen += [type(body).__name__, repr(read(body))]
        body.close()
    if stream is not None:
        seen += [type(stream).__name__, *map(repr, stream)]
        stream.close()
    return seen


def _stream_of(result: dict[str, Any]) -> Any:
    return result["stream"] if "stream" in result else result["body"]


def break_early(runtime: Runtime, row: Row) -> list[str]:
    """Leave the loop over a stream after its second event."""
    stream = _stream_of(runtime.call(row))
    for number, _ in enumerate(stream, 1):
        if number == 2:
            break
    stream.close()
    return []


def raise_in_loop(runtime: Runtime, row: Row) -> list[str]:
    """Raise in the loop over a stream, at its second event, and drop it."""
    for number, _ in enumerate(_stream_of(runtime.call(row)), 1):
        if number == 2:
            raise LoopError
    return []
