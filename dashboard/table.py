"""The cost table: one entry for each group, the others together, and the total; as a table and as a CSV file."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd  # type: ignore[import-untyped]

from . import format as fmt
from .groups import OTHERS, Group, group_of

GROUP, TOTAL, UNPRICED = "group", "total", "unpriced"
TOTAL_NAME, UNPRICED_NAME = "Total", "(unpriced) of these"
NAME, TREND = "name", "trend"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table: a group's `row` of measures, its cost in the period before, and its trend.

    `kind` is `group`, `total`, or `unpriced`: calls without a price, which are in the groups too.
    """

    kind: str
    name: str
    row: Mapping[str, Any]
    group: Group | None = None
    before: Mapping[str, Any] | None = None
    trend: list[float] = field(default_factory=list)
    whole: Decimal | None = None

    @property
    def share(self) -> float | None:
        """Its part of the known cost of all."""
        return fmt.share(self.row["cost_usd"], self.whole)

    @property
    def change(self) -> float | None:
        """By what share it costs more than before."""
        return fmt.change(self.row["cost_usd"], self.before["cost_usd"]) if self.before is not None else None

    @property
    def change_text(self) -> str:
        """The change in figures, with an arrow; `new` where there were no calls before."""
        if self.before is None:
            return fmt.UNKNOWN
        if not self.before["calls"]:
            return "new" if self.row["calls"] else fmt.UNKNOWN
        return fmt.UNKNOWN if self.change is None else f"{fmt.arrow(self.change)} {fmt.signed_percent(self.change)}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in a file, its heading, what it means, its value (to sort by) and how that is written."""

    name: str
    label: str
    help: str
    value: Callable[[Entry], Any]
    text: Callable[[Entry], str]


def _count(measure: str, shown: Callable[[Any], str] = fmt.count) -> Mapping[str, Callable[[Entry], Any]]:
    return {"value": lambda e: e.row[measure], "text": lambda e: shown(e.row[measure])}


def _error_rate(entry: Entry) -> float | None:
    return fmt.share(entry.row["errors"] or 0, entry.row["calls"])


COLUMNS: tuple[Column, ...] = (
    Column(
        "spend_usd", "Spend", "By the price list: an estimate. ≥ where calls have no price.",
        lambda e: e.row["cost_usd"], lambda e: fmt.known_cost(e.row),
    ),
    Column("share", "Share", "Of the known spend.", lambda e: e.share, lambda e: fmt.percent(e.share)),
    Column(
        "change", "Change", "Of the spend, against the period before.",
        lambda e: e.change, lambda e: e.change_text,
    ),
    Column("calls", "Calls", "Failed ones included.", **_count("calls")),
    Column(
        "usd_per_1k_calls", "$/1k calls", "Dollars per thousand calls.",
        lambda e: fmt.per_thousand(e.row), lambda e: fmt.known_per_thousand(e.row),
    ),
    Column("input_tokens", "Input", "Tokens, cached ones included.", **_count("input_tokens", fmt.tokens)),
    Column(
        "cached_input_tokens", "Cached", "Input tokens read from the provider's cache.",
        **_count("cached_input_tokens", fmt.tokens),
    ),
    Column("output_tokens", "Output", "Tokens, reasoning included.", **_count("output_tokens", fmt.tokens)),
    Column("error_rate", "Errors", "Calls that failed after all retries.", _error_rate,
           lambda e: fmt.percent(_error_rate(e))),
    Column("latency_p50_s", "p50", "Half of them took no longer.", **_count("latency_p50_s", fmt.seconds)),
    Column("latency_p95_s", "p95", "95 of 100 took no longer.", **_count("latency_p95_s", fmt.seconds)),
    Column("unpriced_calls", "Unpriced", "Calls that have no price.",
           lambda e: e.row["unpriced_calls"] or 0, lambda e: fmt.count(e.row["unpriced_calls"] or 0)),
    Column("estimated_calls", "Estimated", "Calls whose tokens were estimated, or are a lower bound.",
           lambda e: e.row["estimated_calls"] or 0, lambda e: fmt.count(e.row["estimated_calls"] or 0)),
)  # fmt: skip


