"""Makes table rows of our values: the columns of every table, in the order of the migrations."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from llmtrace import semconv
from llmtrace.model import Attributes, Call, Content, Cost, Span
from llmtrace.store.base import PricedCall

_EPOCH = datetime(1970, 1, 1)


def moment(ns: int) -> datetime:
    """NS nanoseconds since the epoch as a naive UTC time."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def utc_now() -> datetime:
    """The naive UTC time of now."""
    return datetime.now(UTC).replace(tzinfo=None)


def span_row(span: Span, process: str) -> tuple[Any, ...]:
    """SPAN, which PROCESS recorded, as a row of `spans`."""
    attributes = {k: v for k, v in span.attributes.items() if not semconv.CONTENT.match(k)}
    return (
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        span.kind,
        moment(span.start_ns),
        (span.end_ns - span.start_ns) / 1e9,
        span.status_code,
        span.status_message or None,
        span.resource.get(semconv.SERVICE_NAME),
        environment_of(span),
        span.scope or None,
        _json(attributes),
        _json(dict(span.resource)),
        process,
    )


def read_span(row: Mapping[str, Any]) -> Span:
    """The span that ROW of `spans` holds, without the content that stands in `contents`."""
    start_ns = _ns(row["started_at"])
    return Span(
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        parent_span_id=row["parent_span_id"],
        name=row["name"],
        start_ns=start_ns,
        end_ns=start_ns + round(row["duration_s"] * 1e9),
        kind=row["kind"],
        status_code=row["status_code"],
        status_message=row["status_message"] or "",
        attributes=_attributes(row["attributes"]),
        resource=_attributes(row["resource"]),
        scope=row["scope"] or "",
    )


def _ns(started_at: datetime) -> int:
    return (started_at - _EPOCH) // timedelta(microseconds=1) * 1000


def _attributes(text: str) -> Attributes:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}


def environment_of(span: Span) -> str | None:
    """The deployment environment that SPAN's resource names, in the new or the old spelling."""
    value = span.resource.get(semconv.DEPLOYMENT_ENVIRONMENT) or span.resource.get(semconv.DEPLOYMENT_ENVIRONMENT_OLD)
    return value if isinstance(value, str) else None


def call_row(priced: PricedCall, revision: int, priced_at: datetime) -> tuple[Any, ...]:
    """PRICED as a row of `call_rows`."""
    call, cost = priced.call, priced.cost
    request, response, usage = call.request, call.response, call.usage
    return (
        call.trace_id,
        call.span_id,
        call.parent_span_id,
        moment(call.started_at_ns),
        call.duration_s if call.batch is None else None,
        call.ttft_s if call.ttft_s is not None else call.time_to_first_chunk_s,
        priced.service,
        priced.environment,
        call.feature,
        call.feature_source,
        call.user_id,
        call.session_id,
        call.tenant,
        call.prompt_version,
        _json(dict(call.tags)) if call.tags else None,
        request.provider,
        request.operation,
        request.endpoint,
        request.model,
        response.model,
        response.id,
        call.request_id,
        request.server_address,
        response.service_tier,
        request.stream,
        call.status,
        call.error_type,
        _status(call.http_status),
        len(call.attempts) or None,
        sum(a.wait_s for a in call.attempts) if call.attempts else None,
        response.finish_reasons[0] if response.finish_reasons else None,
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.input_audio_tokens,
        usage.output_audio_tokens,
        usage.image_tokens,
        call.usage_source,
        cost.total_usd,
        cost.status,
        cost.reason,
        cost.price_book,
        priced_at,
        revision,
        priced.duplicate_of,
        call.batch.id if call.batch is not None else None,
    )


def item_rows(call: Call, cost: Cost, revision: int) -> Iterable[tuple[Any, ...]]:
    """The items of COST as rows of `cost_items`."""
    for seq, item in enumerate(cost.items):
        yield (
            call.trace_id,
            call.span_id,
            revision,
            seq,
            item.component,
            item.quantity,
            item.unit,
            item.rate_usd,
            item.per,
            item.multiplier,
            item.multiplier_reason,
            item.cost_usd,
            item.price_id,
            item.layer,
            item.confidence,
            item.source_url,
            item.note,
        )


def content_row(call: Call, content: Content) -> tuple[Any, ...]:
    """CONTENT of CALL as a row of `contents`."""
    return (
        call.trace_id,
        call.span_id,
        moment(call.started_at_ns),
        _valid_json(content.input_messages),
        _valid_json(content.output_messages),
        _valid_json(content.system_instructions),
        _valid_json(content.tool_definitions),
    )


def _status(status: int | None) -> int | None:
    """STATUS if HTTP has it: anything else may not fit the column."""
    return status if status is not None and 100 <= status <= 599 else None


def _valid_json(text: str | None) -> str | None:
    """TEXT, as a JSON string where it is no JSON (a limit on attributes' lengths breaks it off)."""
    if text is None:
        return None
    try:
        parsed = json.loads(text)
        # Half characters are valid in JSON's escapes for Python alone.
        return _json(parsed).encode().decode() if "\\ud" in text else text
    except (ValueError, RecursionError):
        return json.dumps(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
