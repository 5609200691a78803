"""Reads trace requests from files: OTLP as JSON, JSON lines or protobuf, compressed or not.

Sources: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ (JSON lines), and the Collector's file
exporter, whose protobuf requests stand behind their length in four bytes:
https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/fileexporter
"""

import gzip
import io
import itertools
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from llmtrace import otlp_json, wire

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"
JSON_STARTS = (b"", b"{", b"[")
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at one place of a file: a request, or the reason why it is none.

    `line` counts from 1; it is None where the file has no lines. `faults` tell of spans that could not be read.
    """

    line: int | None
    request: "ExportTraceServiceRequest | None" = None
    reason: str | None = None
    faults: list[str] = field(default_factory=list)


def read_file(path: str) -> Iterator[Found]:
    """The requests in the file at PATH, `-` being the standard input.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with _open(path) as file:
            start = file.peek(64).lstrip()[:1]
            yield from _read_json(file) if start in JSON_STARTS else _read_protobuf(file.read())
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        yield Found(None, reason=f"the compressed file is damaged: {err}")


@contextmanager
def _open(path: str) -> "Iterator[io.BufferedReader[Any]]":
    """The file at PATH, decompressed where it is compressed."""
    with nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb") as source:
        plain: io.BufferedReader[Any] = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)
        if plain.peek(2)[:2] == GZIP_MAGIC:
            plain = io.BufferedReader(gzip.GzipFile(fileobj=plain))
        yield plain


def _read_json(file: IO[bytes]) -> Iterator[Found]:
    """One document, or one for each line; or protobuf after all, whose first bytes may look like JSON's."""
    before = first = b""
    for first in file:
        if first.strip():
            break
        before += first
    number = before.count(b"\n") + 1
    if _is_json(first):
        yield from _read_lines(itertools.chain([first], file), number)
        return
    data = before + first + file.read()
    if _is_json(data):
        yield from _read_text(data, None)
    elif any(_is_json(line) for line in data.splitlines() if line.startswith(b"{")):
        yield from _read_lines(data.splitlines(), 1)
    else:
        found = list(_read_protobuf(data))
        yield from found if all(f.request is not None for f in found) else _read_text(data, None)


def _read_lines(lines: Iterable[bytes], number: int) -> Iterator[Found]:
    for at, line in enumerate(lines, number):
        if line.strip():
            yield from _read_text(line, at)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read_text(text: bytes, line: int | None) -> Iterator[Found]:
    """The request in TEXT, or those of a list of them."""
    try:
        document: Any = json.loads(text)
        for item in document if isinstance(document, list) else [document]:
            request, faults = otlp_json.read(item)
            yield Found(line, request, faults=faults)
    except json.JSONDecodeError as err:
        yield Found(line or err.lineno, reason=f"{err.msg} (column {err.colno})")
    except (ValueError, RecursionError) as err:
        yield Found(line, reason=str(err) or "the JSON is nested too deeply")


def _read_protobuf(data: bytes) -> Iterator[Found]:
    """One request, or several with their lengths before them."""
    if not data.strip():
        return
    for number, payload in enumerate(_split(data) or [data], 1):
        try:
            yield Found(None, wire.parse(payload))
        except ValueError as err:
            yield Found(None, reason=f"request {number}: {err}")


def _split(data: bytes) -> list[bytes] | None:
    """The messages in DATA where each stands behind its length, to the end; None where that is not so."""
    found, position = [], 0
    while position < len(data):
        start = position + LENGTH_BYTES
        length = int.from_bytes(data[position:start], "big")
        if not length or start + length > len(data):
            return None
        found.append(data[start : start + length])
        position = start + length
    return found
