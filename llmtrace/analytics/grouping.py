"""What questions share beside the measures: how their parameters are read, time is cut, and calls are put in groups."""

from decimal import Decimal, InvalidOperation
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from llmtrace.analytics.tables import BY_CHOICES, GROUPS, TAG_PREFIX, group_key, measures
from llmtrace.errors import QueryError

BUCKETS = {"minute": "m", "hour": "h", "day": "D", "week": "W"}
METRICS = ("cost_usd", "calls", "errors", "input_tokens", "output_tokens")
MOST_GROUPS = 1000


def whole(name: str, value: Any, least: int, most: int) -> int:
    """VALUE, the parameter NAME, as a whole number of LEAST to MOST.

    Raises:
        QueryError: it is none.
    """
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise QueryError(f"{name} is a whole number, not '{value}'") from None
    if not least <= number <= most:
        raise QueryError(f"{name} is {number}; it may be {least} to {most}")
    return number


def number_of(name: str, value: Any) -> Decimal:
    """VALUE, the parameter NAME, as an exact number.

    Raises:
        QueryError: it is none.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise QueryError(f"{name} is a number, not '{value}'")
    return number


def moment_bucket(calls: ir.Table, bucket: str) -> Any:
    """When the BUCKET began that each of CALLS is in.

    Raises:
        QueryError: there is no such bucket.
    """
    if bucket not in BUCKETS:
        raise QueryError(f"there is no bucket '{bucket}'; there are {', '.join(BUCKETS)}")
    return calls.started_at.truncate(BUCKETS[bucket])


def key_of(calls: ir.Table, by: str) -> Any:
    """The group by BY of each of CALLS.

    Raises:
        QueryError: calls have no such groups.
    """
    try:
        return group_key(calls, by)
    except KeyError:
        choices = ", ".join(dict.fromkeys((*BY_CHOICES, *GROUPS)))
        raise QueryError(f"calls cannot be grouped by '{by}'; by {choices} or {TAG_PREFIX}KEY they can") from None


def lumped(calls: ir.Table, by: str, top: int, rank: str) -> ir.Table:
    """CALLS with `ungrouped`, their group by BY; `group`, the same where it is in the TOP by RANK; and `is_other`."""
    if rank not in METRICS:
        raise QueryError(f"groups are ranked by {', '.join(METRICS)}, not by '{rank}'")
    try:
        most = int(top)
    except ValueError:
        raise QueryError(f"top is a whole number, not '{top}'") from None
    keyed = calls.mutate(ungrouped=key_of(calls, by))
    ranked = (
        keyed.filter(_.ungrouped.notnull())
        .group_by("ungrouped")
        .aggregate(size=measures()[rank])
        .order_by([ibis.desc("size", nulls_first=False), ibis.asc("ungrouped")])
        .limit(min(max(most, 1), MOST_GROUPS))
    )
    is_other = keyed.ungrouped.notnull() & ~keyed.ungrouped.isin(ranked.ungrouped)
    return keyed.mutate(is_other=is_other, group=ibis.ifelse(is_other, ibis.null("string"), keyed.ungrouped))
