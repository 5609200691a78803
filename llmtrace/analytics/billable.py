"""The question that a provider's bill is compared with: what was tracked, in the bill's own terms."""

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.relations import CALLS_ALL, COST_ITEMS

QUANTITY, COST = "decimal(18, 6)", "decimal(18, 12)"


def billable(calls: ir.Table) -> ir.Table:
    """Quantities and costs by hour, provider, answering model, tier and component; calls without any have none."""
    billed = calls.filter(calls.cost_status != "not_billed")
    return (
        ibis.union(_priced(billed), *_without_items(billed), distinct=False)
        .group_by("at", "provider", "model", "service_tier", "component")
        .aggregate(
            calls=_.count(),
            quantity=_.quantity.sum(),
            cost_usd=_.cost_usd.sum(),
            unpriced_calls=_.cost_usd.isnull().sum(),
            estimated_calls=_.is_estimated.sum(),
        )
        .order_by(["at", "provider", "model", "service_tier", "component"])
    )


def _priced(billed: ir.Table) -> ir.Table:
    """A row for each item of a call's cost; what was paid for in advance costs nothing on a bill."""
    latest = CALLS_ALL.group_by("trace_id", "span_id").aggregate(revision=_.revision.max())
    items = COST_ITEMS.inner_join(latest, ["trace_id", "span_id", "revision"]).select(
        "trace_id", "span_id", "component", "quantity", item_cost_usd=COST_ITEMS.cost_usd
    )
    rows = billed.inner_join(items, ["trace_id", "span_id"]).select(*billed.columns, *items.columns[2:])
    cost_usd = ibis.ifelse(rows.cost_status == "committed", ibis.literal(0).cast(COST), rows.item_cost_usd)
    return _rows(rows, rows.component, rows.quantity, cost_usd)


def _without_items(billed: ir.Table) -> list[ir.Table]:
    """Rows for calls that have no price at all: their tokens as they are known, or one without a component."""
    rows = billed.anti_join(COST_ITEMS, ["trace_id", "span_id"])
    known = rows.input_tokens.notnull() | rows.output_tokens.notnull()
    cached, written = rows.cached_input_tokens.coalesce(0), rows.cache_write_tokens.coalesce(0)
    tokens = {
        "input_uncached": rows.input_tokens.coalesce(0) - cached - written,
        "input_cached": cached,
        "cache_write": written,
        "output": rows.output_tokens.coalesce(0),
    }
    counted = [
        _rows(rows, ibis.literal(name), count.cast(QUANTITY), ibis.null(COST), known & (count > 0))
        for name, count in tokens.items()
    ]
    return [*counted, _rows(rows, ibis.null("string"), ibis.null(QUANTITY), ibis.null(COST), ~known)]


def _rows(
    rows: ir.Table, component: ir.Value, quantity: ir.Value, cost_usd: ir.Value, kept: ir.BooleanValue | None = None
) -> ir.Table:
    return (rows if kept is None else rows.filter(kept)).select(
        at=rows.started_at.truncate("h"),
        provider=rows.provider,
        model=ibis.coalesce(rows.response_model, rows.request_model),
        service_tier=rows.service_tier,
        component=component,
        quantity=quantity,
        cost_usd=cost_usd,
        is_estimated=(rows.usage_source == "estimated") | (rows.cost_status == "lower_bound"),
    )
