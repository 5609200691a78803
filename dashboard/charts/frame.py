"""What all charts share: axes with units, quiet lines, room for a narrow screen."""

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

GRID = "rgba(128,138,156,0.22)"
HEIGHT = 270
CUT_LOOK = {"opacity": 0.55, "pattern": {"shape": "/", "size": 5, "solidity": 0.3}}
X_TITLES = {"hour": "hour (UTC)", "day": "day (UTC)", "week": "week from Monday (UTC)"}


def base(y_title: str, height: int = HEIGHT) -> go.Figure:
    """An empty figure whose y axis is called Y_TITLE."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        hoverlabel={"align": "left", "namelength": -1},
        dragmode=False,
        bargap=0.18,
        barcornerradius=2,
        uirevision="kept",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "xanchor": "left", "x": 0, "title": None},
    )
    figure.update_yaxes(
        title={"text": y_title, "standoff": 6}, rangemode="tozero", gridcolor=GRID, zeroline=False, automargin=True
    )
    return figure


def time_axis(figure: go.Figure, starts: Sequence[datetime], bucket: str) -> None:
    """Give FIGURE an x axis of time in buckets that begin at STARTS."""
    figure.update_xaxes(
        type="date",
        title={"text": X_TITLES[bucket], "standoff": 6},
        showgrid=False,
        automargin=True,
        nticks=min(max(len(starts), 2), 8),
        tickformat="%H:%M<br>%-d %b" if bucket == "hour" else "%-d %b",
        tickangle=0,
        fixedrange=True,
    )
    if len(starts) <= 8:
        figure.update_xaxes(tickmode="array", tickvals=list(starts))
    figure.update_yaxes(fixedrange=True)


def stamp(at: datetime, bucket: str, *, is_partial: bool = False) -> str:
    """The bucket that begins AT, in words."""
    day = f"{at:%a} {at.day} {at:%b}"
    said = {"hour": f"{day} {at:%H:%M}", "day": day, "week": f"week of {day}"}[bucket]
    return f"{said} (part of it)" if is_partial else said


def add_bars(
    figure: go.Figure,
    name: str,
    colour: str,
    starts: Sequence[datetime],
    values: Sequence[float],
    texts: Sequence[str],
    partial: Sequence[bool],
) -> None:
    """Add bars to FIGURE; those of buckets of which only a part is covered (PARTIAL) are paler and hatched.

    These are a trace of their own, because a legend shows the look of a trace's first bar.
    """
    for is_cut in (False, True):
        places = [i for i, flag in enumerate(partial) if flag == is_cut]
        if not places:
            continue
        figure.add_bar(
            x=[starts[i] for i in places],
            y=[values[i] for i in places],
            name=name,
            legendgroup=name,
            showlegend=not is_cut or all(partial),
            marker={"color": colour, **(CUT_LOOK if is_cut else {})},
            hovertext=[texts[i] for i in places],
            hoverinfo="text",
            textposition="none",
        )
