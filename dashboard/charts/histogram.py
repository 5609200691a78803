"""How long calls took, as a distribution: bars on an axis of time that grows by factors, with the percentiles on it."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go

from .. import theme
from ..format import calls, percent, seconds, share
from . import frame

BINS_PER_DECADE = 10
MOST_BINS = 60
MARKS = ((50, "dash"), (95, "solid"), (99, "dot"))
TICKS = (0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)


def bin_start_s(place: int) -> float:
    """Where the bin PLACE of `latency_histogram` begins, in seconds."""
    return float(10 ** (place / BINS_PER_DECADE))


def distribution(
    rows: Sequence[Mapping[str, Any]], marks: Mapping[str, Any], name: str, prefix: str = "latency",
    colour: str = theme.ACCENT,
) -> go.Figure:  # fmt: skip
    """The answer ROWS of `latency_histogram` of what is called NAME; MARKS holds its percentiles below PREFIX."""
    found = {row["bin"]: row["calls"] for row in rows}
    places = _places(found)
    total = sum(found.values())
    figure = frame.base("calls")
    texts = [
        f"{seconds(bin_start_s(p))} to {seconds(bin_start_s(p + 1))}<br>{calls(found.get(p, 0))} "
        f"({percent(share(found.get(p, 0), total))})"
        for p in places
    ]
    # Places are numbers of bins, so that all bars are equally wide.
    figure.add_bar(
        x=[p + 0.5 for p in places], y=[found.get(p, 0) for p in places], marker={"color": colour, "opacity": 0.85},
        hovertext=texts, hoverinfo="text", showlegend=False, name=name,
    )  # fmt: skip
    for which, dash in MARKS:
        value = marks.get(f"{prefix}_p{which}_s")
        if value:
            figure.add_vline(
                x=_place_of(value), line={"dash": dash, "width": 1.5, "color": theme.SECOND},
                annotation={"text": f"p{which}", "font": {"size": 11, "color": theme.SECOND}},
            )  # fmt: skip
    shown = [tick for tick in TICKS if places and places[0] <= _place_of(tick) <= places[-1] + 1]
    figure.update_xaxes(
        title={"text": f"{name} (growing by factors)", "standoff": 6},
        tickmode="array",
        tickvals=[_place_of(tick) for tick in shown],
        ticktext=[f"{tick * 1000:.0f} ms" if tick < 1 else f"{tick:g} s" for tick in shown],
        tickangle=0,
        showgrid=False,
        fixedrange=True,
    )
    figure.update_yaxes(fixedrange=True, nticks=5)
    figure.update_layout(bargap=0.06, margin={"t": 22})
    return figure


def _places(found: Mapping[int, int]) -> list[int]:
    """Every bin from the first to the last: those without calls are part of the picture."""
    if not found:
        return []
    first, last = min(found), max(found)
    return list(range(max(first, last - MOST_BINS + 1), last + 1))


def _place_of(value_s: float) -> float:
    return log10(value_s) * BINS_PER_DECADE


def takeaway(rows: Sequence[Mapping[str, Any]], marks: Mapping[str, Any], name: str, prefix: str = "latency") -> str:
    """What the chart of ROWS shows, in a sentence."""
    total = sum(row["calls"] for row in rows)
    if not total:
        return f"{name}: no call to show."
    most = max(rows, key=lambda row: row["calls"])
    return (
        f"{name} of {calls(total)}: most often {seconds(bin_start_s(most['bin']))} to "
        f"{seconds(bin_start_s(most['bin'] + 1))}; half took up to {seconds(marks.get(f'{prefix}_p50_s'))}, "
        f"95 of 100 up to {seconds(marks.get(f'{prefix}_p95_s'))}."
    )
