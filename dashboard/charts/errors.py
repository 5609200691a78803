"""Failed calls over time, by type."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from .. import theme
from ..format import chart_text, percent, share
from ..period import Period, grid, is_partial
from . import frame

MOST_TYPES = 5
NO_TYPE = "(no type given)"
OTHER_TYPES = "(other types)"


def by_type(rows: Sequence[Mapping[str, Any]], period: Period, bucket: str) -> go.Figure:
    """The answer ROWS of `series` by error: a row without a key holds the calls that did not fail, too."""
    starts = grid(period, bucket)
    partial = [is_partial(at, bucket, period) for at in starts]
    calls = dict.fromkeys(starts, 0)
    for row in rows:
        calls[row["at"]] = calls.get(row["at"], 0) + row["calls"]
    figure = frame.base(f"failed calls per {bucket}")
    for place, (name, counts) in enumerate(_counts(rows).items()):
        texts = [
            f"{chart_text(name)}<br>{frame.stamp(at, bucket, is_partial=cut)}<br>{counts.get(at, 0):,} of "
            f"{calls[at]:,} calls ({percent(share(counts.get(at, 0), calls[at]))})"
            for at, cut in zip(starts, partial, strict=True)
        ]
        colour = theme.ALARM[place % len(theme.ALARM)]
        values = [counts.get(at, 0) for at in starts]
        frame.add_bars(figure, chart_text(name, 28), colour, starts, values, texts, partial)
    figure.update_layout(barmode="stack", showlegend=True)
    most = max((row["errors"] or 0 for row in rows), default=0)
    figure.update_yaxes(tickformat=",d", nticks=5, dtick=1 if most <= 4 else None)
    frame.time_axis(figure, starts, bucket)
    return figure


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[Any, int]]:
    """Failed calls by type and bucket, most frequent type first; the rare ones together."""
    totals = type_totals(rows)
    kept = list(totals)[: MOST_TYPES if len(totals) > MOST_TYPES + 1 else MOST_TYPES + 1]
    found: dict[str, dict[Any, int]] = {name: {} for name in kept}
    for row in rows:
        if row["errors"]:
            name = row["key"] if row["key"] is not None else NO_TYPE
            counts = found.setdefault(name if name in kept else OTHER_TYPES, {})
            counts[row["at"]] = counts.get(row["at"], 0) + row["errors"]
    return found


def type_totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Failed calls by type, most frequent first."""
    totals: dict[str, int] = {}
    for row in rows:
        if row["errors"]:
            name = row["key"] if row["key"] is not None else NO_TYPE
            totals[name] = totals.get(name, 0) + row["errors"]
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))


def takeaway(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the chart of ROWS shows, in a sentence."""
    totals = type_totals(rows)
    if not totals:
        return "Failed calls: none."
    by_time: dict[Any, int] = {}
    for row in rows:
        by_time[row["at"]] = by_time.get(row["at"], 0) + (row["errors"] or 0)
    worst = max(by_time, key=lambda at: by_time[at])
    name = next(iter(totals))
    return (
        f"{sum(totals.values()):,} failed calls over time by type; most often {name} ({totals[name]:,}); "
        f"most at {worst:%Y-%m-%d %H:%M} UTC with {by_time[worst]:,}."
    )
