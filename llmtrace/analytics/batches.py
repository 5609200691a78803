"""Questions about batches: what was submitted, and how many of its requests have no known cost yet."""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import whole


def batches(submitted: ir.Table, limit: Any = 100) -> ir.Table:
    """The batches that were submitted, latest first: how they stand, and how many of their requests are pending."""
    return submitted.order_by([ibis.desc("started_at"), ibis.asc("batch_id")]).limit(whole("limit", limit, 1, 1000))


def batch_totals(submitted: ir.Table) -> ir.Table:
    """How many batches were submitted, with how many requests, and how many of those are pending."""
    return submitted.aggregate(
        batches=_.count(),
        requests=_.requests.sum(),
        results=_.results.sum(),
        pending=_.pending.sum(),
        uncounted_batches=_.pending.isnull().sum(),
        cost_usd=_.cost_usd.sum(),
    )
