"""Turns a `Call` into a span's attributes and back: the one place where attribute names meet our fields.

Each table row names an attribute and the field it carries. An absent value writes no attribute; an attribute of an
unexpected type reads as absent.
"""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

from llmtrace import semconv as s
from llmtrace.fields import (
    BATCH_FIELDS,
    CALL_FIELDS,
    CONTENT_FIELDS,
    ORIGIN_FIELDS,
    REQUEST_FIELDS,
    RESPONSE_FIELDS,
    USAGE_FIELDS,
    Fields,
)
from llmtrace.model import (
    Attempt,
    Attributes,
    AttributeValue,
    BatchRequest,
    Call,
    CallStatus,
    Content,
    Origin,
    Request,
    Response,
    Span,
    Usage,
)

STATUS_ERROR = 2
API_TYPES = {"chat.completions": "chat_completions", "responses": "responses"}
MOST_ATTEMPTS = 1000  # a span that claims more is not believed
OPENAI_FAMILY = frozenset({"openai", "azure.ai.openai"})
# Attribute to (what it belongs to, field, type): a span is read in one pass.
_PARTS = (REQUEST_FIELDS, RESPONSE_FIELDS, USAGE_FIELDS, CALL_FIELDS, CONTENT_FIELDS, BATCH_FIELDS, ORIGIN_FIELDS)
_REQUEST, _RESPONSE, _USAGE, _CALL, _CONTENT, _BATCH, _ORIGIN = range(len(_PARTS))
_BY_ATTRIBUTE: dict[str, tuple[int, str, type]] = {
    attribute: (part, name, kind) for part, fields in enumerate(_PARTS) for attribute, name, kind in fields
}

MOST_REQUESTS = 256
_written_requests: dict[int, tuple[Request, Attributes]] = {}

_T = TypeVar("_T")
_to_json = json.JSONEncoder(separators=(",", ":"), default=str).encode


def encode(call: Call) -> Attributes:
    """The span attributes that carry CALL."""
    attributes: dict[str, AttributeValue] = {}
    attributes.update(_request_attributes(call.request))
    write_fields(attributes, RESPONSE_FIELDS, call.response)
    write_fields(attributes, USAGE_FIELDS, call.usage)
    write_fields(attributes, CALL_FIELDS, call)
    write_fields(attributes, ORIGIN_FIELDS, call.origin)
    if call.request.stream:
        attributes[s.REQUEST_STREAM] = True
    _write_tiers(attributes, call)
    _write_usage(attributes, call)
    _write_attempts(attributes, call)
    if call.status == "cancelled":
        attributes[s.STATUS] = call.status
    if not call.request_sent:
        attributes[s.REQUEST_SENT] = False
    for key, count in call.response.tool_requests.items():
        attributes[s.TOOL_REQUESTS_PREFIX + key] = count
    for key, limit in call.rate_limits.items():
        attributes[s.RATE_LIMIT_PREFIX + key] = limit
    for key, tag in call.tags.items():
        attributes[s.TAG_PREFIX + key] = tag
    if call.content is not None:
        write_fields(attributes, CONTENT_FIELDS, call.content)
    if call.batch is not None:
        write_fields(attributes, BATCH_FIELDS, call.batch)
    return attributes


def _request_attributes(request: Request) -> Attributes:
    """What REQUEST says: many calls have the very same one."""
    known = _written_requests.get(id(request))
    if known is not None and known[0] is request:
        return known[1]
    attributes: dict[str, AttributeValue] = {}
    write_fields(attributes, REQUEST_FIELDS, request)
    if len(_written_requests) >= MOST_REQUESTS:
        _written_requests.clear()
    _written_requests[id(request)] = request, attributes
    return attributes


def to_span(call: Call, resource: Attributes) -> Span:
    """CALL as a span of the process described by RESOURCE."""
    return Span(
        trace_id=call.trace_id,
        span_id=call.span_id,
        parent_span_id=call.parent_span_id,
        name=span_name(call.request),
        start_ns=call.started_at_ns,
        end_ns=call.started_at_ns + round(call.duration_s * 1e9),
        status_code=STATUS_ERROR if call.status == "error" else 0,
        attributes=encode(call),
        resource=resource,
        scope=s.SCOPE_NAME,
    )


def span_name(request: Request) -> str:
    """The name of the span of a call with REQUEST."""
    return f"{request.operation} {request.model}" if request.model else request.operation


def decode(span: Span) -> Call | None:
    """The call that SPAN carries, or None when it is not a call to a provider."""
    attributes = span.attributes
    operation, provider = attributes.get(s.OPERATION_NAME), attributes.get(s.PROVIDER_NAME)
    if not isinstance(operation, str) or not isinstance(provider, str):
        return None
    parts = read_fields(attributes)
    request, content, batch = parts[_REQUEST], parts[_CONTENT], parts[_BATCH]
    request.setdefault("endpoint", operation)
    usage = Usage(**parts[_USAGE])
    return Call(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        started_at_ns=span.start_ns,
        duration_s=(span.end_ns - span.start_ns) / 1e9,
        request=Request(
            **request,
            stream=attributes.get(s.REQUEST_STREAM) is True,
            service_tier=_tier(attributes, s.OPENAI_REQUEST_SERVICE_TIER, s.REQUEST_SERVICE_TIER),
        ),
        response=Response(
            **parts[_RESPONSE],
            service_tier=_tier(attributes, s.OPENAI_RESPONSE_SERVICE_TIER, s.RESPONSE_SERVICE_TIER),
            tool_requests=prefixed(attributes, s.TOOL_REQUESTS_PREFIX, int),
            usage=_raw_usage(attributes),
        ),
        status=_status(span),
        usage=usage,
        usage_source=_usage_source(attributes, usage),
        usage_complete=attributes.get(s.USAGE_COMPLETE) is not False,
        request_sent=attributes.get(s.REQUEST_SENT) is not False,
        attempts=_attempts(attributes),
        rate_limits=prefixed(attributes, s.RATE_LIMIT_PREFIX, float),
        tags=prefixed(attributes, s.TAG_PREFIX, str),
        origin=Origin(**parts[_ORIGIN]),
        content=Content(**content) if content else None,
        batch=BatchRequest(**batch) if batch else None,
        **parts[_CALL],
    )


