"""Writes calls to files: Parquet, CSV, lines of JSON, and OTLP; batch by batch, so that any number takes little memory.

Money is exact everywhere (a decimal, or its text), times are UTC.
"""

import contextlib
import csv
import io
import json
import os
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from llmtrace import otlp_bytes
from llmtrace.errors import ConfigError
from llmtrace.model import Cost, Span
from llmtrace.otlp_export import cost_attributes
from llmtrace.rendering import plain
from llmtrace.store.rows import read_span

SLICE_ROWS = 1000
OTLP_SPANS = 500  # in each request


def write_parquet(reader: pa.RecordBatchReader, sink: BinaryIO, name: str) -> int:
    """Write the rows of READER into SINK as Parquet; how many there were."""
    rows = 0
    schema = pa.schema([_in_utc(field) for field in reader.schema])
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            rows += batch.num_rows
    return rows


def _in_utc(field: pa.Field) -> pa.Field:
    """FIELD with its time zone said: the store's times are UTC and do not say so."""
    return field.with_type(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field


def write_csv(reader: pa.RecordBatchReader, sink: BinaryIO, name: str) -> int:
    """Write the rows of READER into SINK as CSV with a header; an absent value is an empty field."""
    text = io.TextIOWrapper(sink, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(reader.schema.names)
    rows = 0
    for part in _slices(reader):
        writer.writerows(zip(*map(_csv_column, part.columns), strict=True))
        rows += part.num_rows
    text.detach()
    return rows


def _csv_column(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return [None if v is None else str(v).lower() for v in values]
    if pa.types.is_decimal(column.type) or pa.types.is_timestamp(column.type):
        return [plain(v) for v in values]
    return values


def write_jsonl(reader: pa.RecordBatchReader, sink: BinaryIO, name: str) -> int:
    """Write the rows of READER into SINK, each as a line of JSON with all columns; tags are an object."""
    rows = 0
    for part in _slices(reader):
        sink.write("".join(json.dumps(_json_row(row), ensure_ascii=False) + "\n" for row in part.to_pylist()).encode())
        rows += part.num_rows
    return rows


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = plain(row)
    if shown.get("tags") is not None:
        shown["tags"] = json.loads(shown["tags"])
    return shown


def write_otlp(reader: pa.RecordBatchReader, sink: BinaryIO, name: str) -> int:
    """Write the spans of READER into SINK as OTLP, each with its cost; the NAME of the file says how.

    As one `ExportTraceServiceRequest`: in JSON for `.json`; one to a line for `.jsonl`; else in protobuf, where
    messages that follow one another are one message.
    Source: https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
    """
    as_json, as_lines = name.endswith(".json"), name.endswith(".jsonl")
    spans, between = 0, b'{"resourceSpans":['
    for group in _span_groups(reader):
        spans += len(group)
        payload = otlp_bytes.encode(group)
        if as_lines:
            sink.write(json.dumps(otlp_json(payload), ensure_ascii=False).encode() + b"\n")
        elif as_json:
            inner = ",".join(json.dumps(r, ensure_ascii=False) for r in otlp_json(payload)["resourceSpans"])
            sink.write(between + inner.encode())
            between = b","
        else:
            sink.write(payload)
    if as_json:
        sink.write((b"" if spans else between) + b"]}\n")
    return spans


def _span_groups(reader: pa.RecordBatchReader) -> Iterator[list[Span]]:
    """The spans of READER with their costs, in groups of one resource and scope."""
    for part in _slices(reader, OTLP_SPANS):
        rows = sorted(part.to_pylist(), key=_origin)
        for _, group in groupby(rows, key=_origin):
            yield [_costed_span(row) for row in group]


def _origin(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["resource"], row["scope"] or ""


def _costed_span(row: Mapping[str, Any]) -> Span:
    span = read_span(row)
    cost = Cost(row["cost_status"], row["cost_usd"], reason=row["cost_reason"], price_book=row["price_book"])
    return Span(
        **{name: getattr(span, name) for name in Span.__slots__ if name != "attributes"},
        attributes={**span.attributes, **cost_attributes(cost)},
    )


def otlp_json(payload: bytes) -> dict[str, Any]:
    """PAYLOAD, a serialised request, in OTLP's JSON: ids in hexadecimal, enumerations as numbers.

    Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
    """
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request: dict[str, Any] = MessageToDict(ExportTraceServiceRequest.FromString(payload), use_integers_for_enums=True)
    for resource in request.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = b64decode(span[key]).hex()
    return request


def _slices(reader: pa.RecordBatchReader, rows: int = SLICE_ROWS) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


@dataclass(frozen=True, slots=True)
class Format:
    """A format of a file: what it holds (`calls` or `spans`), and `write`, which returns how many there were."""

    name: str
    relation: str
    suffixes: tuple[str, ...]
    write: Callable[[pa.RecordBatchReader, BinaryIO, str], int]
    is_text: bool = False


FORMATS: tuple[Format, ...] = (
    Format("parquet", "calls", (".parquet", ".pq"), write_parquet),
    Format("csv", "calls", (".csv",), write_csv, is_text=True),
    Format("jsonl", "calls", (".jsonl", ".ndjson"), write_jsonl, is_text=True),
    Format("otlp", "spans", (".otlp", ".pb", ".binpb", ".json"), write_otlp),
)


@contextlib.contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file that stands at PATH once it is whole: until then, and where writing fails, PATH is as it was.

    Raises:
        ConfigError: something stands there (a file only without FORCE), or the folder cannot be written.
    """
    target = path.resolve()
    _require_free(target, force=force)
    try:
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as err:
        raise ConfigError(f"{target.parent} cannot be written ({err.strerror}); name another place with --out") from err
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _require_free(target, force=force)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _require_free(target: Path, *, force: bool) -> None:
    if target.exists() and not (force and target.is_file()):
        what = "exists; name another with --out, or replace it with --force" if target.is_file() else "is no file"
        raise ConfigError(f"{target} {what}")
