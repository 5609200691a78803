"""How are we doing, and what moved: five figures, spend by feature, what changed most, latency and errors."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from llmtrace.pricing import display
from llmtrace.pricing.display import exchange_at

from .. import answers, filters, widgets
from ..cards import overview_cards
from ..changes import Line, describe, lines_of, lumped, top_changes
from ..charts import bars, errors, latency, series
from ..format import (
    calls,
    count,
    marked,
    moment,
    money,
    money_change,
    percent,
    share,
)
from ..groups import OTHERS, Group, coloured
from ..metrics import SPEND
from ..period import bucket_of, is_partial
from ..scope import Scope
from ..widgets import chart, shielded

TOP = 8
BARS = "overview_bars"


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    bucket = bucket_of(scope.period)
    _cards(scope, bucket)
    _other_currency(scope)
    over_time, by_feature = st.columns([3, 2], gap="small")
    with over_time.container(border=True, height="stretch", gap="xsmall"):
        _spend(scope, bucket)
    with by_feature.container(border=True, height="stretch", gap="xsmall"):
        _features(scope)
    if scope.previous is not None:
        with st.container(border=True, gap="xsmall"):
            _changes(scope)
    slow, failed = st.columns(2, gap="small")
    with slow.container(border=True, height="stretch", gap="xsmall"):
        _latency(scope, bucket)
    with failed.container(border=True, height="stretch", gap="xsmall"):
        _errors(scope, bucket)


@shielded
def _cards(scope: Scope, bucket: str) -> None:
    by_time = _whole_buckets(scope, scope.ask("series", bucket=bucket), bucket)
    slow = _whole_buckets(scope, scope.ask("latency_series", bucket=bucket), bucket)
    widgets.cards(overview_cards(scope.totals(), scope.totals_before(), by_time, slow))


@shielded
def _other_currency(scope: Scope) -> None:
    """The spend in the currency that the user's own prices name."""
    total = scope.totals()
    exchange = exchange_at(answers.health(scope.stamp)["price_book"].get("currency"), total["last_call_at"])
    if exchange is not None and total["cost_usd"] is not None:
        st.markdown(marked(f":small[:gray[Spend {display.show(total['cost_usd'], exchange)}]]"))


def _whole_buckets(scope: Scope, rows: Sequence[Any], bucket: str) -> list[Any]:
    """ROWS without the buckets of which the period covers only a part: a trend would seem to fall there."""
    whole = [row for row in rows if not is_partial(row["at"], bucket, scope.period)]
    return whole if len(whole) > 2 else []


@st.fragment(parallel=True)
@shielded
def _spend(scope: Scope, bucket: str) -> None:
    rows = scope.ask("top_series", by="feature", bucket=bucket, top=TOP)
    drawn = series.series_of(rows, SPEND, scope.period, bucket)
    st.subheader("Spend by feature", anchor=False)
    colours = coloured(drawn.groups, scope.known["feature"])
    # As high as the bars beside it, which are its legend too: the same names in the same colours.
    height = max(bars.height_of(len(drawn.groups)), 240)
    chart(series.over_time(drawn, colours, has_legend=False, height=height), series.takeaway(drawn), "overview_spend")


def _lines(scope: Scope) -> list[Line]:
    return lines_of(scope.ask("pairs"), scope.ask_before("pairs"))


@shielded
def _features(scope: Scope) -> None:
    lines = [line for line in _lines(scope) if line.now.calls]
    shown, other = lumped(lines, TOP)
    named = sum(line.key is not None for line in lines)
    said = f"top {TOP} of {named}, click to filter" if other else "click to filter"
    st.subheader(f"By feature :small[:gray[{said}]]", anchor=False)
    colours = coloured([*(Group(line.key) for line in shown), OTHERS], scope.known["feature"])
    drawn = bars.spend_bars(shown, other, colours, has_before=scope.has_before)
    alt = "Spend by feature: " + "; ".join(f"{line.name} {money(line.now.cost)}" for line in shown[:3])
    # In the main script, not in a fragment: a click is to renew the whole page.
    chart(bars.ranked(drawn, "US dollars"), alt, BARS, on_select=_filter_clicked)


def _filter_clicked() -> None:
    for key in widgets.clicked_keys(st.session_state.get(BARS)):
        filters.only("feature", key)


@shielded
def _changes(scope: Scope) -> None:
    previous = scope.previous
    assert previous is not None
    st.subheader("Top changes", anchor=False)
    if not scope.has_before:
        first = scope.stamp.first_call_at
        began = f" on {moment(first)} UTC" if first is not None else ""
        st.markdown(f"Recording began{began}, so {previous.title} cannot be compared with yet.")
        return
    lines = _lines(scope)
    total = sum((line.difference for line in lines), Decimal(0))
    span = f"{moment(previous.start)} to {moment(previous.end)} UTC"
    st.markdown(marked(f":small[{money_change(total)} in all against {previous.title}, {span}]"))
    moved = top_changes(lines)
    st.markdown("\n".join(f"- {describe(line)}" for line in moved) or "Nothing changed.")


@st.fragment(parallel=True)
@shielded
def _latency(scope: Scope, bucket: str) -> None:
    rows = scope.ask("latency_series", bucket=bucket)
    st.subheader("Latency", anchor=False)
    chart(latency.percentiles(rows, scope.period, bucket), latency.takeaway(rows), "overview_latency")


@st.fragment(parallel=True)
@shielded
def _errors(scope: Scope, bucket: str) -> None:
    total = scope.totals()
    failed = total["errors"] or 0
    if not failed:
        st.subheader("Errors", anchor=False)
        st.success(f"{calls(total['calls'])} checked: none failed.", icon=":material/check_circle:")
        return
    rows = scope.ask("series", by="error", bucket=bucket)
    said = f"{count(failed)} of {calls(total['calls'])}, {percent(share(failed, total['calls']))}"
    st.subheader(f"Errors :small[:gray[{said}]]", anchor=False)
    chart(errors.by_type(rows, scope.period, bucket), errors.takeaway(rows), "overview_errors")
