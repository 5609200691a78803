"""Questions about calls that failed, were cancelled or had to be tried again: how many, what it cost, how long it took.

Failed and cancelled calls are never counted together: a caller who walks away is no failure of the provider.
"""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import key_of, moment_bucket, whole
from llmtrace.analytics.relations import CALLS_ALL

NOT_OK = ("error", "cancelled")


def failures(calls: ir.Table, by: str = "feature", limit: Any = 200) -> ir.Table:
    """For each group how many calls failed, were cancelled or tried again, most failures first.

    `retry_wait_s` is how long its calls waited between attempts; `wasted_usd` is what failed and cancelled calls are
    known to have cost, and `unknown_cost_calls` how many of these have a cost that is not known.
    """
    keyed = _with_waits(calls).mutate(key=key_of(calls, by))
    counted = keyed.group_by("key").aggregate(**_counted())
    order = [ibis.desc("errors"), ibis.desc("cancelled"), ibis.desc("calls"), ibis.asc("key")]
    return counted.order_by(order).limit(whole("limit", limit, 1, 1000))


def failure_totals(calls: ir.Table) -> ir.Table:
    """The same over all calls."""
    return _with_waits(calls).aggregate(**_counted())


def failure_types(calls: ir.Table, limit: Any = 100) -> ir.Table:
    """Failed and cancelled calls by kind, provider and model: how many, what they cost, when the last was."""
    return (
        calls.filter(calls.status.isin(NOT_OK))
        .mutate(model=key_of(calls, "model"))
        .group_by("status", "error_type", "http_status", "provider", "model")
        .aggregate(
            calls=_.count(),
            cost_usd=_.cost_usd.sum(),
            unknown_cost_calls=_.cost_usd.isnull().sum(),
            last_at=_.started_at.max(),
        )
        .order_by([ibis.desc("calls"), ibis.asc("error_type"), ibis.asc("provider"), ibis.asc("model")])
        .limit(whole("limit", limit, 1, 1000))
    )


def outcomes(calls: ir.Table, bucket: str = "day") -> ir.Table:
    """How calls ended over time, in buckets."""
    return (
        _with_waits(calls)
        .group_by(at=moment_bucket(_, bucket))
        .aggregate(
            calls=_.count(),
            errors=(_.status == "error").sum(),
            cancelled=(_.status == "cancelled").sum(),
            retried=(_.attempts > 1).sum(),
            retry_wait_s=_.wait_s.sum(),
        )
        .order_by("at")
    )


def _with_waits(calls: ir.Table) -> ir.Table:
    """CALLS with `wait_s`, how long each waited between its attempts."""
    waited = (
        CALLS_ALL.filter(CALLS_ALL.retry_wait_s > 0)
        .group_by("trace_id", "span_id")
        .aggregate(wait_s=_.retry_wait_s.max())
    )
    found = calls.left_join(waited, ["trace_id", "span_id"])
    return found.select(*calls.columns, "wait_s")


def _counted() -> dict[str, Any]:
    is_lost = _.status.isin(NOT_OK)
    return {
        "calls": _.count(),
        "errors": (_.status == "error").sum(),
        "cancelled": (_.status == "cancelled").sum(),
        "retried": (_.attempts > 1).sum(),
        "extra_attempts": (_.attempts - 1).sum(where=_.attempts > 1),
        "retry_wait_s": _.wait_s.sum(),
        "wasted_usd": _.cost_usd.sum(where=is_lost),
        "unknown_cost_calls": (is_lost & _.cost_usd.isnull()).sum(),
        "last_failed_at": _.started_at.max(where=_.status == "error"),
    }
