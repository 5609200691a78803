"""The question that a provider's bill is compared with: what was tracked, in the bill's own terms."""

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.relations import CALLS_ALL, COST_ITEMS


def billable(calls: ir.Table) -> ir.Table:
    """Quantities and costs by hour, provider, answering model, tier and component; calls without any have none."""
    latest = CALLS_ALL.group_by("trace_id", "span_id").aggregate(revision=_.revision.max())
    items = COST_ITEMS.inner_join(latest, ["trace_id", "span_id", "revision"]).select(
        "trace_id", "span_id", "component", "quantity", item_cost_usd=COST_ITEMS.cost_usd
    )
    billed = calls.filter(calls.cost_status != "not_billed")
    return (
        billed.left_join(items, ["trace_id", "span_id"])
        .select(*billed.columns, "component", "quantity", "item_cost_usd")
        .group_by(
            at=_.started_at.truncate("h"),
            provider=_.provider,
            model=ibis.coalesce(_.response_model, _.request_model),
            service_tier=_.service_tier,
            component=_.component,
        )
        .aggregate(
            calls=_.count(),
            quantity=_.quantity.sum(),
            cost_usd=_.item_cost_usd.sum(),
            unpriced_calls=_.item_cost_usd.isnull().sum(),
            estimated_calls=(_.usage_source == "estimated").sum(),
        )
        .order_by(["at", "provider", "model", "service_tier", "component"])
    )
