"""Who spent what: any figure by any group over time, and the table behind it to sort, drill into and take away."""

from functools import partial
from typing import Any

import streamlit as st

from .. import filters, table
from ..charts import series
from ..explorer import TOPS, Choice, choose, kind_of
from ..format import arrow, change, marked, signed_percent
from ..groups import Group, coloured
from ..metrics import SPEND, Metric
from ..period import bucket_of, is_partial
from ..scope import Scope
from ..widgets import chart, fixes, shielded

MOST_SERIES = 8  # in the chart: more colours cannot be told apart
RANKS = {"cost_usd": "spend", "calls": "calls", "input_tokens": "input tokens", "output_tokens": "output tokens"}
UNPRICED = ("unpriced", "invalid_usage")


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    choice = choose(scope)
    with st.container(border=True, gap="xsmall"):
        _explorer(scope, choice)
    with st.container(border=True, gap="small"):
        _table(scope, choice)
    fixes(scope)


@shielded
def _explorer(scope: Scope, choice: Choice) -> None:
    metric = choice.metric
    most = min(choice.top, MOST_SERIES)
    rows = scope.ask("top_series", by=choice.by, bucket=choice.bucket, top=most, rank=metric.rank)
    drawn = series.series_of(rows, metric, scope.period, choice.bucket)
    st.subheader(f"{marked(metric.label)} by {kind_of(choice.by)}", anchor=False)
    cut = f" · drawn: the largest {most} and the others" if any(g.is_other for g in drawn.groups) else ""
    st.markdown(marked(_headline(scope, metric) + cut))
    colours = coloured(drawn.groups, scope.known.get(choice.by, ()))
    figure = series.over_time(drawn, colours, is_cumulative=choice.is_cumulative, height=370)
    chart(figure, series.takeaway(drawn), "cost_series")


def _headline(scope: Scope, metric: Metric) -> str:
    """The metric over the whole period, and how it changed."""
    now, before = scope.totals(), scope.totals_before()
    said = f"**{metric.show(now)}** in {scope.period.title}"
    if before is None or scope.previous is None:
        return said
    moved = change(metric.value(now), metric.value(before))
    by = f"{arrow(moved)} {signed_percent(moved)}, " if moved is not None else ""
    return f"{said} · {by}was {metric.show(before)} in {scope.previous.title}"


@shielded
def _table(scope: Scope, choice: Choice) -> None:
    entries = _entries(scope, choice)
    others = next((e for e in entries if e.group is not None and e.group.is_other), None)
    named = sum(e.group is not None and e.group.key is not None for e in entries)
    all_of_them = named + (others.row["groups"] if others is not None else 0)
    said = f"top {named} of {all_of_them:,} by {RANKS[choice.metric.rank]}" if others is not None else f"all {named}"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":small[{said} · select a row to look into it]", width="content")
        name = f"llmtrace-{choice.by.replace(':', '-')}-{scope.period.start:%Y%m%d}-{scope.period.end:%Y%m%d}.csv"
        st.download_button(
            "Download CSV", partial(table.csv_text, entries, choice.by), name, "text/csv",
            icon=":material/download:", on_click="ignore", key="csv",
        )  # fmt: skip
    key = f"table_{choice.by}_{hash(tuple(scope.filters.items())) & 0xFFFF}"
    st.dataframe(
        table.styled(entries),
        column_config=_columns(choice),
        hide_index=True,
        height="content",
        placeholder="–",
        key=key,
        on_select=partial(_drill, key, choice, [(e.kind, e.group) for e in entries]),
        selection_mode="single-row",
        alt=f"Spend, calls, tokens, errors and latency by {choice.by}; the first row is the total",
    )


def _entries(scope: Scope, choice: Choice) -> list[table.Entry]:
    parameters: dict[str, Any] = {"by": choice.by, "top": choice.top, "rank": choice.metric.rank}
    rows = scope.ask("top_report", **parameters)
    total, total_before = scope.totals(), scope.totals_before()
    unpriced = scope.ask("totals", cost_status=UNPRICED)[0] if total["unpriced_calls"] else None
    before = table.before_of(scope.ask_before("report", by=choice.by), rows, total_before)
    return table.entries_of(rows, total, unpriced, before, total_before, _trends(scope, choice, parameters))


def _trends(scope: Scope, choice: Choice, parameters: dict[str, Any]) -> dict[Group, list[float]]:
    """The metric of each group over time, in buckets that the period covers wholly."""
    metric = choice.metric if choice.metric.is_sum else SPEND
    bucket = bucket_of(scope.period)
    drawn = series.series_of(scope.ask("top_series", bucket=bucket, **parameters), metric, scope.period, bucket)
    whole = [at for at in drawn.starts if not is_partial(at, bucket, scope.period)]
    return {group: [drawn.value(group, at) or 0.0 for at in whole] for group in drawn.groups}


def _columns(choice: Choice) -> dict[str, Any]:
    columns: dict[str, Any] = {
        table.NAME: st.column_config.TextColumn(
            choice.by.replace("_", " "), width=table.WIDTHS[table.NAME], pinned=True
        ),
        table.TREND: st.column_config.LineChartColumn("Trend", width=table.WIDTHS[table.TREND], y_min=0),
    }
    for column in table.COLUMNS:
        width = table.WIDTHS[column.name]
        columns[column.name] = st.column_config.NumberColumn(column.label, width=width, help=marked(column.help))
    return columns


def _drill(key: str, choice: Choice, targets: list[tuple[str, Group | None]]) -> None:
    """Look into the row that was selected: filter by it, and group by something else."""
    selected = st.session_state[key]["selection"]["rows"]
    if not selected or selected[0] >= len(targets):
        return
    kind, group = targets[selected[0]]
    if kind == table.UNPRICED:
        st.session_state["cost_status"] = list(UNPRICED)
        st.session_state["group"] = "model"
    elif group is not None and group.is_other:
        st.session_state["top"] = next((top for top in TOPS if top > choice.top), TOPS[-1])
    elif group is not None:
        filters.filter_group(choice.by, group.key or "")
        st.session_state["group"] = filters.next_group(choice.by)
