"""Keeps an open page current: a small part of it looks at the store every few seconds, and has the rest follow."""

from typing import Any

import streamlit as st

from . import answers
from .format import calls, marked, money, percent, share
from .scope import Scope

EVERY_S = 4
# A page whose answers took a second is renewed every eight at most: a large store is not to be kept busy by looking.
REST = 8
_FIRST = "pulse_is_first"

_LOST_HTML = '<div class="lost" role="alert" popover="manual"></div>'
_LOST_CSS = """
.lost { position: fixed; inset: 0 0 auto 0; width: auto; margin: 0; border: 0; padding: 12px 18px;
  font: 14px/1.5 var(--st-font); color: #fff; background: #9b1c13; white-space: pre-line; }
"""
# The page's own server is gone: nobody but the browser can say so. As a popover, it stands above whatever else opens.
_LOST_JS = """
export default function ({ data, parentElement }) {
  const banner = parentElement.querySelector(".lost")
  banner.textContent = data.message
  const check = () => {
    const app = document.querySelector("[data-testid=stApp]")
    const isUp = !app || app.dataset.testConnectionState === "CONNECTED"
    parentElement.lostAt = isUp ? null : parentElement.lostAt ?? Date.now()
    const isLost = !isUp && Date.now() - parentElement.lostAt > 1500
    if (isLost !== banner.matches(":popover-open")) banner.togglePopover(isLost)
  }
  clearInterval(parentElement.lostTimer)
  parentElement.lostTimer = setInterval(check, 500)
  return () => clearInterval(parentElement.lostTimer)
}
"""


@st.cache_resource
def _lost_component() -> Any:
    return st.components.v2.component("llmtrace_lost", html=_LOST_HTML, css=_LOST_CSS, js=_LOST_JS)


def _watch_connection() -> None:
    """Have the browser say so when this server is gone."""
    stamp = answers.last_stamp()
    when = f"The figures below are as of {stamp.at:%H:%M:%S} UTC. " if stamp is not None else ""
    again = "Start it again with: llmtrace dashboard (this page then goes on by itself)"
    message = f"Connection lost: the dashboard's process does not answer.\n{when}{again}"
    _lost_component()(data={"message": message}, key="lost")


def follow(scope: Scope) -> None:
    """The line that says what the figures are about, and the watch that renews the page when they change."""
    st.session_state[_FIRST] = True
    _follow(scope)


@st.fragment(run_every=EVERY_S)
def _follow(scope: Scope) -> None:
    stamp = scope.stamp if st.session_state.pop(_FIRST, False) else _look_again(scope)
    with st.container(gap=None):
        st.markdown(_as_of(scope, stamp))
        _watch_connection()


def _look_again(scope: Scope) -> answers.Stamp:
    """The state of the store, while it is still that of SCOPE; else the page is renewed."""
    try:
        stamp = answers.look()
    except answers.FAILURES:
        st.rerun()
    if stamp.key == scope.stamp.key:
        return stamp
    age_s = (stamp.at - scope.stamp.at).total_seconds()
    if age_s >= REST * answers.spent_s(scope.stamp):
        st.rerun()
    return scope.stamp


def _as_of(scope: Scope, stamp: answers.Stamp) -> str:
    """When and what the figures are, and how far they can be trusted."""
    total = scope.totals()
    number, untagged = total["calls"], total["untagged_calls"] or 0
    parts = [f"as of **{stamp.at:%H:%M:%S} UTC**", f"{calls(number)} in {scope.period.title}"]
    worth = f" ({money(total['untagged_cost_usd'])})" if untagged else ""
    parts.append(f"{percent(share(untagged, number))} untagged{worth}")
    parts.append(f"{percent(share(total['unpriced_calls'] or 0, number))} unpriced")
    parts.append(f"{percent(share(total['estimated_calls'] or 0, number))} estimated")
    return f":small[{marked(' · '.join([*parts, 'estimates, not invoices']))}]"


def wait(seen: str) -> None:
    """Renew the page as soon as the store is in another state than SEEN: a stamp's key, or a failure's text."""
    st.session_state[_FIRST] = True
    _wait(seen)


@st.fragment(run_every=EVERY_S)
def _wait(seen: str) -> None:
    _watch_connection()
    if st.session_state.pop(_FIRST, False):
        return
    try:
        state = answers.look().key
    except answers.FAILURES as err:
        state = str(err)
    if state != seen:
        st.rerun()
