"""Which calls a question is about, and how people write it: `7d`, `2026-11-01`, an ISO time; a name, or none."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from llmtrace.analytics.tables import tag_value
from llmtrace.errors import QueryError

# How a filter spells "has none": an empty name is no name.
UNTAGGED: Final = ""

_AGO = re.compile(r"(\d+)\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Filter:
    """The calls in [since, until) (naive UTC) that have one of the given values; an empty tuple restricts nothing.

    An empty name stands for calls without one. A tag is written `KEY=VALUE`; values of one key are alternatives.
    """

    since: datetime | None = None
    until: datetime | None = None
    feature: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    tenant: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    prompt_version: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    cost_status: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()


NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("feature", ("feature",)),
    ("model", ("request_model", "response_model")),
    ("provider", ("provider",)),
    ("service", ("service",)),
    ("environment", ("environment",)),
    ("user", ("user_id",)),
    ("tenant", ("tenant",)),
    ("session", ("session_id",)),
    ("prompt_version", ("prompt_version",)),
    ("status", ("status",)),
    ("error", ("error_type",)),
    ("cost_status", ("cost_status",)),
)


def apply_filter(calls: ir.Table, chosen: Filter) -> ir.Table:
    """The rows of CALLS, or of batches, that CHOSEN describes; what such a row cannot be asked restricts nothing."""
    conditions: list[Any] = []
    if chosen.since is not None:
        conditions.append(calls.started_at >= chosen.since)
    if chosen.until is not None:
        conditions.append(calls.started_at < chosen.until)
    for name, columns in NAMES:
        values = getattr(chosen, name)
        columns = tuple(column for column in columns if column in calls.columns)
        if values and columns:
            conditions.append(_one_of([calls[column] for column in columns], values))
    conditions.extend(_tag_conditions(calls, chosen.tag))
    return calls.filter(conditions) if conditions else calls


def _tag_conditions(calls: ir.Table, tags: tuple[str, ...]) -> list[Any]:
    """One condition for each key that TAGS, each `KEY=VALUE`, name."""
    values: dict[str, list[str]] = {}
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not key or not equals:
            raise QueryError(f"'{tag}' is no tag: write KEY=VALUE, and KEY= for calls without one")
        values.setdefault(key, []).append(value)
    return [_one_of([tag_value(calls, key)], tuple(found)) for key, found in values.items()]


def _one_of(columns: list[Any], values: tuple[str, ...]) -> Any:
    """Whether any of COLUMNS has one of VALUES; for the empty name, whether all of them are absent."""
    named = [v for v in values if v != UNTAGGED]
    tests = [column.isin(named) for column in columns] if named else []
    if UNTAGGED in values:
        absent = columns[0].isnull()
        for column in columns[1:]:
            absent = absent & column.isnull()
        tests.append(absent)
    return ibis.or_(*tests)


def parse_filter(options: Mapping[str, Any], now: datetime | None = None) -> Filter:
    """The filter that OPTIONS describe: `since` and `until` as text or times, names as text or a list of texts.

    Raises:
        QueryError: an option is not known, or a time cannot be read.
    """
    known = {"since", "until", "tag", *(name for name, _ in NAMES)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise QueryError(f"there is no filter {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    moment = now if now is not None else datetime.now(UTC).replace(tzinfo=None)
    chosen: dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        chosen[name] = parse_time(value, moment) if name in ("since", "until") else _names(value)
    return Filter(**chosen)


def _names(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def parse_time(value: str | datetime, now: datetime) -> datetime:
    """VALUE as naive UTC: `7d`, `24h`, `30m`, `2w` before NOW; a date, which is its midnight; or an ISO time.

    Raises:
        QueryError: VALUE is none of them.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    ago = _AGO.fullmatch(value.strip())
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise QueryError(f"'{value}' is no time: write 7d, 24h, 2026-11-01 or 2026-11-01T08:00:00Z") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
