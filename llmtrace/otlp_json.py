"""OTLP as JSON, read into the same message as OTLP in protobuf.

It is protobuf's JSON but for the ids, which are hex and not base64. Each span is read by itself, so that one that
cannot be read costs that span alone.
Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

IDS = frozenset({"traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"})
DEPTH = 100
_M = TypeVar("_M")


def parse(text: bytes | str) -> tuple[ExportTraceServiceRequest, list[str]]:
    """TEXT, a trace request, as a message, and why the spans that could not be read could not.

    Raises:
        ValueError: TEXT is no trace request.
    """
    try:
        return read(json.loads(text))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def read(document: Any) -> tuple[ExportTraceServiceRequest, list[str]]:
    """DOCUMENT, a trace request as parsed JSON, as `parse` returns it. Raises ValueError like it."""
    if not isinstance(document, dict):
        raise ValueError('an OTLP trace request is a JSON object: {"resourceSpans": [...]}')
    request, faults = ExportTraceServiceRequest(), []
    for group in _objects(document, "resourceSpans", "resource_spans"):
        resource_spans = request.resource_spans.add(schema_url=_text(group, "schemaUrl", "schema_url"))
        _fill(resource_spans.resource, group.get("resource"), Resource)
        for scope_group in _objects(group, "scopeSpans", "scope_spans"):
            scope_spans = resource_spans.scope_spans.add(schema_url=_text(scope_group, "schemaUrl", "schema_url"))
            _fill(scope_spans.scope, scope_group.get("scope"), InstrumentationScope)
            for span in _objects(scope_group, "spans"):
                try:
                    scope_spans.spans.append(_message(_with_base64_ids(span), SpanMessage))
                except ValueError as err:
                    faults.append(str(err))
    return request, faults


def _fill(target: Message, value: Any, kind: type[Message]) -> None:
    if value is not None:
        target.CopyFrom(_message(value, kind))


def _message(value: Any, kind: type[_M]) -> _M:
    """VALUE as a message of KIND; fields that it does not have are left out.

    Raises:
        ValueError: VALUE is none.
    """
    message = kind()
    try:
        ParseDict(value, message, ignore_unknown_fields=True, max_recursion_depth=DEPTH)
    except (ParseError, AttributeError, TypeError, RecursionError) as err:
        raise ValueError(f"no OTLP {kind.__name__}: {str(err)[:200]}") from None
    return message


def _objects(parent: Mapping[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    """The objects in the list that PARENT has under one of NAMES."""
    values: Any = next((parent[name] for name in names if parent.get(name) is not None), [])
    if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
        raise ValueError(f"'{names[0]}' is a list of objects")
    return iter(values)


def _text(parent: Mapping[str, Any], *names: str) -> str:
    found = next((parent[name] for name in names if isinstance(parent.get(name), str)), "")
    return str(found)


def _with_base64_ids(value: Mapping[str, Any]) -> dict[str, Any]:
    """A span with its ids, and those of its links, as protobuf's JSON has them."""
    changed = {k: _base64(v) if k in IDS else v for k, v in value.items()}
    links = changed.get("links")
    if isinstance(links, list):
        changed["links"] = [_with_base64_ids(link) if isinstance(link, dict) else link for link in links]
    return changed


def _base64(text: Any) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except (ValueError, TypeError):
        raise ValueError("an id is written in hex") from None