def write_fields(attributes: dict[str, AttributeValue], fields: Fields, source: object) -> None:
    """Write FIELDS of SOURCE, where it has them, into ATTRIBUTES."""
    values = fields.read(source)
    attributes.update({n: value for n, value in zip(fields.names, values, strict=True) if value is not None})


def read_fields(attributes: Attributes) -> tuple[dict[str, Any], ...]:
    """The fields that ATTRIBUTES have, of each of the parts."""
    parts: tuple[dict[str, Any], ...] = tuple({} for _ in _PARTS)
    for attribute, value in attributes.items():
        place = _BY_ATTRIBUTE.get(attribute)
        if place is not None and (said := typed(value, place[2])) is not None:
            parts[place[0]][place[1]] = said
    return parts


def typed(value: Any, kind: type[_T]) -> _T | None:
    """VALUE if it is of KIND; a whole number is a float too, a boolean is never a number, nor is what is not finite."""
    if isinstance(value, bool) and kind is not bool:
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, kind):
        return value
    convertible = (kind is float and isinstance(value, int)) or (kind is tuple and isinstance(value, list))
    return kind(value) if convertible else None  # type: ignore[call-arg]


def _write_tiers(attributes: dict[str, AttributeValue], call: Call) -> None:
    """Service tiers under OpenTelemetry's names for OpenAI, which are the only ones it has, else under ours."""
    named = call.request.provider in OPENAI_FAMILY
    asked, served = call.request.service_tier, call.response.service_tier
    if asked is not None and not (named and asked == "auto"):
        attributes[s.OPENAI_REQUEST_SERVICE_TIER if named else s.REQUEST_SERVICE_TIER] = asked
    if served is not None:
        attributes[s.OPENAI_RESPONSE_SERVICE_TIER if named else s.RESPONSE_SERVICE_TIER] = served
    api_type = API_TYPES.get(call.request.endpoint)
    if named and api_type is not None:
        attributes[s.OPENAI_API_TYPE] = api_type


def _write_usage(attributes: dict[str, AttributeValue], call: Call) -> None:
    attributes[s.USAGE_SOURCE] = call.usage_source
    if not call.usage_complete:
        attributes[s.USAGE_COMPLETE] = False
    if call.response.usage is not None:
        attributes[s.USAGE_RAW] = _to_json(call.response.usage)


def _write_attempts(attributes: dict[str, AttributeValue], call: Call) -> None:
    if not call.attempts:
        return
    attributes[s.ATTEMPTS] = len(call.attempts)
    if len(call.attempts) > 1:
        attributes[s.ATTEMPT_OUTCOMES] = tuple(a.outcome for a in call.attempts)
        attributes[s.ATTEMPT_WAITS_S] = tuple(a.wait_s for a in call.attempts)


def _attempts(attributes: Attributes) -> tuple[Attempt, ...]:
    number = typed(attributes.get(s.ATTEMPTS), int)
    outcomes = typed(attributes.get(s.ATTEMPT_OUTCOMES), tuple)
    waits = typed(attributes.get(s.ATTEMPT_WAITS_S), tuple)
    if outcomes and waits and len(outcomes) == len(waits) and all(isinstance(w, int | float) for w in waits):
        return tuple(Attempt(str(o), float(w)) for o, w in zip(outcomes, waits, strict=True))
    status = attributes.get(s.HTTP_STATUS_CODE) or attributes.get(s.ERROR_TYPE) or "?"
    return (Attempt(str(status)),) * min(number or 0, MOST_ATTEMPTS)


def _tier(attributes: Attributes, *names: str) -> str | None:
    return next((t for n in names if (t := typed(attributes.get(n), str)) is not None), None)


def _status(span: Span) -> CallStatus:
    if span.status_code == STATUS_ERROR:
        return "error"
    return "cancelled" if span.attributes.get(s.STATUS) == "cancelled" else "ok"


def _usage_source(attributes: Attributes, usage: Usage) -> Any:
    """Who counted the tokens; a span that does not say has them from the provider, if it has any."""
    stated = attributes.get(s.USAGE_SOURCE)
    if stated in ("provider", "estimated", "missing"):
        return stated
    return "missing" if usage == Usage() else "provider"


def _raw_usage(attributes: Attributes) -> Mapping[str, Any] | None:
    text = attributes.get(s.USAGE_RAW)
    if not isinstance(text, str):
        return None
    try:
        usage = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return usage if isinstance(usage, dict) else None


def prefixed(attributes: Attributes, prefix: str, kind: type[_T]) -> dict[str, _T]:
    """The values of KIND among ATTRIBUTES whose names begin with PREFIX, by the rest of the name."""
    found = {k[len(prefix) :]: typed(v, kind) for k, v in attributes.items() if k.startswith(prefix)}
    return {key: value for key, value in found.items() if value is not None}
