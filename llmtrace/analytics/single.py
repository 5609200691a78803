"""Questions about single calls: a page of a list of them, and all that is known of one."""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import number_of, whole
from llmtrace.analytics.relations import CALLS_ALL, CONTENTS, COST_ITEMS, SPANS
from llmtrace.analytics.tables import UNPRICED
from llmtrace.errors import QueryError

ORDERS = ("started_at", "cost_usd", "duration_s", "ttft_s", "input_tokens", "output_tokens")
MOST_PAGE = 1000
SEARCHED = ("trace_id", "span_id", "response_id", "user_id", "session_id")


def calls_page(
    calls: ir.Table, limit: Any = 50, offset: Any = 0, order: str = "started_at", ascending: Any = False,
    search: str | None = None, min_duration_s: Any = None, min_cost_usd: Any = None,
) -> ir.Table:  # fmt: skip
    """LIMIT calls after the first OFFSET: latest first, or largest by ORDER, or the other way round where ASCENDING."""
    if order not in ORDERS:
        raise QueryError(f"calls are ordered by {', '.join(ORDERS)}, not by '{order}'")
    count, skipped = whole("limit", limit, 1, MOST_PAGE), whole("offset", offset, 0, 10**12)
    turn = ibis.asc if str(ascending).lower() in ("true", "1") else ibis.desc
    found = narrowed(calls, search, min_duration_s, min_cost_usd)
    # Ids make the order total, so that no call is on two pages.
    return found.order_by([turn(order, nulls_first=False), ibis.asc("trace_id"), ibis.asc("span_id")]).limit(
        count, offset=skipped
    )


def calls_found(
    calls: ir.Table, search: str | None = None, min_duration_s: Any = None, min_cost_usd: Any = None
) -> ir.Table:
    """How many calls `calls_page` has in all, and what they cost."""
    return narrowed(calls, search, min_duration_s, min_cost_usd).aggregate(
        calls=_.count(),
        cost_usd=_.cost_usd.sum(),
        unpriced_calls=_.cost_status.isin(UNPRICED).sum(),
        errors=(_.status == "error").sum(),
    )


def narrowed(calls: ir.Table, search: str | None, min_duration_s: Any, min_cost_usd: Any) -> ir.Table:
    """CALLS with SEARCH in one of their ids that took MIN_DURATION_S or more and cost MIN_COST_USD or more."""
    conditions: list[Any] = []
    if search:
        text = search.strip().lower()
        conditions.append(ibis.or_(*(calls[name].lower().contains(text) for name in SEARCHED)))
    if min_duration_s is not None:
        conditions.append(calls.duration_s >= float(number_of("min_duration_s", min_duration_s)))
    if min_cost_usd is not None:
        least = number_of("min_cost_usd", min_cost_usd)
        conditions.append(calls.cost_usd >= ibis.literal(least, "decimal(18, 12)"))
    return calls.filter(conditions) if conditions else calls


def call(_calls: ir.Table, span_id: str = "", trace_id: str | None = None) -> ir.Table:
    """All that is known of the call of the span SPAN_ID, by its latest price; whatever the filters."""
    return _of_span(CALLS_ALL, span_id, trace_id).order_by(ibis.desc("revision")).limit(1)


def cost_items(_calls: ir.Table, span_id: str = "", trace_id: str | None = None) -> ir.Table:
    """The items of the latest cost of the call of the span SPAN_ID; whatever the filters."""
    latest = _of_span(CALLS_ALL, span_id, trace_id).revision.max().as_scalar()
    items = _of_span(COST_ITEMS, span_id, trace_id)
    return items.filter(items.revision == latest).order_by("seq")


def span(_calls: ir.Table, span_id: str = "", trace_id: str | None = None) -> ir.Table:
    """The span SPAN_ID with its attributes; whatever the filters."""
    return _of_span(SPANS, span_id, trace_id).order_by(ibis.desc("started_at")).limit(1)


def content(_calls: ir.Table, span_id: str = "", trace_id: str | None = None) -> ir.Table:
    """Prompt and answer of the call of the span SPAN_ID, where they were captured; whatever the filters."""
    return _of_span(CONTENTS, span_id, trace_id).order_by(ibis.desc("started_at")).limit(1)


def _of_span(table: ir.Table, span_id: str, trace_id: str | None) -> ir.Table:
    found = table.filter(table.span_id == span_id)
    return found.filter(found.trace_id == trace_id) if trace_id else found
