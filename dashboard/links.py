"""Links from page to page that keep the period and the filters."""

from typing import Any

import streamlit as st

from .answers import ask
from .scope import FILTERS, Scope

SHARED = ("range", "dates", "compare", *FILTERS)


def to(scope: Scope, path: str, label: str, icon: str, **address: Any) -> None:
    """A link called LABEL to the page at PATH; ADDRESS is what its address has beside the period and the filters."""
    page = scope.pages.get(path)
    if page is not None:
        st.page_link(page, label=label, icon=icon, query_params=kept(**address))


def kept(**address: Any) -> dict[str, Any]:
    """The part of the address that all pages share, and ADDRESS; a name that is None there is left out."""
    shared = {name: st.query_params.get_all(name) for name in SHARED if st.query_params.get_all(name)}
    return {name: value for name, value in {**shared, **address}.items() if value is not None}


def to_trace_of(scope: Scope, span_id: str) -> None:
    """A link to the trace of the call of the span SPAN_ID."""
    found = ask(scope.stamp, "call", {"span_id": span_id})
    if found:
        to(scope, "trace", "Trace", ":material/account_tree:", trace=found[0]["trace_id"], span=span_id)
