"""The questions that the command line, the API and the dashboard may ask, by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.billable import billable
from llmtrace.analytics.coverage import duplicates, processes, services, unpriced, usage_sources
from llmtrace.analytics.failures import failure_totals, failure_types, failures, outcomes
from llmtrace.analytics.filters import Filter, apply_filter, parse_filter
from llmtrace.analytics.grouping import METRICS, MOST_GROUPS, key_of, lumped, moment_bucket
from llmtrace.analytics.latency import latency_histogram, latency_report, latency_top_series, latency_totals
from llmtrace.analytics.single import call, calls_found, calls_page, content, cost_items, span
from llmtrace.analytics.tables import CALLS, json_keys, measures, percentiles
from llmtrace.analytics.traces import trace, trace_total, traces, traces_found
from llmtrace.errors import QueryError

FACET_VALUES = 200
TAG_KEYS = 50


def report(calls: ir.Table, by: str = "feature") -> ir.Table:
    """All measures for each group of calls, dearest first."""
    grouped = calls.group_by(key=key_of(calls, by)).aggregate(**measures())
    order = [ibis.asc("key")] if by in ("day", "hour") else [ibis.desc("cost_usd", nulls_first=False), ibis.asc("key")]
    return grouped.order_by(order).limit(MOST_GROUPS)


def totals(calls: ir.Table) -> ir.Table:
    """All measures over all calls, and what of it is not tagged."""
    untagged = _.feature.isnull()
    return calls.aggregate(
        **measures(),
        untagged_calls=untagged.sum(),
        untagged_cost_usd=_.cost_usd.sum(where=untagged),
        first_call_at=_.started_at.min(),
        last_call_at=_.started_at.max(),
    )


def series(calls: ir.Table, by: str | None = None, bucket: str = "day") -> ir.Table:
    """The metrics over time, in buckets, for each group."""
    groups: dict[str, Any] = {"at": moment_bucket(calls, bucket)}
    if by is not None:
        groups["key"] = key_of(calls, by)
    shared = measures()
    return calls.group_by(**groups).aggregate(**{m: shared[m] for m in METRICS}).order_by(list(groups))


def latency_series(calls: ir.Table, bucket: str = "day") -> ir.Table:
    """Percentiles of latency and time to first token over time."""
    return (
        calls.group_by(at=moment_bucket(calls, bucket))
        .aggregate(
            calls=_.count(),
            **percentiles("latency", _.duration_s, (50, 95, 99)),
            **percentiles("ttft", _.ttft_s, (50, 95)),
        )
        .order_by("at")
    )


def facets(calls: ir.Table) -> ir.Table:
    """The values that there are to filter by, most used first."""
    parts = []
    for name in ("feature", "model", "provider", "service", "environment"):
        counted = calls.group_by(value=key_of(calls, name)).aggregate(calls=_.count())
        parts.append(counted.order_by(ibis.desc("calls")).limit(FACET_VALUES).mutate(facet=ibis.literal(name)))
    return ibis.union(*parts, distinct=False).select("facet", "value", "calls")


def errors(calls: ir.Table, by: str = "error") -> ir.Table:
    """Failed calls for each group: how many, what they cost, and when the last was."""
    failed = calls.filter(calls.status == "error")
    return (
        failed.group_by(key=key_of(failed, by))
        .aggregate(calls=_.count(), cost_usd=_.cost_usd.sum(), last_at=_.started_at.max())
        .order_by([ibis.desc("calls"), ibis.asc("key")])
        .limit(MOST_GROUPS)
    )


def coverage(calls: ir.Table) -> ir.Table:
    """Calls by how their cost is known."""
    return (
        calls.group_by(cost_status=calls.cost_status)
        .aggregate(calls=_.count(), cost_usd=_.cost_usd.sum())
        .order_by(ibis.desc("calls"))
    )


def calls_list(calls: ir.Table, limit: int = 100, order: str = "started_at") -> ir.Table:
    """Single calls, latest (or dearest, or slowest) first."""
    if order not in ("started_at", "cost_usd", "duration_s"):
        raise QueryError(f"calls are ordered by started_at, cost_usd or duration_s, not by '{order}'")
    if not 0 < limit <= 10_000:
        raise QueryError(f"limit is {limit}; it may be 1 to 10000")
    return calls.order_by([ibis.desc(order, nulls_first=False), ibis.asc("span_id")]).limit(limit)


def freshness(calls: ir.Table) -> ir.Table:
    """How many calls there are, what they cost and when the last was: whatever changes an answer changes this."""
    return calls.aggregate(
        calls=_.count(),
        cost_usd=_.cost_usd.sum(),
        first_call_at=_.started_at.min(),
        last_call_at=_.started_at.max(),
    )


def top_report(calls: ir.Table, by: str = "feature", top: int = 8, rank: str = "cost_usd") -> ir.Table:
    """All measures for each of the TOP groups, and for the others together; `groups` is how many those are.

    Calls without a group are a row of their own: `key` is NULL there and in the row of the others, where `is_other` is.
    """
    return (
        lumped(calls, by, top, rank)
        .group_by(key=_.group, is_other=_.is_other)
        .aggregate(groups=_.ungrouped.nunique(), **measures())
        .order_by([ibis.asc("is_other"), ibis.desc("cost_usd", nulls_first=False), ibis.asc("key")])
    )


def top_series(
    calls: ir.Table, by: str = "feature", bucket: str = "day", top: int = 8, rank: str = "cost_usd"
) -> ir.Table:
    """The metrics over time, in buckets, for each of the TOP groups and for the others together, as in `top_report`."""
    shared = measures()
    return (
        lumped(calls, by, top, rank)
        .group_by(at=moment_bucket(_, bucket), key=_.group, is_other=_.is_other)
        .aggregate(unpriced_calls=shared["unpriced_calls"], **{m: shared[m] for m in METRICS})
        .order_by(["at", "is_other", "key"])
    )


def pairs(calls: ir.Table, by: str = "feature", within: str = "model") -> ir.Table:
    """Calls and cost for each group, and in it for each group of a second kind."""
    shared = measures()
    names = ("calls", "errors", "cost_usd", "unpriced_calls", "input_tokens", "output_tokens")
    return (
        calls.group_by(key=key_of(calls, by), sub=key_of(calls, within))
        .aggregate(**{name: shared[name] for name in names})
        .order_by([ibis.asc("key"), ibis.asc("sub")])
    )


def tag_keys(calls: ir.Table) -> ir.Table:
    """The keys of the calls' own tags, most used first."""
    return (
        calls.select(key=json_keys(calls.tags).unnest())
        .group_by("key")
        .aggregate(calls=_.count())
        .order_by([ibis.desc("calls"), ibis.asc("key")])
        .limit(TAG_KEYS)
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A question by its name; `build` makes the expression from the filtered calls and the question's parameters."""

    name: str
    build: Callable[..., ir.Table]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters beside the filter."""
        return tuple(inspect.signature(self.build).parameters)[1:]


QUESTIONS: tuple[Question, ...] = (
    Question("report", report),
    Question("totals", totals),
    Question("series", series),
    Question("latency_series", latency_series),
    Question("facets", facets),
    Question("errors", errors),
    Question("coverage", coverage),
    Question("calls", calls_list),
    Question("freshness", freshness),
    Question("top_report", top_report),
    Question("top_series", top_series),
    Question("pairs", pairs),
    Question("tag_keys", tag_keys),
    Question("calls_page", calls_page),
    Question("calls_found", calls_found),
    Question("call", call),
    Question("cost_items", cost_items),
    Question("span", span),
    Question("content", content),
    Question("traces", traces),
    Question("traces_found", traces_found),
    Question("trace", trace),
    Question("trace_total", trace_total),
    Question("latency_report", latency_report),
    Question("latency_totals", latency_totals),
    Question("latency_top_series", latency_top_series),
    Question("latency_histogram", latency_histogram),
    Question("failures", failures),
    Question("failure_totals", failure_totals),
    Question("failure_types", failure_types),
    Question("outcomes", outcomes),
    Question("unpriced", unpriced),
    Question("usage_sources", usage_sources),
    Question("services", services),
    Question("processes", processes),
    Question("duplicates", duplicates),
    Question("billable", billable),
)


def find_question(name: str) -> Question:
    """The question called NAME.

    Raises:
        QueryError: there is none.
    """
    for question in QUESTIONS:
        if question.name == name:
            return question
    raise QueryError(f"there is no question '{name}'; there are {', '.join(q.name for q in QUESTIONS)}")


def compile_question(name: str, options: Mapping[str, Any], dialect: str) -> str:
    """SQL in DIALECT for the question NAME; OPTIONS are its parameters and those of the filter.

    Raises:
        QueryError: the question, or an option, is not known.
    """
    question = find_question(name)
    parameters = {k: v for k, v in options.items() if k in question.parameters and v is not None}
    chosen = parse_filter({k: v for k, v in options.items() if k not in question.parameters})
    return compile_expression(question.build(apply_filter(CALLS, chosen), **parameters), dialect)


def compile_expression(expression: ir.Table, dialect: str) -> str:
    """SQL in DIALECT for EXPRESSION."""
    return str(ibis.to_sql(expression, dialect=dialect))


__all__ = ["QUESTIONS", "Filter", "Question", "compile_expression", "compile_question", "find_question"]
