"""How long calls took over time: percentiles of duration and of the time to the first token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from .. import theme
from ..format import calls, seconds
from ..period import Period, grid, is_partial
from . import frame


@dataclass(frozen=True, slots=True)
class Line:
    """A percentile: its column, name and look."""

    column: str
    name: str
    colour: str
    dash: str
    width: float


LINES: tuple[Line, ...] = (
    Line("latency_p99_s", "p99", theme.ACCENT, "dot", 1.5),
    Line("latency_p95_s", "p95", theme.ACCENT, "solid", 2.5),
    Line("latency_p50_s", "p50", theme.ACCENT, "dash", 1.5),
    Line("ttft_p95_s", "TTFT p95", theme.SECOND, "solid", 2),
    Line("ttft_p50_s", "TTFT p50", theme.SECOND, "dash", 1.5),
)


def percentiles(rows: Sequence[Mapping[str, Any]], period: Period, bucket: str) -> go.Figure:
    """The answer ROWS of `latency_series`; a bucket without calls, or in which nothing was streamed, is a gap."""
    starts = grid(period, bucket)
    found = {row["at"]: row for row in rows}
    figure = frame.base("seconds")
    for line in LINES:
        values = [found[at][line.column] if at in found else None for at in starts]
        if any(value is not None for value in values):
            figure.add_scatter(
                x=starts,
                y=values,
                name=line.name,
                mode="lines+markers",
                connectgaps=False,
                line={"color": line.colour, "dash": line.dash, "width": line.width},
                marker={"size": 4},
                hovertext=[_text(line, at, found.get(at), bucket, period) for at in starts],
                hoverinfo="text",
            )
    frame.time_axis(figure, starts, bucket)
    figure.update_layout(showlegend=True)
    return figure


def _text(line: Line, at: datetime, row: Mapping[str, Any] | None, bucket: str, period: Period) -> str:
    when = frame.stamp(at, bucket, is_partial=is_partial(at, bucket, period))
    if row is None:
        return when
    return f"{line.name} {seconds(row[line.column])}<br>{when}<br>{calls(row['calls'])}"


def takeaway(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the chart of ROWS shows, in a sentence."""
    known = [row for row in rows if row["latency_p95_s"] is not None]
    if not known:
        return "Latency: no calls."
    worst = max(known, key=lambda row: row["latency_p95_s"])
    streamed = any(row["ttft_p50_s"] is not None for row in rows)
    return (
        f"Latency percentiles over time; the 95th percentile is highest at {worst['at']:%Y-%m-%d %H:%M} UTC with "
        f"{seconds(worst['latency_p95_s'])}. "
        + ("" if streamed else "No call was streamed, so there is no time to first token.")
    ).strip()
