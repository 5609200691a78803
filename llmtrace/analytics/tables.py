"""The `calls` relation as Ibis sees it, unbound, and the measures that every question shares."""

from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis import _

CALLS: ir.Table = ibis.table(
    {
        "trace_id": "string",
        "span_id": "string",
        "parent_span_id": "string",
        "started_at": "timestamp",
        "duration_s": "float64",
        "ttft_s": "float64",
        "service": "string",
        "environment": "string",
        "feature": "string",
        "feature_source": "string",
        "user_id": "string",
        "session_id": "string",
        "tenant": "string",
        "prompt_version": "string",
        "tags": "json",
        "provider": "string",
        "operation": "string",
        "request_model": "string",
        "response_model": "string",
        "response_id": "string",
        "server_address": "string",
        "service_tier": "string",
        "stream": "boolean",
        "status": "string",
        "error_type": "string",
        "http_status": "int32",
        "attempts": "int32",
        "finish_reason": "string",
        "input_tokens": "int64",
        "cached_input_tokens": "int64",
        "cache_write_tokens": "int64",
        "output_tokens": "int64",
        "reasoning_tokens": "int64",
        "input_audio_tokens": "int64",
        "output_audio_tokens": "int64",
        "image_tokens": "int64",
        "usage_source": "string",
        "cost_usd": "decimal(18, 12)",
        "cost_status": "string",
        "price_book": "string",
        "batch_id": "string",
    },
    name="calls",
)

UNPRICED = ("unpriced", "invalid_usage")
ESTIMATED = ("estimated", "lower_bound")


def measures() -> dict[str, Any]:
    """What is said of any group of calls. A sum over nothing known is NULL, not 0."""
    return {
        "calls": _.count(),
        "errors": (_.status == "error").sum(),
        "cost_usd": _.cost_usd.sum(),
        "unpriced_calls": _.cost_status.isin(UNPRICED).sum(),
        "estimated_calls": _.cost_status.isin(ESTIMATED).sum(),
        "input_tokens": _.input_tokens.sum(),
        "cached_input_tokens": _.cached_input_tokens.sum(),
        "cache_write_tokens": _.cache_write_tokens.sum(),
        "output_tokens": _.output_tokens.sum(),
        "reasoning_tokens": _.reasoning_tokens.sum(),
        **percentiles("latency", _.duration_s, (50, 95, 99)),
        **percentiles("ttft", _.ttft_s, (50, 95)),
    }


def percentiles(name: str, seconds: Any, which: tuple[int, ...]) -> dict[str, Any]:
    """Exact percentiles of SECONDS, such as `latency_p95_s`."""
    return {f"{name}_p{p}_s": seconds.quantile(p / 100) for p in which}


@ibis.udf.scalar.builtin
def json_extract_string(document: dt.JSON, pointer: str) -> str:
    """The text at POINTER (RFC 6901) in DOCUMENT."""
    raise NotImplementedError("evaluated by the engine")


GROUPS: dict[str, str] = {
    "feature": "feature",
    "provider": "provider",
    "user": "user_id",
    "tenant": "tenant",
    "session": "session_id",
    "service": "service",
    "environment": "environment",
    "prompt_version": "prompt_version",
    "status": "status",
    "error": "error_type",
}
TAG_PREFIX = "tag:"
BY_CHOICES = (
    "feature",
    "model",
    "provider",
    "user",
    "tenant",
    "session",
    "service",
    "environment",
    "prompt_version",
    "day",
    "hour",
)


@ibis.udf.scalar.builtin
def json_keys(document: dt.JSON) -> dt.Array(dt.string):  # type: ignore[valid-type]
    """The names in DOCUMENT."""
    raise NotImplementedError("evaluated by the engine")


def tag_value(calls: ir.Table, key: str) -> Any:
    """The value of the tag KEY of each of CALLS."""
    return json_extract_string(calls.tags, "/" + key.replace("~", "~0").replace("/", "~1"))


def group_key(calls: ir.Table, by: str) -> Any:
    """The expression that groups CALLS by BY: a name of `GROUPS`, `model`, `http_status`, `day`, `hour` or `tag:KEY`.

    A model is the asked one: a call that failed has no other, and belongs beside those that did not.

    Raises:
        KeyError: there is no such grouping.
    """
    if by.startswith(TAG_PREFIX) and len(by) > len(TAG_PREFIX):
        return tag_value(calls, by[len(TAG_PREFIX) :])
    if by == "model":
        return ibis.coalesce(calls.request_model, calls.response_model)
    if by == "http_status":
        return calls.http_status.cast("string")
    if by in ("day", "hour"):
        return calls.started_at.truncate("D" if by == "day" else "h")
    return calls[GROUPS[by]]
