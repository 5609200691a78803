"""The row above every page: period, filters, comparison. All of it lives in the address, so a link shows the same."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from .answers import Stamp, ask
from .format import UNTAGGED, calls, code, group_name, plain, shorten
from .period import ALL, DATES, DEFAULT_RANGE, RANGES, Period, period_before, period_of
from .scope import FACETS, FILTERS, Scope

COST_STATUSES = (
    "exact",
    "estimated",
    "lower_bound",
    "partial",
    "unpriced",
    "invalid_usage",
    "not_billed",
    "committed",
    "provider_reported",
    "price_expired",
)
STATUSES = ("ok", "error", "cancelled")
FREE = ("user", "session", "tenant", "prompt_version", "tag", "error")
MOST_BADGES = 6
# What to group by once a row of the cost table was chosen.
DRILL = ("feature", "model", "prompt_version", "user", "service")
_HELP = {
    "user": "Type a user id and press Enter.",
    "session": "Type a session id and press Enter.",
    "tenant": "Type a tenant and press Enter.",
    "prompt_version": "Type a version and press Enter.",
    "tag": "Type KEY=VALUE and press Enter, as in team=search.",
    "error": "Type an error type and press Enter, as in rate_limit_exceeded.",
}


def choose(stamp: Stamp) -> Scope:
    """Draw the row; what it says the page is about."""
    known = _known(stamp)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filter_row"):
        chosen = st.segmented_control(
            "Period", RANGES, default=DEFAULT_RANGE, required=True, key="range", bind="query-params",
            label_visibility="collapsed", wrap=False,
        )  # fmt: skip
        dates = _dates(stamp) if chosen == DATES else ()
        period = period_of(chosen or DEFAULT_RANGE, dates, stamp.at, stamp.first_call_at)
        filters = _popover(stamp, period, known)
        is_compared = st.toggle(
            "Compare",
            value=True,
            key="compare",
            bind="query-params",
            help="Show how each figure differs from the period before, of the same length.",
        )
        _badges(filters)
    previous = period_before(chosen or DEFAULT_RANGE, period) if is_compared else None
    return Scope(stamp, chosen or DEFAULT_RANGE, period, previous, filters, known)


def _dates(stamp: Stamp) -> tuple[date, ...]:
    """The first and last day that were chosen; both are included."""
    today = stamp.at.date()
    picked: Any = st.date_input(
        "Days (UTC)",
        value=(today - timedelta(days=6), today),
        max_value=today,
        key="dates",
        bind="query-params",
        label_visibility="collapsed",
        width=230,
    )
    return tuple(picked) if isinstance(picked, list | tuple) else (picked,)


def _known(stamp: Stamp) -> dict[str, tuple[str, ...]]:
    """All names that there are, by facet and most used first; whatever the filters are."""
    found: dict[str, list[str]] = {name: [] for name in FACETS}
    for row in sorted(ask(stamp, "facets", {}), key=lambda row: -row["calls"]):
        if row["value"] is not None:
            found[row["facet"]].append(row["value"])
    return {name: tuple(values) for name, values in found.items()}


def _popover(stamp: Stamp, period: Period, known: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The popover of filters; the chosen values by filter."""
    count = sum(len(st.session_state.get(name) or ()) for name in FILTERS)
    with st.popover(f"Filters ({count})" if count else "Filters", icon=":material/filter_list:", key="filters"):
        _search(stamp, period)
        chosen = {name: _select(name, ("", *known[name])) for name in FACETS}
        chosen["status"] = _select("status", STATUSES)
        with st.expander("User, session, tenant, prompt version, tag, error, price"):
            for name in FREE:
                chosen[name] = _select(name, ("",) if name != "tag" else (), is_free=True)
            chosen["cost_status"] = _select("cost_status", COST_STATUSES)
    return {name: values for name, values in chosen.items() if values}


