"""What share of the calls failed and was cancelled over time, and how long calls waited to be tried again."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from .. import theme
from ..format import calls, duration, percent, share
from ..period import Period, grid, is_partial
from . import frame

# Column, name, colour, dash.
LINES = (("errors", "failed", theme.ALARM[0], "solid"), ("cancelled", "cancelled", theme.OTHER_COLOUR, "dot"))


def rates(rows: Sequence[Mapping[str, Any]], period: Period, bucket: str) -> go.Figure:
    """The answer ROWS of `outcomes` as shares; a bucket without calls is a gap."""
    starts = grid(period, bucket)
    found = {row["at"]: row for row in rows}
    figure = frame.base("share of calls")
    for column, name, colour, dash in LINES:
        if not any(row[column] for row in rows) and column != "errors":
            continue
        texts = [_rate_text(name, column, at, found.get(at), bucket, period) for at in starts]
        figure.add_scatter(
            x=starts, y=[share(found[at][column], found[at]["calls"]) if at in found else None for at in starts],
            name=name, mode="lines+markers", connectgaps=False, marker={"size": 5},
            line={"color": colour, "dash": dash, "width": 2}, hovertext=texts, hoverinfo="text",
        )  # fmt: skip
    figure.update_yaxes(tickformat=".1~%", nticks=5)
    frame.time_axis(figure, starts, bucket)
    figure.update_layout(showlegend=True)
    return figure


def _rate_text(name: str, column: str, at: Any, row: Mapping[str, Any] | None, bucket: str, period: Period) -> str:
    when = frame.stamp(at, bucket, is_partial=is_partial(at, bucket, period))
    if row is None:
        return when
    part = percent(share(row[column], row["calls"]))
    return f"{part} {name}<br>{when}<br>{row[column]:,} of {calls(row['calls'])}"


def waits(rows: Sequence[Mapping[str, Any]], period: Period, bucket: str) -> go.Figure:
    """The answer ROWS of `outcomes`: calls that were tried again, with how long they waited for that."""
    starts = grid(period, bucket)
    partial = [is_partial(at, bucket, period) for at in starts]
    found = {row["at"]: row for row in rows}
    figure = frame.base(f"calls tried again per {bucket}")
    values = [found[at]["retried"] or 0 if at in found else 0 for at in starts]
    texts = [
        f"{calls(value)} tried again<br>{frame.stamp(at, bucket, is_partial=cut)}<br>"
        f"waited {duration(found[at]['retry_wait_s'] if at in found else None)} in all"
        for at, value, cut in zip(starts, values, partial, strict=True)
    ]
    frame.add_bars(figure, "tried again", theme.ALARM[1], starts, values, texts, partial)
    figure.update_layout(showlegend=False)
    figure.update_yaxes(tickformat=",d", nticks=5, dtick=1 if max(values, default=0) <= 4 else None)
    frame.time_axis(figure, starts, bucket)
    return figure


def rates_takeaway(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the chart of shares shows, in a sentence."""
    total = sum(row["calls"] for row in rows)
    failed, cancelled = (sum(row[column] or 0 for row in rows) for column in ("errors", "cancelled"))
    if not total:
        return "Share of failed calls over time: no calls."
    worst = max(rows, key=lambda row: share(row["errors"], row["calls"]) or 0)
    most = percent(share(worst["errors"], worst["calls"]))
    return (
        f"Share of failed calls over time: {percent(share(failed, total))} in all, {percent(share(cancelled, total))} "
        f"cancelled; highest at {worst['at']:%Y-%m-%d %H:%M} UTC with {most}."
    )


def waits_takeaway(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the chart of retries shows, in a sentence."""
    retried = sum(row["retried"] or 0 for row in rows)
    waited_s = sum(row["retry_wait_s"] or 0.0 for row in rows)
    return f"Calls tried again over time: {retried:,} in all, which waited {duration(waited_s)} for it."
