"""A metric over time by group: stacked bars for what adds up, lines for what does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from ..format import calls, chart_text, percent, share
from ..groups import Group, group_of, ordered
from ..metrics import Metric
from ..period import Period, grid, is_partial
from . import frame

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Series:
    """Rows by group and bucket, on the whole grid of a period; a bucket without calls has no row."""

    metric: Metric
    bucket: str
    starts: list[datetime]
    partial: list[bool]
    groups: list[Group]
    rows: dict[tuple[Group, datetime], Mapping[str, Any]]

    def value(self, group: Group, at: datetime) -> float | None:
        """The metric of GROUP in the bucket that begins AT: 0 for a sum over no calls, None for what is not known."""
        row = self.rows.get((group, at))
        if row is None:
            return 0.0 if self.metric.is_sum else None
        value = self.metric.value(row)
        return None if value is None else float(value)

    def total(self, at: datetime) -> float:
        """The sum over all groups in the bucket that begins AT."""
        return sum(self.value(group, at) or 0.0 for group in self.groups)


def series_of(rows: Rows, metric: Metric, period: Period, bucket: str) -> Series:
    """The answer ROWS of `top_series` on the grid of PERIOD."""
    starts = grid(period, bucket)
    by_place = {(group_of(row), row["at"]): row for row in rows}
    partial = [is_partial(at, bucket, period) for at in starts]
    return Series(metric, bucket, starts, partial, ordered(rows, metric), by_place)


def over_time(
    series: Series, colours: Mapping[Group, str], *, is_cumulative: bool = False, has_legend: bool = True,
    height: int = frame.HEIGHT,
) -> go.Figure:  # fmt: skip
    """SERIES as stacked bars, or as lines where the metric is no sum."""
    title = series.metric.axis.format("period so far" if is_cumulative else series.bucket)
    figure = frame.base(title, height)
    add = _bars if series.metric.is_sum else _lines
    for group in series.groups:
        add(figure, series, group, colours[group], is_cumulative)
    figure.update_layout(barmode="stack", showlegend=has_legend and len(series.groups) > 1)
    if series.metric.is_money:
        figure.update_yaxes(tickprefix="$")
    frame.time_axis(figure, series.starts, series.bucket)
    return figure


def _bars(figure: go.Figure, series: Series, group: Group, colour: str, is_cumulative: bool) -> None:
    values = [series.value(group, at) or 0.0 for at in series.starts]
    totals = [series.total(at) for at in series.starts]
    if is_cumulative:
        values, totals = _running(values), _running(totals)
    texts = _bar_texts(series, group, values, totals, is_cumulative)
    frame.add_bars(figure, chart_text(group.name, 28), colour, series.starts, values, texts, series.partial)


def _bar_texts(
    series: Series, group: Group, values: list[float], totals: list[float], is_cumulative: bool
) -> list[str]:
    texts = []
    for at, is_cut, value, total in zip(series.starts, series.partial, values, totals, strict=True):
        row = series.rows.get((group, at))
        shown = series.metric.text(_exact(value)) if row is None or is_cumulative else series.metric.show(row)
        when = ("up to " if is_cumulative else "") + frame.stamp(at, series.bucket, is_partial=is_cut)
        whole = series.metric.text(_exact(total))
        texts.append(f"{chart_text(group.name)}<br>{when}<br>{shown} · {percent(share(value, total))} of {whole}")
    return texts


def _exact(value: float) -> Any:
    return int(value) if value == int(value) else value


def _running(values: list[float]) -> list[float]:
    sums, so_far = [], 0.0
    for value in values:
        so_far += value
        sums.append(so_far)
    return sums


def _lines(figure: go.Figure, series: Series, group: Group, colour: str, _is_cumulative: bool) -> None:
    rows = [series.rows.get((group, at)) for at in series.starts]
    texts = []
    for at, is_cut, row in zip(series.starts, series.partial, rows, strict=True):
        shown = series.metric.text(None) if row is None else f"{series.metric.show(row)}{_sample(series.metric, row)}"
        texts.append(f"{chart_text(group.name)}<br>{frame.stamp(at, series.bucket, is_partial=is_cut)}<br>{shown}")
    thin = [row is not None and series.metric.is_thin(row) for row in rows]
    figure.add_scatter(
        x=series.starts,
        y=[series.value(group, at) for at in series.starts],
        name=chart_text(group.name, 28),
        mode="lines+markers",
        connectgaps=False,
        line={"color": colour, "width": 2},
        marker={
            "size": 6 if any(thin) else 5,
            "symbol": ["circle-open" if flag else "circle" for flag in thin],
            "opacity": [0.45 if flag else 1.0 for flag in series.partial],
        },
        hovertext=texts,
        hoverinfo="text",
    )


def _sample(metric: Metric, row: Mapping[str, Any]) -> str:
    """Of how many calls the value of ROW is, where that decides what it is worth."""
    if not metric.least:
        return ""
    return f" of {calls(row[metric.sample] or 0)}" + (": too few to say much" if metric.is_thin(row) else "")


def takeaway(series: Series) -> str:
    """What SERIES shows, in a sentence for those who do not see it."""
    if not series.groups:
        return f"{series.metric.label}: nothing to show."
    first, last = (frame.stamp(at, series.bucket) for at in (series.starts[0], series.starts[-1]))
    said = f"{series.metric.label} per {series.bucket} from {first} to {last}."
    if not series.metric.is_sum:
        return said
    sums = {g: sum(series.value(g, at) or 0.0 for at in series.starts) for g in series.groups}
    largest = max(sums, key=lambda g: sums[g])
    peak = max(series.starts, key=series.total)
    text = series.metric.text
    return (
        f"{said} Total {text(_exact(sum(sums.values())))}, largest {largest.name} with {text(_exact(sums[largest]))}; "
        f"the highest {series.bucket} is {frame.stamp(peak, series.bucket)} with {text(_exact(series.total(peak)))}."
    )
