"""Horizontal bars: one for each group, with its value and how it changed, to click on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ..changes import Line
from ..format import arrow, calls, change, chart_text, known_cost, money, signed_percent
from ..groups import OTHERS, Group
from . import frame

ROW_PX = 29
MARGIN_PX = 54
ROOM = 1.55  # of the longest bar: the texts stand beside the bars


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: what it stands for (`key`, given back on a click), its name, length, colour, and its texts."""

    key: str | None
    name: str
    value: float
    colour: str
    text: str
    hover: str


def height_of(count: int) -> int:
    """How high a chart of COUNT bars is, in pixels."""
    return MARGIN_PX + ROW_PX * max(count, 2)


def ranked(bars: Sequence[Bar], unit: str, name_length: int = 20) -> go.Figure:
    """BARS from the top down, in the given order; UNIT is the title of the axis."""
    figure = frame.base("", height_of(len(bars)))
    # Positions are numbers: two long names that are shortened alike must stay two bars.
    places = list(range(len(bars)))
    figure.add_bar(
        orientation="h",
        y=places,
        x=[bar.value for bar in bars],
        width=0.62,
        marker={"color": [bar.colour for bar in bars]},
        text=[bar.text for bar in bars],
        textposition="outside",
        cliponaxis=False,
        customdata=[bar.key for bar in bars],
        hovertext=[bar.hover for bar in bars],
        hoverinfo="text",
        unselected={"marker": {"opacity": 0.45}},
        showlegend=False,
    )
    _axes(figure, bars, unit, name_length)
    figure.update_layout(clickmode="event+select", barcornerradius=3)
    return figure


def _axes(figure: go.Figure, bars: Sequence[Bar], unit: str, name_length: int) -> None:
    figure.update_yaxes(
        title=None,
        tickmode="array",
        tickvals=list(range(len(bars))),
        ticktext=[chart_text(bar.name, name_length) for bar in bars],
        autorange="reversed",
        showgrid=False,
        fixedrange=True,
    )
    longest = max((bar.value for bar in bars), default=0.0)
    figure.update_xaxes(
        title={"text": unit, "standoff": 8},
        range=[0, (longest or 1.0) * ROOM],
        gridcolor=frame.GRID,
        nticks=4,
        fixedrange=True,
        automargin=True,
        tickprefix="$" if "dollar" in unit else "",
    )


def spend_bars(
    lines: Sequence[Line], other: Line | None, colours: Mapping[Group, str], *, has_before: bool
) -> list[Bar]:
    """A bar for each of LINES and for the OTHER groups: what it cost, and how that changed where HAS_BEFORE."""
    groups = [Group(line.key) for line in lines]
    found = [_spend_bar(line, group, colours[group], has_before) for line, group in zip(lines, groups, strict=True)]
    if other is not None:
        found.append(_spend_bar(other, OTHERS, colours[OTHERS], has_before))
    return found


def _spend_bar(line: Line, group: Group, colour: str, has_before: bool) -> Bar:
    now, before = line.now, line.before
    cost = known_cost({"cost_usd": now.cost, "unpriced_calls": now.unpriced})
    moved = change(now.cost, before.cost)
    beside = f"  {now.unpriced:,} unpriced" if now.unpriced and not now.cost else ""
    if has_before and not before.calls:
        beside += "  new"
    elif has_before and moved is not None:
        beside += f"  {arrow(moved)} {signed_percent(moved)}"
    hover = [chart_text(group.name, 60), f"{cost} · {calls(now.calls)}"]
    if has_before:
        hover.append(f"before {money(before.cost)} · {calls(before.calls)}")
    if now.unpriced:
        hover.append(f"{now.unpriced:,} calls have no price")
    key = None if group.is_other else line.key or ""
    return Bar(key, group.name, float(now.cost or 0), colour, cost + beside, "<br>".join(hover))
