"""The table of latency: one line for each group, with of how many calls its figures are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from . import format as fmt
from .format import marked
from .metrics import LEAST, TIMES

Row = Mapping[str, Any]
THIN = "*"
TOTAL = "All together"

# Column, heading, what it is of, of how many calls it must be, how it is written, what it means.
Column = tuple[str, str, str, int, Callable[[Any], str], str]


def _figure(value: Any) -> str:
    return fmt.UNKNOWN if value is None else f"{value:,.0f}"


COLUMNS: tuple[Column, ...] = (
    ("latency_p50_s", "p50", "calls", LEAST[50], fmt.seconds, "Half of the calls took no longer."),
    ("latency_p95_s", "p95", "calls", LEAST[95], fmt.seconds, "95 of 100 took no longer."),
    ("latency_p99_s", "p99", "calls", LEAST[99], fmt.seconds, "99 of 100 took no longer."),
    ("latency_max_s", "Slowest", "calls", 0, fmt.seconds, "The one that took longest."),
    ("ttft_p50_s", "TTFT p50", "streamed", LEAST[50], fmt.seconds, "Time to the first token, of streams."),
    ("ttft_p95_s", "TTFT p95", "streamed", LEAST[95], fmt.seconds, "Time to the first token, of streams."),
    ("streamed", "Streamed", "calls", 0, fmt.count, "Calls whose first token was timed."),
    ("tokens_per_s_p50", "Tokens/s", "timed", LEAST[50], _figure,
     "Output tokens a second after the first one: half of the calls were faster."),
)  # fmt: skip


def named(rows: Sequence[Row], total: Row) -> list[tuple[str, Row]]:
    """The lines: all calls together, then each group in ROWS."""
    return [(TOTAL, total), *((fmt.group_name(row["key"]), row) for row in rows)]


def cell(row: Row, column: Column) -> str:
    """The text of COLUMN in ROW, marked where it is of too few calls to say much."""
    name, _label, sample, least, text, _help = column
    written = text(row[name])
    return written + THIN if row[name] is not None and (row[sample] or 0) < least else written


def has_thin(lines: Sequence[tuple[str, Row]]) -> bool:
    """Whether any figure in LINES is of too few calls."""
    return any(cell(row, column).endswith(THIN) for _, row in lines for column in COLUMNS)


def styled(lines: Sequence[tuple[str, Row]]) -> Any:
    """LINES as a table to show: numbers to sort by, written as everywhere; the first line is bold."""
    data: dict[str, Any] = {"name": [name for name, _ in lines], "calls": [row["calls"] for _, row in lines]}
    for column in COLUMNS:
        values = [row[column[0]] for _, row in lines]
        data[column[0]] = pd.array([None if v is None else float(v) for v in values], dtype="Float64")
    styler = pd.DataFrame(data).style.format("{:,}", subset=["calls"])
    for column in COLUMNS:
        for index, (_, row) in enumerate(lines):
            text = cell(row, column)
            styler = styler.format(lambda _value, text=text: text, subset=pd.IndexSlice[[index], [column[0]]])
    return styler.set_properties(subset=pd.IndexSlice[[0], :], **{"font-weight": "bold"})


def configured(by: str) -> dict[str, Any]:
    """The headings for groups BY."""
    found: dict[str, Any] = {
        "name": st.column_config.TextColumn(by.replace("_", " "), width=150, pinned=True),
        "calls": st.column_config.NumberColumn("Calls", width=70),
    }
    for name, label, _sample, _least, _text, about in COLUMNS:
        found[name] = st.column_config.NumberColumn(label, width=84, help=marked(about))
    return found


def measured_by(label: str | None) -> Any:
    """The metric called LABEL; the 95th percentile where there is none."""
    return next((metric for metric in TIMES if metric.label == label), TIMES[1])