# In pixels: all of them fit a page of 1280.
WIDTHS = {
    "name": 140,
    "trend": 70,
    "spend_usd": 86,
    "share": 60,
    "change": 76,
    "calls": 64,
    "usd_per_1k_calls": 80,
    "input_tokens": 64,
    "cached_input_tokens": 68,
    "output_tokens": 66,
    "error_rate": 62,
    "latency_p50_s": 66,
    "latency_p95_s": 66,
    "unpriced_calls": 76,
    "estimated_calls": 82,
}


def entries_of(
    rows: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any],
    unpriced: Mapping[str, Any] | None,
    before: Mapping[Group, Mapping[str, Any]],
    total_before: Mapping[str, Any] | None,
    trends: Mapping[Group, list[float]],
) -> list[Entry]:
    """The table: TOTAL, the groups in ROWS of `top_report`, and UNPRICED; BEFORE holds the period before."""
    whole = total["cost_usd"]
    all_together = [sum(values) for values in zip(*trends.values(), strict=True)]
    found = [Entry(TOTAL, TOTAL_NAME, total, None, total_before, all_together, whole)]
    for row in rows:
        group = group_of(row)
        name = f"{group.name} {row['groups']:,} more" if group.is_other else group.name
        found.append(Entry(GROUP, name, row, group, before.get(group), trends.get(group, []), whole))
    if unpriced is not None and unpriced["calls"]:
        found.append(Entry(UNPRICED, UNPRICED_NAME, unpriced))
    return found


def before_of(
    rows: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], total: Mapping[str, Any] | None
) -> dict[Group, Mapping[str, Any]]:
    """Calls and cost in the period before of each group in NOW; ROWS are its `report`, TOTAL its totals.

    The others are what is left of the total, because they may be more groups than a report holds.
    """
    if total is None:
        return {}
    nothing = {"calls": 0, "cost_usd": None}
    by_key = {row["key"]: row for row in rows}
    shown = [group_of(row) for row in now]
    found: dict[Group, Mapping[str, Any]] = {g: by_key.get(g.key, nothing) for g in shown if not g.is_other}
    calls = total["calls"] - sum(row["calls"] for row in found.values())
    cost = (total["cost_usd"] or Decimal(0)) - sum((row["cost_usd"] or Decimal(0)) for row in found.values())
    return {**found, OTHERS: {"calls": calls, "cost_usd": cost}}


def styled(entries: Sequence[Entry]) -> Any:
    """ENTRIES as a table to show: numbers to sort by, written as everywhere; the total is bold."""
    data: dict[str, Any] = {NAME: [fmt.plain(entry.name) for entry in entries], TREND: [e.trend for e in entries]}
    for column in COLUMNS:
        data[column.name] = pd.array([_number(column.value(e)) for e in entries], dtype="Float64")
    table = pd.DataFrame(data)
    styler = table.style
    for column in COLUMNS:
        # Every cell is written from its entry: the number alone does not say that it is a lower bound.
        texts = {index: column.text(entry) for index, entry in enumerate(entries)}
        for index, text in texts.items():
            styler = styler.format(lambda _value, text=text: text, subset=pd.IndexSlice[[index], [column.name]])
    bold = [index for index, entry in enumerate(entries) if entry.kind == TOTAL]
    return styler.set_properties(subset=pd.IndexSlice[bold, :], **{"font-weight": "bold"})


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def csv_text(entries: Sequence[Entry], by: str) -> str:
    """ENTRIES as a CSV file: exact numbers, and names that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([by, "kind", *(column.name for column in COLUMNS), "spend_is_lower_bound"])
    for entry in entries:
        values = [_exact(column.value(entry)) for column in COLUMNS]
        kind = "other" if entry.group is not None and entry.group.is_other else entry.kind
        writer.writerow([fmt.cell(entry.name), kind, *values, bool(entry.row["unpriced_calls"])])
    return out.getvalue()


def _exact(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else "" if value is None else value
