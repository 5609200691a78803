"""Questions about how far the other answers can be trusted: what has no price or no feature, and who sent what when."""

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.grouping import key_of, whole
from llmtrace.analytics.relations import CALLS_ALL, SPANS
from llmtrace.analytics.tables import UNPRICED, json_extract_string

ORIGINS = ("route", "task", "test", "module", "command")
ORIGIN_PREFIX = "llmtrace.origin."


def unpriced(calls: ir.Table, limit: Any = 50) -> ir.Table:
    """Calls without a price, and with a part without one, by provider, model and reason; most calls first."""
    statuses = (*UNPRICED, "partial")
    lacking = calls.filter(calls.cost_status.isin(statuses)).mutate(model=key_of(calls, "model"))
    reasons = (
        CALLS_ALL.filter(CALLS_ALL.cost_status.isin(statuses))
        .group_by("trace_id", "span_id")
        .aggregate(reason=_.cost_reason.argmax(_.revision))
    )
    return (
        lacking.left_join(reasons, ["trace_id", "span_id"])
        .select(*lacking.columns, "reason")
        .group_by("provider", "model", "cost_status", "reason")
        .aggregate(
            calls=_.count(),
            input_tokens=_.input_tokens.sum(),
            output_tokens=_.output_tokens.sum(),
            last_at=_.started_at.max(),
        )
        .order_by([ibis.desc("calls"), ibis.asc("provider"), ibis.asc("model"), ibis.asc("reason")])
        .limit(whole("limit", limit, 1, 1000))
    )


def untagged(calls: ir.Table, limit: Any = 20) -> ir.Table:
    """Calls without a feature by where in the app they were made, dearest first: what a rule could name.

    A call's place is its route, else its task, its test, the module that made it, or the command that was run.
    """
    lacking = calls.filter(calls.feature.isnull())
    keys = ("trace_id", "span_id", "started_at")
    spans = SPANS.select(*keys, *[_origin(name).name(name) for name in ORIGINS])
    placed = lacking.left_join(spans, keys).select(
        *[lacking[name] for name in ("started_at", "cost_usd", "cost_status")], *[spans[name] for name in ORIGINS]
    )
    # A script's own module has no name to tell it from others.
    is_script = (placed.module == "__main__") & placed.command.notnull()
    kinds = [(placed[name].notnull(), name) for name in ("route", "task", "test")]
    ends = [(placed.module.notnull() & ~is_script, "module"), (placed.command.notnull(), "command")]
    kind = ibis.cases(*kinds, *ends, else_=ibis.null("string"))
    return (
        placed.mutate(kind=kind, origin=ibis.cases(*[(kind == name, placed[name]) for name in ORIGINS]))
        .group_by("kind", "origin")
        .aggregate(
            calls=_.count(),
            cost_usd=_.cost_usd.sum(),
            unpriced_calls=_.cost_status.isin(UNPRICED).sum(),
            last_at=_.started_at.max(),
        )
        .order_by([ibis.desc("cost_usd", nulls_first=False), ibis.desc("calls"), ibis.asc("kind"), ibis.asc("origin")])
        .limit(whole("limit", limit, 1, 1000))
    )


def _origin(name: str) -> Any:
    return json_extract_string(SPANS.attributes, f"/{ORIGIN_PREFIX}{name}")


def usage_sources(calls: ir.Table) -> ir.Table:
    """Calls by where their tokens come from: the provider, an estimate of ours, or nowhere."""
    return (
        calls.group_by("usage_source")
        .aggregate(calls=_.count(), failed=(_.status != "ok").sum(), cost_usd=_.cost_usd.sum())
        .order_by([ibis.desc("calls"), ibis.asc("usage_source")])
    )


def services(calls: ir.Table, limit: Any = 100) -> ir.Table:
    """Services with their environments: how many calls, how many of them untagged and unpriced, first and last."""
    return (
        calls.group_by("service", "environment")
        .aggregate(
            calls=_.count(),
            untagged_calls=_.feature.isnull().sum(),
            unpriced_calls=_.cost_status.isin(UNPRICED).sum(),
            cost_usd=_.cost_usd.sum(),
            first_at=_.started_at.min(),
            last_at=_.started_at.max(),
        )
        .order_by([ibis.desc("last_at"), ibis.asc("service"), ibis.asc("environment")])
        .limit(whole("limit", limit, 1, 1000))
    )


def processes(_calls: ir.Table, limit: Any = 50) -> ir.Table:
    """Processes that sent spans, whatever the filters: how many, and when they were last heard of."""
    return (
        SPANS.group_by("process", "service")
        .aggregate(spans=_.count(), first_at=_.started_at.min(), last_at=_.started_at.max())
        .order_by([ibis.desc("last_at"), ibis.asc("process"), ibis.asc("service")])
        .limit(whole("limit", limit, 1, 1000))
    )


def duplicates(_calls: ir.Table) -> ir.Table:
    """How many calls reached the store more than once and are counted once, by provider; whatever the filters."""
    twice = CALLS_ALL.filter(CALLS_ALL.duplicate_of.notnull())
    return twice.group_by("provider").aggregate(calls=_.span_id.nunique()).order_by([ibis.desc("calls"), "provider"])