def _search(stamp: Stamp, period: Period) -> None:
    """One search over the names of all facets, with the calls that each has in PERIOD."""
    rows = [
        row for row in ask(stamp, "facets", period.options()) if row["value"] is not None or row["facet"] == "feature"
    ]
    rows.sort(key=lambda row: (FACETS.index(row["facet"]), -row["calls"]))
    labels = {
        (row["facet"], row["value"] or ""): f"{row['facet']} · {_label(row['value'] or '')} · {calls(row['calls'])}"
        for row in rows
    }
    st.selectbox(
        "Find",
        list(labels),
        index=None,
        format_func=lambda pair: labels.get(pair, ""),
        placeholder=f"Search {len(labels)} names…",
        key="find",
        on_change=_take_found,
        help="Names with the number of calls that each has in the chosen period.",
    )


def _take_found() -> None:
    found = st.session_state.get("find")
    if found is not None:
        add(*found)
    st.session_state["find"] = None


def _select(name: str, options: Sequence[str], *, is_free: bool = False) -> tuple[str, ...]:
    """The chosen values of the filter NAME; chosen ones that are no options any more stay chosen."""
    held = st.session_state.get(name)
    if held and not st.query_params.get_all(name):
        # On a change of page, Streamlit drops from the address what stands in a closed popover, and keeps the value.
        st.session_state[name] = [*held]
    current = [v for v in held or () if v not in options]
    chosen: list[str] = st.multiselect(
        FILTERS[name].capitalize(),
        [*options, *current],
        format_func=_label,
        key=name,
        bind="query-params",
        accept_new_options=is_free,
        help=_HELP.get(name),
        placeholder="all",
    )
    return tuple(chosen)


def _label(value: str) -> str:
    """VALUE as an option: the empty name has a word, and no two names look alike."""
    return group_name(value or None) if not value or plain(value) == value else ascii(value)


def _badges(filters: Mapping[str, tuple[str, ...]]) -> None:
    """A button for each active filter that takes it away, and one for all."""
    pairs = [(name, value) for name, values in filters.items() for value in values]
    for place, (name, value) in enumerate(pairs[:MOST_BADGES]):
        shown = code(value, 28) if value else code(UNTAGGED)
        st.button(
            f"{FILTERS[name]} {shown}",
            icon=":material/close:",
            key=f"badge_{place}",
            on_click=remove,
            args=(name, value),
            help=f"Remove this filter: {shorten(_label(value), 200)}" if len(value) > 28 else None,
            type="secondary",
        )
    if len(pairs) > MOST_BADGES:
        st.markdown(f":small[and {len(pairs) - MOST_BADGES} more]", width="content")
    if len(pairs) > 1:
        st.button("Clear all", key="clear_all", on_click=clear, type="tertiary")


def add(name: str, value: str) -> None:
    """Filter by VALUE of NAME, beside what is chosen; for callbacks."""
    current = list(st.session_state.get(name) or ())
    if value not in current:
        st.session_state[name] = [*current, value]


def only(name: str, value: str) -> None:
    """Filter NAME by just VALUE, or no more where that is so already; for callbacks."""
    st.session_state[name] = [] if list(st.session_state.get(name) or ()) == [value] else [value]


def remove(name: str, value: str) -> None:
    """Take VALUE of NAME out of the filters; for callbacks."""
    st.session_state[name] = [v for v in st.session_state.get(name) or () if v != value]


def clear() -> None:
    """Take all filters away; for callbacks."""
    for name in FILTERS:
        st.session_state[name] = []


def show_all_time() -> None:
    """Choose the longest period; for callbacks."""
    st.session_state["range"] = ALL


def filter_group(by: str, value: str) -> None:
    """Filter by just VALUE, which is a group by BY; for callbacks."""
    if by.startswith("tag:"):
        add("tag", f"{by.removeprefix('tag:')}={value}")
    else:
        st.session_state[by] = [value]


def next_group(by: str) -> str:
    """By what to group calls next that are all of one group by BY: the first kind that is not filtered yet."""
    free = (name for name in DRILL if name != by and not st.session_state.get(name))
    return next(free, DRILL[0])
