"""Parts that pages are made of: cards of figures, charts, and what stands there when there is nothing to show."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec

import plotly.graph_objects as go
import streamlit as st

from . import answers, filters, theme
from .cards import Card
from .format import UNTAGGED, calls, code, marked, moment, money, percent, share
from .scope import FILTERS, Scope

P = ParamSpec("P")
Colour = Literal["red", "green", "gray"]

PYTHON = """import llmtrace

llmtrace.instrument("my-app")  # before or after the SDKs are imported

with llmtrace.feature("summarize"):
    client.chat.completions.create(...)  # OpenAI, Anthropic: as before
"""
TAGGING = """with llmtrace.feature("summarize", user="u1", tenant="acme"):
    client.chat.completions.create(...)

@llmtrace.feature("classify-ticket")
def classify(ticket): ...
"""
COMMAND = "llmtrace run --feature summarize -- python my_app.py"
DEMO = "llmtrace demo"


def cards(shown: Sequence[Card]) -> None:
    """CARDS in a row that wraps."""
    with st.grid(len(shown), min_column_width=168, gap="small"):
        for card in shown:
            _card(card)


def _card(card: Card) -> None:
    moves = card.change is not None and not card.is_flat
    is_up = moves and (card.change or 0) > 0
    colour: Colour = "gray"
    if moves and card.is_bad_up is not None:
        colour = "red" if is_up == card.is_bad_up else "green"
    st.metric(
        card.label,
        card.value,
        card.delta,
        delta_color=colour,
        delta_arrow=("up" if is_up else "down") if moves else "off",
        delta_description=card.was or None,
        chart_data=[*card.trend] if len(card.trend) > 1 else None,
        chart_type="line",
        border=True,
        height="stretch",
        help=marked(f"{card.help} {card.was.capitalize()} in the period before." if card.was else card.help),
    )


def figures(cells: Sequence[tuple[str, str]], least_px: int = 118) -> None:
    """CELLS, pairs of a name and a text of ours, in a row that wraps where they are narrower than LEAST_PX."""
    with st.grid(len(cells), min_column_width=least_px, gap="small"):
        for name, text in cells:
            st.markdown(f":small[:gray[{name}]]  \n**{marked(text)}**")


def chart(figure: go.Figure, alt: str, key: str, on_select: Callable[[], None] | None = None) -> None:
    """FIGURE across its container; ALT says in a sentence what it shows. ON_SELECT is called on a click."""
    if on_select is None:
        st.plotly_chart(figure, key=key, config=theme.CHART_CONFIG, alt=alt)
    else:
        st.plotly_chart(
            figure, key=key, config=theme.CHART_CONFIG, alt=alt, on_select=on_select, selection_mode="points"
        )


def shielded(draw: Callable[P, None]) -> Callable[P, None]:
    """DRAW, with a failure of the store shown in its place, so that the rest of the page stands."""

    @wraps(draw)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except answers.FAILURES as err:
            st.warning(f"This part could not be read: {code(str(err), 300)}", icon=":material/error:")

    return run


def failed(err: Exception) -> None:
    """The page when the store does not answer: why, since when, and what to do."""
    stamp = answers.last_stamp()
    when = (
        f"Last data: **{stamp.at:%Y-%m-%d %H:%M:%S} UTC**, {calls(stamp.calls)}." if stamp else "No data was read yet."
    )
    with st.container(border=True):
        st.subheader("The store does not answer", icon=":material/cloud_off:")
        st.markdown(code(str(err), 400))
        st.markdown(when)
        st.markdown("Applications still record their calls; they show up here later. This page tries again by itself.")
        st.markdown("To find out more, or to have another process take over:")
        st.code("llmtrace doctor\nllmtrace dashboard", language="bash")
        st.button("Try again", key="retry", type="primary")


def start_screen() -> None:
    """The page while no call was ever recorded: how to record the first."""
    with st.container(border=True):
        st.subheader("No calls yet", icon=":material/rocket_launch:")
        st.markdown("This page fills as soon as an application makes its first call; it looks every few seconds.")
        python, command, demo = st.tabs(["Python", "Without code", "Demo data"])
        with python:
            st.code(PYTHON, language="python")
        with command:
            st.code(COMMAND, language="bash")
        with demo:
            st.markdown("A month of made-up traffic in a store of its own:")
            st.code(DEMO, language="bash")
        st.markdown(":small[Nothing leaves this machine. Prompts and answers are not stored unless you turn that on.]")


def no_match(scope: Scope) -> None:
    """The page when nothing matches: which filters did that, and a click that undoes it."""
    stamp = scope.stamp
    with st.container(border=True):
        st.subheader("No calls match", icon=":material/search_off:")
        named = [
            f"{FILTERS[name]} {' or '.join(code(v or UNTAGGED, 40) for v in values)}"
            for name, values in scope.filters.items()
        ]
        which = f" with {' and '.join(named)}" if named else ""
        st.markdown(f"There are no calls in {scope.period.title}{which}.")
        if stamp.first_call_at and stamp.last_call_at:
            span = f"{moment(stamp.first_call_at)} to {moment(stamp.last_call_at)} UTC"
            st.markdown(f"In all there are {calls(stamp.calls)}, from {span}.")
        with st.container(horizontal=True):
            if named:
                st.button("Clear the filters", key="no_match_clear", on_click=filters.clear, type="primary")
            st.button("Show all time", key="no_match_all", on_click=filters.show_all_time)


def clicked_keys(event: Any) -> list[str]:
    """The keys of the bars that the state EVENT of a chart has as selected."""
    points = event["selection"]["points"] if event else []
    found = [point.get("customdata") for point in points]
    return [value[0] if isinstance(value, list) else value for value in found if value is not None]


def fixes(scope: Scope) -> None:
    """How many calls are in nobody's account or have no price, and what to do about it."""
    total = scope.totals()
    untagged, unpriced = total["untagged_calls"] or 0, total["unpriced_calls"] or 0
    left, right = st.columns(2, gap="small")
    with left.container(border=True, gap="xsmall", height="stretch"):
        part = percent(share(untagged, total["calls"]))
        st.markdown(f"**{UNTAGGED}** · {calls(untagged)} · {part} · {marked(money(total['untagged_cost_usd']))}")
        if not untagged:
            st.markdown(":small[Every call has a feature.]")
        else:
            with st.popover("Give them a feature", type="tertiary", icon=":material/label:"):
                st.markdown("Say which feature a call is for, around it or as a decorator:")
                st.code(TAGGING, language="python")
                st.markdown("For a whole process, set `LLMTRACE_FEATURE`.")
    with right.container(border=True, gap="xsmall", height="stretch"):
        st.markdown(f"**(unpriced)** · {calls(unpriced)} · {percent(share(unpriced, total['calls']))} · spend unknown")
        if not unpriced:
            st.markdown(":small[Every call has a price.]")
        else:
            _price_fix(scope)


def _price_fix(scope: Scope) -> None:
    rows = scope.ask("report", by="model", cost_status=("unpriced", "invalid_usage"))
    names = ", ".join(f"{code(row['key'] or '(no model)', 40)} ({row['calls']:,})" for row in rows[:5])
    st.markdown(f":small[Their cost is missing from every sum here, which is then written with ≥.] {names}")
    with st.popover("See why", type="tertiary", icon=":material/sell:"):
        st.markdown("See why one call has none, and which prices are known of a model:")
        st.code("llmtrace explain SPAN_ID\nllmtrace prices show MODEL", language="bash")
        st.markdown("Write the model's rates, or whose prices a deployment has, into `prices.yaml`, and price it anew:")
        st.code("llmtrace prices check prices.yaml\nllmtrace reprice --since 30d --dry-run", language="bash")
