"""Which calls: a list to narrow down and to page through, and all that is known of the one that is chosen."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from .. import call_panel, links, listing
from ..format import calls, known_cost, marked
from ..scope import Scope
from ..widgets import shielded

PER_PAGE = 25
CHOSEN_PX = 252
SPAN, PAGE, SEARCH, SORT, LEAST_S, LEAST_USD = "span", "page", "q", "sort", "min_s", "min_usd"
SORTS: dict[str, tuple[str, bool]] = {
    "newest": ("started_at", False),
    "oldest": ("started_at", True),
    "dearest": ("cost_usd", False),
    "slowest": ("duration_s", False),
    "slowest to start": ("ttft_s", False),
    "most input": ("input_tokens", False),
    "most output": ("output_tokens", False),
}
_LAST = "calls_narrowed_by"


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What of the scope is listed, and in which order: parameters of `calls_found` and of `calls_page`."""

    found: dict[str, Any]
    order: dict[str, Any]


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    narrowed = _narrow()
    _list(scope, narrowed)


def _narrow() -> Narrowed:
    """The row that says which calls, beyond the filters of all pages."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="narrow"):
        text = st.text_input(
            "Search ids", key=SEARCH, bind="query-params", type="search", width=260, max_chars=100,
            placeholder="trace, span, response, user, session",
            help="Calls with this text in the id of their trace, span, response, user or session.",
        )  # fmt: skip
        sort = st.selectbox("Sort", list(SORTS), key=SORT, bind="query-params", width=150)
        least_s = st.number_input(
            "At least seconds", min_value=0.0, value=None, step=1.0, format="%g", key=LEAST_S, bind="query-params",
            width=140, placeholder="any",
        )  # fmt: skip
        least_usd = st.number_input(
            "At least dollars", min_value=0.0, value=None, step=0.01, format="%g", key=LEAST_USD, bind="query-params",
            width=140, placeholder="any",
        )  # fmt: skip
    order, is_ascending = SORTS[sort]
    found: dict[str, Any] = {"search": text or None, "min_duration_s": least_s, "min_cost_usd": least_usd}
    return Narrowed({n: v for n, v in found.items() if v is not None}, {"order": order, "ascending": is_ascending})


@shielded
def _list(scope: Scope, narrowed: Narrowed) -> None:
    found = scope.ask("calls_found", **narrowed.found)[0]
    if not found["calls"]:
        st.markdown("No call of these matches the search and the least seconds and dollars.")
        st.button("Show all of them", key="narrow_clear", on_click=_clear, type="primary")
        return
    pages = -(-found["calls"] // PER_PAGE)
    _turn_back(scope, narrowed, pages)
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            said = f"**{calls(found['calls'])}** · {known_cost(found)} · choose a row to see all of it"
            st.markdown(marked(f":small[{said}]"), width="content")
            page = st.pagination(pages, key=PAGE, bind="query-params") if pages > 1 else 1
        rows = scope.ask("calls_page", limit=PER_PAGE, offset=(page - 1) * PER_PAGE, **narrowed.found, **narrowed.order)
        _table(rows)
    _chosen(scope)


def _table(rows: list[dict[str, Any]]) -> None:
    spans = [row["span_id"] for row in rows]
    held = st.query_params.get(SPAN)
    # A table of other rows is another table: a selection stands for the row, not for its place.
    key = f"calls_{hash(tuple(spans)) & 0xFFFFFFFF:08x}"
    default: Any = {"selection": {"rows": [spans.index(held)]}} if held in spans else None
    listing.table(
        rows, key, "Calls with their feature, model, status, duration, tokens and cost",
        height=CHOSEN_PX if held else "content",
        on_select=partial(_choose, key, spans), selection_mode=["single-row", "single-cell"],
        selection_default=default,
    )  # fmt: skip


def _choose(key: str, spans: list[str]) -> None:
    """Show the call whose row was selected."""
    place = links.selected_row(st.session_state[key])
    if place is not None and place < len(spans):
        st.query_params[SPAN] = spans[place]
    else:
        _close()


def _close() -> None:
    st.query_params.pop(SPAN, None)


def _chosen(scope: Scope) -> None:
    span_id = st.query_params.get(SPAN)
    if not span_id:
        return
    with st.container(border=True, gap="small", key="call"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Call", anchor=False, width="content")
            with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
                links.to_trace_of(scope, span_id)
                st.button("Close", icon=":material/close:", key="call_close", on_click=_close, type="tertiary")
        call_panel.show(scope, span_id)


def _turn_back(scope: Scope, narrowed: Narrowed, pages: int) -> None:
    """Go to the first page where what is listed has changed, and to the last where there are fewer pages."""
    now = (scope.range, tuple(scope.filters.items()), tuple(narrowed.found.items()), tuple(narrowed.order.items()))
    before = st.session_state.get(_LAST)
    st.session_state[_LAST] = now
    page = st.session_state.get(PAGE)
    if page is None:
        return
    if before is not None and before != now:
        st.session_state[PAGE] = 1
    elif page > pages:
        st.session_state[PAGE] = pages


def _clear() -> None:
    st.session_state[SEARCH], st.session_state[LEAST_S], st.session_state[LEAST_USD] = "", None, None
