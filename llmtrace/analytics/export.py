"""Every call, or its span, in the order of time: in stretches, so that no statement sorts it all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from llmtrace.analytics.filters import Filter, apply_filter
from llmtrace.analytics.relations import CALLS_ALL, SPANS
from llmtrace.analytics.tables import CALLS
from llmtrace.errors import QueryError

RELATIONS = ("calls", "spans")
SORTED_ROWS = 100_000  # about as many are sorted at a time
MINUTE = timedelta(minutes=1)
# What the span itself does not say: rules may have named the feature.
CALL_COLUMNS = ("cost_usd", "cost_status", "cost_reason", "price_book", "feature", "feature_source")


def export_windows(chosen: Filter, calls: int, first: datetime | None, last: datetime | None) -> Iterator[Filter]:
    """CHOSEN, which is about CALLS calls from FIRST to LAST, in stretches of time; the outer ones are as open as it."""
    parts = -(-calls // SORTED_ROWS)
    if parts < 2 or first is None or last is None:
        yield chosen
        return
    step = max((last - first) / parts, MINUTE)
    since, until = chosen.since, first + step
    while until < last:
        yield replace(chosen, since=since, until=until)
        since, until = until, until + step
    yield replace(chosen, since=since)


def export_expression(relation: str, chosen: Filter) -> ir.Table:
    """The rows of RELATION for the calls of CHOSEN: `calls` as they are, or `spans` with their cost and feature.

    Raises:
        QueryError: there is no such relation.
    """
    if relation not in RELATIONS:
        raise QueryError(f"there is nothing called '{relation}' to export; there are {', '.join(RELATIONS)}")
    rows = apply_filter(CALLS, chosen) if relation == "calls" else _spans(chosen)
    return rows.order_by([ibis.asc("started_at"), ibis.asc("span_id")])


def _spans(chosen: Filter) -> ir.Table:
    """Spans of calls, with cost and feature of the latest revision of each."""
    calls = apply_filter(CALLS, chosen)
    keys = ("trace_id", "span_id", "started_at")
    revisions = apply_filter(CALLS_ALL, Filter(chosen.since, chosen.until))
    newest = ibis.row_number().over(group_by=keys[:2], order_by=ibis.desc("revision")) == 0
    costs = revisions.mutate(is_newest=newest).filter(ibis._.is_newest).select(*keys, *CALL_COLUMNS)
    return SPANS.semi_join(calls, keys).inner_join(costs, keys).select(*SPANS.columns, *CALL_COLUMNS)
