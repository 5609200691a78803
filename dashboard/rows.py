"""Rows as a table, each column said once: its heading, its values, and how wide it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from . import format as fmt
from .format import marked

ROW_PX = 30
MOST_ROWS = 14  # more of them scroll in their own frame

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what a row has there, and its width in pixels."""

    label: str
    value: Callable[[Any], Any]
    width: int
    is_number: bool = False
    is_right: bool = False
    help: str | None = None


def text(label: str, value: Callable[[Any], Any], width: int) -> Column:
    """A column of texts, which are shown as they are: those that came from outside lose their control characters."""
    return Column(label, value, width)


def name(label: str, column: str, width: int, without: str = fmt.UNKNOWN) -> Column:
    """A column of names that applications or providers gave; WITHOUT stands where there is none."""
    return Column(label, lambda row: without if row[column] is None else fmt.plain(str(row[column])), width)


def figure(label: str, value: Callable[[Any], str], width: int, about: str | None = None) -> Column:
    """A column of figures that are written as texts."""
    return Column(label, value, width, is_right=True, help=about)


def number(label: str, value: Callable[[Any], int | None], width: int, about: str | None = None) -> Column:
    """A column of counts."""
    return Column(label, value, width, is_number=True, help=about)


def when(label: str, column: str, width: int = 125) -> Column:
    """A column of times (UTC)."""
    return Column(label, lambda row: fmt.UNKNOWN if row[column] is None else fmt.moment(row[column]), width)


def draw(
    rows: Sequence[Any], columns: Sequence[Column], key: str, alt: str, most_rows: int = MOST_ROWS, **options: Any
) -> None:
    """Draw ROWS as a table of COLUMNS, the first of which stays in sight; OPTIONS are those of Streamlit's table."""
    data = {column.label: [column.value(row) for row in rows] for column in columns}
    st.dataframe(
        pd.DataFrame(data),
        column_config={column.label: _configured(column, place == 0) for place, column in enumerate(columns)},
        hide_index=True, row_height=ROW_PX, height="content" if len(rows) <= most_rows else ROW_PX * most_rows,
        key=key, alt=alt, **options,
    )  # fmt: skip


def _configured(column: Column, is_first: bool) -> Any:
    about = None if column.help is None else marked(column.help)
    if column.is_number:
        return st.column_config.NumberColumn(column.label, width=column.width, help=about, format="localized")
    alignment: Any = "right" if column.is_right else None
    return st.column_config.TextColumn(
        column.label, width=column.width, help=about, pinned=is_first or None, alignment=alignment
    )
