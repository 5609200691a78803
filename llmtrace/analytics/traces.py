"""Questions about traces: which there are, and the spans of one."""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import whole
from llmtrace.analytics.relations import CALLS_ALL, SPANS
from llmtrace.analytics.tables import CALLS, UNPRICED
from llmtrace.errors import QueryError

ORDERS = ("started_at", "cost_usd", "calls", "calls_s")
MOST_PAGE = 1000
MOST_SPANS = 10_000
OF_CALL = (
    "feature", "provider", "request_model", "response_model", "operation", "status", "error_type", "http_status",
    "ttft_s", "input_tokens", "output_tokens", "cost_usd", "cost_status", "duplicate_of",
)  # fmt: skip


def traces(calls: ir.Table, limit: Any = 50, offset: Any = 0, order: str = "started_at") -> ir.Table:
    """LIMIT traces after the first OFFSET, latest first or largest by ORDER, with what their calls are and cost.

    `calls_s` is how long the calls took together; `spans` and `duration_s` are those of the whole trace.
    """
    if order not in ORDERS:
        raise QueryError(f"traces are ordered by {', '.join(ORDERS)}, not by '{order}'")
    measures = {
        "started_at": _.started_at.min(),
        "cost_usd": _.cost_usd.sum(),
        "calls": _.count(),
        "calls_s": _.duration_s.sum(),
    }
    # First which traces these are, by the one measure that decides it; all the others only of those.
    chosen = (
        calls.group_by("trace_id")
        .aggregate(**{order: measures[order]})
        .order_by([ibis.desc(order, nulls_first=False), ibis.asc("trace_id")])
        .limit(whole("limit", limit, 1, MOST_PAGE), offset=whole("offset", offset, 0, 10**12))
    )
    page = (
        calls.filter(calls.trace_id.isin(chosen.trace_id))
        .group_by("trace_id")
        .aggregate(
            **measures,
            errors=(_.status == "error").sum(),
            unpriced_calls=_.cost_status.isin(UNPRICED).sum(),
            features=_.feature.nunique(),
            feature=_.feature.min(),
        )
    )
    spans = SPANS.filter(SPANS.trace_id.isin(chosen.trace_id))
    placed = spans.mutate(first_at=spans.started_at.min().over(ibis.window(group_by=spans.trace_id)))
    whole_ones = (
        placed.mutate(after_s=placed.started_at.delta(placed.first_at, unit="microsecond") / 1e6 + placed.duration_s)
        .group_by("trace_id")
        .aggregate(spans=_.count(), duration_s=_.after_s.max())
    )
    found = page.left_join(whole_ones, "trace_id").select(*page.columns, "spans", "duration_s")
    return found.order_by([ibis.desc(order, nulls_first=False), ibis.asc("trace_id")])


def traces_found(calls: ir.Table) -> ir.Table:
    """How many traces there are."""
    return calls.aggregate(calls=_.count(), traces=_.trace_id.nunique())


def trace(_calls: ir.Table, trace_id: str = "", limit: Any = 2000) -> ir.Table:
    """The first LIMIT spans of the trace TRACE_ID by their start, with what is known of their calls.

    `is_call` tells which are calls; one that was recorded twice names in `duplicate_of` the span that counts.
    """
    of_trace = CALLS_ALL.filter(CALLS_ALL.trace_id == trace_id)
    latest = of_trace.mutate(last=of_trace.revision.max().over(ibis.window(group_by=of_trace.span_id)))
    known = latest.filter(latest.revision == latest.last).select(call_span_id="span_id", **{n: n for n in OF_CALL})
    spans = SPANS.filter(SPANS.trace_id == trace_id)
    joined = spans.left_join(known, spans.span_id == known.call_span_id)
    return (
        joined.mutate(is_call=joined.call_span_id.notnull())
        .select(
            "trace_id", "span_id", "parent_span_id", "name", "kind", "started_at", "duration_s", "status_code",
            "status_message", "service", "scope", "is_call", *OF_CALL,
        )
        .order_by(["started_at", ibis.desc("duration_s"), "span_id"])
        .limit(whole("limit", limit, 1, MOST_SPANS))
    )  # fmt: skip


def trace_total(_calls: ir.Table, trace_id: str = "") -> ir.Table:
    """What the trace TRACE_ID has and costs in all, each call counted once; whatever the filters."""
    spans = SPANS.filter(SPANS.trace_id == trace_id).aggregate(spans=_.count())
    calls = CALLS.filter(CALLS.trace_id == trace_id).aggregate(
        calls=_.count(),
        errors=(_.status == "error").sum(),
        cancelled=(_.status == "cancelled").sum(),
        cost_usd=_.cost_usd.sum(),
        unpriced_calls=_.cost_status.isin(UNPRICED).sum(),
        input_tokens=_.input_tokens.sum(),
        output_tokens=_.output_tokens.sum(),
    )
    return calls.cross_join(spans)
