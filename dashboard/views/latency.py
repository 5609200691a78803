"""Is it slow, and for whom: percentiles over time and by group, how they are spread, and the slowest calls."""

from functools import partial
from typing import Any

import streamlit as st

from .. import filters, latency_table, links, listing
from ..charts import histogram, latency, series
from ..explorer import kind_of
from ..format import calls
from ..groups import coloured
from ..metrics import TIMES
from ..period import bucket_of
from ..scope import Scope
from ..theme import SECOND
from ..widgets import chart, shielded

GROUPS = ("feature", "model", "provider", "service", "environment", "user", "tenant", "prompt_version")
TOP = 8
SLOWEST = 10
SERIES_PX = 322  # as high as the distribution with its tabs beside it
COLUMNS = ("feature", "model", "duration_s", "ttft_s", "status", "output_tokens", "attempts", "cost_usd", "service")


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    bucket = bucket_of(scope.period)
    left, right = st.columns([3, 2], gap="small")
    with left.container(border=True, gap="xsmall", height="stretch"):
        _over_time(scope, bucket)
    with right.container(border=True, gap="xsmall", height="stretch"):
        _spread(scope)
    by, metric = _choose()
    with st.container(border=True, gap="xsmall"):
        _groups_over_time(scope, bucket, by, metric)
    with st.container(border=True, gap="small"):
        _groups(scope, by)
    with st.container(border=True, gap="small"):
        _slowest(scope)


@shielded
def _over_time(scope: Scope, bucket: str) -> None:
    rows = scope.ask("latency_series", bucket=bucket)
    st.subheader("Over time", anchor=False)
    figure = latency.percentiles(rows, scope.period, bucket)
    chart(figure.update_layout(height=SERIES_PX), latency.takeaway(rows), "latency_series")


@shielded
def _spread(scope: Scope) -> None:
    total = scope.ask("latency_totals")[0]
    st.subheader("Distribution", anchor=False)
    streamed = total["streamed"] or 0
    whole, first = st.tabs(["Whole call", f"First token ({streamed:,})"], key="spread")
    with whole:
        rows = scope.ask("latency_histogram")
        said = histogram.takeaway(rows, total, "Duration")
        chart(histogram.distribution(rows, total, "duration"), said, "latency_spread")
    with first:
        if not streamed:
            st.markdown(
                "No call here was streamed, so there is no time to a first token: a call that is not streamed has its "
                "tokens all at once."
            )
            return
        rows = scope.ask("latency_histogram", of="ttft_s")
        said = histogram.takeaway(rows, total, "Time to the first token", "ttft")
        chart(histogram.distribution(rows, total, "time to first token", "ttft", SECOND), said, "ttft_spread")


def _choose() -> tuple[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="latency_by"):
        label = st.segmented_control(
            "Show", [metric.label for metric in TIMES], default=TIMES[1].label, required=True, key="time",
            bind="query-params", wrap=False,
        )  # fmt: skip
        by = st.selectbox("Group by", GROUPS, key="group", bind="query-params", width=160)
    return by, latency_table.measured_by(label)


@shielded
def _groups_over_time(scope: Scope, bucket: str, by: str, metric: Any) -> None:
    rows = scope.ask("latency_top_series", by=by, bucket=bucket, top=TOP)
    drawn = series.series_of(rows, metric, scope.period, bucket)
    st.subheader(f"{metric.label} by {kind_of(by)}", anchor=False)
    if all(metric.value(row) is None for row in rows):
        st.markdown("None of these calls was streamed." if metric.sample == "streamed" else "Nothing to show.")
        return
    cut = f"the {TOP} with most calls and the others · " if any(g.is_other for g in drawn.groups) else ""
    st.markdown(f":small[{cut}open circles: fewer than {metric.least} calls, too few to say much]")
    colours = coloured(drawn.groups, scope.known.get(by, ()))
    chart(series.over_time(drawn, colours, height=320), series.takeaway(drawn), "latency_groups")


@shielded
def _groups(scope: Scope, by: str) -> None:
    rows = scope.ask("latency_report", by=by, limit=100)
    lines = latency_table.named(rows, scope.ask("latency_totals")[0])
    thin = f" · {latency_table.THIN} of too few calls to say much" if latency_table.has_thin(lines) else ""
    st.markdown(f":small[{len(rows)} by {kind_of(by)}, most calls first · select a row to look into it{thin}]")
    key = f"latency_{by}_{hash(tuple(scope.filters.items())) & 0xFFFF}"
    st.dataframe(
        latency_table.styled(lines), column_config=latency_table.configured(by), hide_index=True, placeholder="–",
        height="content" if len(lines) <= 16 else 520, row_height=30, key=key,
        on_select=partial(_drill, key, by, [row["key"] for row in rows]), selection_mode="single-row",
        alt=f"Latency, time to first token and tokens per second by {by}; the first row is all calls together",
    )  # fmt: skip


def _drill(key: str, by: str, names: list[str | None]) -> None:
    """Look into the group whose row was selected; the first row is all of them."""
    selected = st.session_state[key]["selection"]["rows"]
    if selected and 0 < selected[0] <= len(names):
        filters.filter_group(by, names[selected[0] - 1] or "")
        st.session_state["group"] = filters.next_group(by)


@shielded
def _slowest(scope: Scope) -> None:
    rows = scope.ask("calls_page", order="duration_s", limit=SLOWEST)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Slowest calls :small[:gray[of {calls(scope.totals()['calls'])}]]", anchor=False, width="content")
        links.to(scope, "calls", "All, slowest first", ":material/list_alt:", sort="slowest")
    links.calls_table(rows, "slowest", "The slowest calls", listing.chosen(COLUMNS), sort="slowest")
