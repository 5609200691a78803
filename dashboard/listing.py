"""Single calls as a table: one line for each, to choose from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from . import format as fmt
from .format import marked

Row = Mapping[str, Any]
NOT_OK = {"error": "✕ failed", "cancelled": "◌ cancelled"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, width in pixels, what it means, its value (to sort by), and how that is written."""

    name: str
    label: str
    width: int
    help: str
    value: Callable[[Row], Any]
    text: Callable[[Row], str]


def status_text(row: Row) -> str:
    """How the call in ROW ended, in a few words."""
    if row["status"] == "ok":
        return "ok"
    said = NOT_OK.get(row["status"], fmt.plain(row["status"]))
    return f"{said} {row['http_status']}" if row["http_status"] and row["status"] == "error" else said


def cost_text(row: Row) -> str:
    """What the call in ROW cost, and that it is at least that, about that, or not known."""
    if row["cost_usd"] is None:
        return str(row["cost_status"]).replace("_", " ")
    mark = {"partial": "≥ ", "lower_bound": "≥ ", "estimated": "~ "}.get(row["cost_status"], "")
    return mark + fmt.money(row["cost_usd"])


def model_of(row: Row) -> str | None:
    """The model that was asked for in ROW, or the one that answered."""
    name = row["request_model"] or row["response_model"]
    return None if name is None else str(name)


def _name(column: str) -> Callable[[Row], str]:
    return lambda row: fmt.UNKNOWN if row[column] is None else fmt.plain(row[column])


COLUMNS: tuple[Column, ...] = (
    Column("feature", "Feature", 124, "What the call was for.", lambda r: r["feature"],
           lambda r: fmt.group_name(r["feature"])),
    Column("cost_usd", "Cost", 84, "By the price list. ≥: a part has no price; ~: tokens were estimated.",
           lambda r: r["cost_usd"], cost_text),
    Column("duration_s", "Duration", 78, "From the request to the last token.", lambda r: r["duration_s"],
           lambda r: fmt.seconds(r["duration_s"])),
    Column("status", "Status", 105, "How it ended, with the HTTP status of a failure.", lambda r: r["status"],
           status_text),
    Column("model", "Model", 185, "As it was asked for.", model_of, lambda r: fmt.plain(model_of(r) or fmt.UNKNOWN)),
    Column("ttft_s", "TTFT", 70, "Time to the first token; only of streams.", lambda r: r["ttft_s"],
           lambda r: fmt.seconds(r["ttft_s"])),
    Column("input_tokens", "Input", 64, "Tokens, cached ones included.", lambda r: r["input_tokens"],
           lambda r: fmt.count(r["input_tokens"])),
    Column("output_tokens", "Output", 64, "Tokens, reasoning included.", lambda r: r["output_tokens"],
           lambda r: fmt.count(r["output_tokens"])),
    Column("attempts", "Tries", 54, "HTTP attempts, retries included.", lambda r: r["attempts"],
           lambda r: fmt.count(r["attempts"])),
    Column("user_id", "User", 92, "The user that the application named.", lambda r: r["user_id"], _name("user_id")),
    Column("service", "Service", 92, "The service that called.", lambda r: r["service"], _name("service")),
)  # fmt: skip
# Only where it is asked for: most calls have none.
ERROR = Column(
    "error_type", "Error", 180, "The provider's name for it, or that of the exception.", lambda r: r["error_type"],
    _name("error_type"),
)  # fmt: skip
NUMBERS = frozenset({"duration_s", "ttft_s", "input_tokens", "output_tokens", "cost_usd", "attempts"})
TIME = "started_at"


def styled(rows: Sequence[Row], columns: Sequence[Column] = COLUMNS) -> Any:
    """ROWS as a table to show: numbers to sort by, written as everywhere; calls that are not ok stand out."""
    data: dict[str, Any] = {TIME: [f"{row['started_at']:%d %b %H:%M:%S}" for row in rows]}
    for column in columns:
        if column.name in NUMBERS:
            values = [column.value(row) for row in rows]
            data[column.name] = pd.array([None if v is None else float(v) for v in values], dtype="Float64")
        else:
            data[column.name] = [column.text(row) for row in rows]
    styler = pd.DataFrame(data).style
    for column in columns:
        if column.name in NUMBERS:
            for index, row in enumerate(rows):
                text = column.text(row)
                styler = styler.format(lambda _value, text=text: text, subset=pd.IndexSlice[[index], [column.name]])
    failed = [index for index, row in enumerate(rows) if row["status"] != "ok"]
    if any(column.name == "status" for column in columns):
        styler = styler.set_properties(
            subset=pd.IndexSlice[failed, ["status"]], **{"color": "#d1453b", "font-weight": "bold"}
        )
    return styler


def configured(columns: Sequence[Column] = COLUMNS) -> dict[str, Any]:
    """The headings of COLUMNS as Streamlit takes them."""
    found: dict[str, Any] = {TIME: st.column_config.TextColumn("Time (UTC)", width=112, pinned=True)}
    for column in columns:
        kind = st.column_config.NumberColumn if column.name in NUMBERS else st.column_config.TextColumn
        found[column.name] = kind(column.label, width=column.width, help=marked(column.help))
    return found


def chosen(columns: Sequence[str]) -> tuple[Column, ...]:
    """The columns called COLUMNS, in that order."""
    by_name = {column.name: column for column in (*COLUMNS, ERROR)}
    return tuple(by_name[name] for name in columns)


def table(rows: Sequence[Row], key: str, alt: str, columns: Sequence[Column] = COLUMNS, **options: Any) -> Any:
    """Draw ROWS; OPTIONS are those of Streamlit's table."""
    return st.dataframe(
        styled(rows, columns), column_config=configured(columns), hide_index=True, placeholder=fmt.UNKNOWN,
        row_height=30, key=key, alt=alt, **options,
    )  # fmt: skip
