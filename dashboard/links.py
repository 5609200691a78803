"""Links from page to page. Period and filters come along: Streamlit keeps what is bound to the address."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from . import filters, listing
from .answers import ask
from .scope import Scope

# Where a callback sends the reader: Streamlit changes pages only from the script itself.
_AHEAD = "links_ahead"


def leave(scope: Scope) -> None:
    """Go where a callback wants the reader to be, if any does."""
    path, address = st.session_state.pop(_AHEAD, (None, {}))
    page = scope.pages.get(path)
    if page is not None:
        st.switch_page(page, query_params=address)


def to(scope: Scope, path: str, label: str, icon: str, **address: str) -> None:
    """A link called LABEL to the page at PATH; ADDRESS is what its address has beside the period and the filters."""
    page = scope.pages.get(path)
    if page is not None:
        st.page_link(page, label=label, icon=icon, query_params=address)


def to_trace_of(scope: Scope, span_id: str) -> None:
    """A link to the trace of the call of the span SPAN_ID."""
    found = ask(scope.stamp, "call", {"span_id": span_id})
    if found:
        to(scope, "trace", "Trace", ":material/account_tree:", trace=found[0]["trace_id"], span=span_id)


def see_all(path: str, **address: str) -> None:
    """Go to the page at PATH for all time and without filters; for callbacks."""
    filters.clear()
    filters.show_all_time()
    st.session_state[_AHEAD] = (path, address)


def see_chosen(path: str, chosen: Mapping[str, Sequence[str]], **address: str) -> None:
    """Go to the page at PATH, filtered by CHOSEN, values by filter, beside the other filters; for callbacks."""
    for name, values in chosen.items():
        st.session_state[name] = [*values]
    st.session_state[_AHEAD] = (path, address)


def calls_table(
    rows: Sequence[Mapping[str, Any]], key: str, alt: str, columns: Sequence[listing.Column], **address: str
) -> None:
    """A table of the calls in ROWS; one that is chosen is shown on the page of calls, with ADDRESS."""
    spans = [row["span_id"] for row in rows]
    # Other calls make another table, so that a selection never stands for another call.
    name = f"{key}_{hash(tuple(spans)) & 0xFFFFFFFF:08x}"
    listing.table(
        rows, name, alt, columns, height="content", on_select=partial(_see_call, name, spans, address),
        selection_mode=["single-row", "single-cell"],
    )  # fmt: skip


def _see_call(key: str, spans: list[str], address: Mapping[str, str]) -> None:
    place = selected_row(st.session_state[key])
    if place is not None and place < len(spans):
        st.session_state[_AHEAD] = ("calls", {**address, "span": spans[place]})


def selected_row(state: Any) -> int | None:
    """The row that the STATE of a table has as selected: by its box, or by a click on one of its cells."""
    selection = state["selection"]
    selected = [place for place, _ in selection["cells"]] or selection["rows"]
    return int(selected[0]) if selected else None
