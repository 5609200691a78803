"""OTLP's `ExportTraceServiceRequest` in protobuf's messages: read, examined and completed.

Source: https://opentelemetry.io/docs/specs/otlp/
"""

from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from llmtrace.model import Attributes, AttributeValue, Span, SpanEvent


def decode(payload: bytes) -> Iterator[Span]:
    """The spans in PAYLOAD, a serialised request.

    Raises:
        ValueError: PAYLOAD is no such request.
    """
    for _, span in each_span(parse(payload)):
        yield span


def parse(payload: bytes) -> ExportTraceServiceRequest:
    """PAYLOAD as a message.

    Raises:
        ValueError: PAYLOAD is no such request.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(payload)
    except Exception as err:  # protobuf's DecodeError has a different home in each implementation
        raise ValueError(f"not an OTLP trace request: {err}") from err
    return request


def each_span(request: ExportTraceServiceRequest) -> Iterator[tuple[SpanMessage, Span]]:
    """The spans of REQUEST, each as its message and as a `Span`."""
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for message in scope_spans.spans:
                yield message, _span(message, resource, scope_spans.scope.name)


def fault(message: SpanMessage) -> str | None:
    """Why a span cannot be stored, or None where it can: it needs its ids and times.

    Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
    """
    if len(message.trace_id) != 16 or not any(message.trace_id):
        return "a trace id has 16 bytes that are not all zero"
    if len(message.span_id) != 8 or not any(message.span_id):
        return "a span id has 8 bytes that are not all zero"
    if not 0 < message.start_time_unix_nano <= message.end_time_unix_nano < 2**63:
        return "a span starts at a time, and ends no earlier"
    return None


def keep_usable(request: ExportTraceServiceRequest) -> tuple[int, list[str]]:
    """Take the spans that have a fault out of REQUEST; how many are left, and the faults."""
    kept, faults = 0, []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            found = [fault(message) for message in scope_spans.spans]
            bad = [reason for reason in found if reason is not None]
            kept += len(found) - len(bad)
            if bad:
                good = [m for m, reason in zip(scope_spans.spans, found, strict=True) if reason is None]
                del scope_spans.spans[:]
                scope_spans.spans.extend(good)
                faults += bad
    return kept, faults


def cut(payload: bytes, start: int, stop: int | None) -> bytes:
    """The spans [START, STOP) of PAYLOAD, a serialised request, as one. Raises ValueError like `parse`."""
    request = parse(payload)
    number = 0
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            first, number = number, number + len(scope_spans.spans)
            if stop is not None:
                del scope_spans.spans[max(0, stop - first) :]
            del scope_spans.spans[: max(0, start - first)]
    rest: bytes = request.SerializeToString()
    return rest


def set_attributes(message: SpanMessage, attributes: Attributes) -> None:
    """Write ATTRIBUTES to a span's MESSAGE, in place of those of the same names."""
    others = [pair for pair in message.attributes if pair.key not in attributes]
    if len(others) < len(message.attributes):
        del message.attributes[:]
        message.attributes.extend(others)
    message.attributes.extend(_key_values(attributes))


def _key_values(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: AttributeValue) -> AnyValue:
    if isinstance(value, str):
        return _string_value(value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value) if -(2**63) <= value < 2**63 else AnyValue(string_value=str(value))
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[_any_value(v) for v in value]))


def _string_value(text: str) -> AnyValue:
    """TEXT, with half characters (lone surrogates) replaced: one must not cost the span."""
    try:
        return AnyValue(string_value=text)
    except ValueError:
        return AnyValue(string_value=text.encode("utf-8", "replace").decode())


def _span(message: SpanMessage, resource: Attributes, scope: str) -> Span:
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_span_id=message.parent_span_id.hex() or None,
        name=message.name,
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        kind=message.kind,
        status_code=message.status.code,
        status_message=message.status.message,
        attributes=_attributes(message.attributes),
        resource=resource,
        scope=scope,
        events=tuple(SpanEvent(e.name, e.time_unix_nano, _attributes(e.attributes)) for e in message.events),
    )


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    values = ((pair.key, _value(pair.value)) for pair in pairs)
    return {key: value for key, value in values if value is not None}


def _value(value: AnyValue) -> AttributeValue | None:
    """VALUE as a plain one; kinds that no attribute of ours has (maps, bytes) are left out."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(v for item in value.array_value.values if (v := _value(item)) is not None)  # type: ignore[return-value]
    if kind in ("string_value", "bool_value", "int_value", "double_value"):
        plain: AttributeValue = getattr(value, kind)
        return plain
    return None
