"""Puts both sides beside each other: one row for each UTC day, model and token class that either of them has."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from llmtrace.reconcile.figures import BATCH, FEES, Bill, Billed, add, read_tier
from llmtrace.reconcile.rows import ZERO, Comparison, Count, Key, Row, Series, Side

# `2024-08-06`, `20250929`, and `0613` of the oldest.
DATE = re.compile(r"\d{4}(-?\d\d-?\d\d)?")


def compare(
    tracked: Iterable[Mapping[str, Any]], bill: Bill, first: date, end: date, tolerance: Decimal, now: datetime
) -> Comparison:
    """The rows of the days from FIRST to before END; TRACKED is the answer to `billable`, which may reach beyond.

    TOLERANCE is a share (0.01), NOW naive UTC.
    """
    sides: dict[Key, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
    hours: dict[Series, dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    billed = {f.model for f in bill.figures if f.model}
    models = {_dated(name, billed) or name for name in billed}
    named = [{**row, "model": _billed_model(row, models)} for row in tracked]
    for row in named:
        if (token_class := row["component"]) is not None:
            hours[row["model"], token_class][row["at"]] += row["quantity"]
            if first <= row["at"].date() < end:
                _add_tracked(sides[row["at"].date(), row["model"], token_class][0], row)
    for figure in bill.figures:
        _add_billed(sides[figure.day, _dated(figure.model, billed), figure.token_class][1], figure)
    rows = [_row(key, *sides[key], bill, tolerance) for key in sorted(sides, key=lambda k: (k[0], k[1] or "~", k[2]))]
    kept = [r for r in rows if any((r.tracked.quantity, r.billed.quantity, r.tracked.cost_usd, r.billed.cost_usd))]
    return Comparison(kept, tolerance, now, hours, _count(named, bill, models))


def _billed_model(row: Mapping[str, Any], models: Iterable[str]) -> str | None:
    """Fees are billed by the call, whichever model asked for it."""
    return None if row["component"] in FEES else match_model(row["model"], models)


def _count(
    tracked: Iterable[Mapping[str, Any]], bill: Bill, models: Collection[str]
) -> dict[tuple[date, str | None], Count]:
    """The requests of each day and model. A call stands in a row for each class that it used, so the most counts."""
    counts: dict[tuple[date, str | None], Count] = defaultdict(Count)
    most: dict[tuple[Any, ...], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in tracked:
        if row["component"] is None:
            counts[row["at"].date(), row["model"]].uncounted += row["calls"]
        elif row["model"] is not None:
            key = row["at"], row["model"], row["service_tier"]
            most[key] = max(most[key][0], row["calls"]), max(most[key][1], row["estimated_calls"] or 0)
    for (at, model, _), (calls, estimated) in most.items():
        counts[at.date(), model].calls += calls
        counts[at.date(), model].estimated += estimated
    for figure in bill.figures:
        if figure.requests is not None and figure.tier != BATCH:
            count = counts[figure.day, _dated(figure.model, models)]
            count.billed = (count.billed or 0) + figure.requests
    return counts


def _row(key: Key, tracked: Side, billed: Side, bill: Bill, tolerance: Decimal) -> Row:
    """The row of KEY. A report that was read and does not name something says that there is none of it."""
    is_absent = billed.quantity is None and billed.cost_usd is None
    if billed.quantity is None and bill.has_quantities and key[2] not in FEES and key[1] is not None:
        billed.quantity = ZERO
    if is_absent and bill.has_costs:
        billed.cost_usd = ZERO
    if tracked.quantity is None:
        tracked.quantity, tracked.cost_usd = ZERO, ZERO
    return Row(*key, tracked, billed, tolerance)


def _add_billed(side: Side, figure: Billed) -> None:
    side.quantity, side.cost_usd = add(side.quantity, figure.quantity), add(side.cost_usd, figure.cost_usd)
    side.cost_lines += figure.cost_usd is not None
    if figure.quantity is not None:
        side.tiers[figure.tier] += figure.quantity
        side.scopes[figure.scope or ""] += figure.quantity
        side.keys[figure.key or ""] += figure.quantity


def _add_tracked(side: Side, row: Mapping[str, Any]) -> None:
    side.quantity, side.cost_usd = add(side.quantity, row["quantity"]), add(side.cost_usd, row["cost_usd"])
    side.unpriced_calls += row["unpriced_calls"] or 0
    side.tiers[read_tier(row["service_tier"])] += row["quantity"]


def match_model(name: str | None, billed: Iterable[str]) -> str | None:
    """NAME as the bill spells it: the bill dates what was asked for without a date, or leaves the date out."""
    known = set(billed)
    if name is None or name in known:
        return name
    found = [b for b in known if _is_dated(b, name)] or [b for b in known if _is_dated(name, b)]
    return found[0] if len(found) == 1 else name


def _dated(name: str | None, models: Iterable[str]) -> str | None:
    """NAME with the date that MODELS have it with: an export of costs leaves out what that of usage tells."""
    dated = [m for m in models if name is not None and _is_dated(m, name)]
    return dated[0] if len(dated) == 1 else name


def _is_dated(dated: str, name: str) -> bool:
    return dated.startswith(name + "-") and DATE.fullmatch(dated, len(name) + 1) is not None


def days_of(hours: Mapping[datetime, Decimal], offset_h: int) -> dict[date, Decimal]:
    """HOURS summed by the day that each falls on in a zone OFFSET_H hours ahead of UTC."""
    found: dict[date, Decimal] = defaultdict(Decimal)
    for at, quantity in hours.items():
        found[(at + timedelta(hours=offset_h)).date()] += quantity
    return found
