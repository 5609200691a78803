"""Puts both sides beside each other: one row for each UTC day, model and token class that either of them has."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from llmtrace.reconcile.figures import BATCH, FEES, Bill, Billed, add, read_tier

# Exports are rounded to the cent.
ROUNDING_USD = Decimal("0.005")
ZERO = Decimal(0)

Key = tuple[date, str | None, str]


@dataclass(slots=True)
class Side:
    """One side's figures for one row: sums, and what they are made of by tier, by scope and by key."""

    quantity: Decimal | None = None
    cost_usd: Decimal | None = None
    unpriced_calls: int = 0
    tiers: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    scopes: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    keys: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


@dataclass(slots=True)
class Count:
    """Requests of one day and model; `billed` is None where the bill tells none, and leaves batches out.

    Of the `calls` that were tracked with a usage some are `estimated`; the `uncounted` ones came without.
    """

    billed: int | None = None
    calls: int = 0
    estimated: int = 0
    uncounted: int = 0

    @property
    def doubtful(self) -> int:
        """Calls whose tokens are not known from the provider."""
        return self.estimated + self.uncounted


@dataclass(frozen=True, slots=True)
class Cause:
    """What a difference is likely to come from: a name, and the figures that say so."""

    name: str
    evidence: str


@dataclass(slots=True)
class Row:
    """Both sides of one day, model and token class; a figure that one side does not have is None."""

    day: date
    model: str | None
    token_class: str
    tracked: Side
    billed: Side
    tolerance: Decimal
    causes: tuple[Cause, ...] = ()

    @property
    def key(self) -> Key:
        """What the row is about."""
        return self.day, self.model, self.token_class

    @property
    def quantity_difference(self) -> Decimal | None:
        """Billed less tracked, in tokens (or calls); None where the bill tells no quantity."""
        return _difference(self.billed.quantity, self.tracked.quantity)

    @property
    def cost_difference(self) -> Decimal | None:
        """Billed less tracked, in US dollars; None where the bill tells no cost, or none is tracked."""
        return _difference(self.billed.cost_usd, self.tracked.cost_usd)

    @property
    def coverage(self) -> Decimal | None:
        """Tracked as a share of billed: of dollars where both sides have them, else of quantities."""
        for tracked, billed in (
            (self.tracked.cost_usd, self.billed.cost_usd),
            (self.tracked.quantity, self.billed.quantity),
        ):
            if tracked is not None and billed:
                return tracked / billed
        return ZERO if self.billed.cost_usd or self.billed.quantity else None

    @property
    def has_equal_quantities(self) -> bool:
        """Whether both sides tell a quantity, and the same within the tolerance."""
        billed, tracked = self.billed.quantity, self.tracked.quantity
        return billed is not None and tracked is not None and is_close(billed, tracked, self.tolerance)

    @property
    def is_off(self) -> bool:
        """Whether quantities or dollars differ by more than the tolerance."""
        quantity, cost = self.quantity_difference, self.cost_difference
        if quantity and not is_close(self.billed.quantity or ZERO, self.tracked.quantity or ZERO, self.tolerance):
            return True
        if self.tracked.cost_usd is None:
            return (self.billed.cost_usd or ZERO) > ROUNDING_USD
        billed, tracked = self.billed.cost_usd or ZERO, self.tracked.cost_usd or ZERO
        return cost is not None and abs(cost) > ROUNDING_USD and not is_close(billed, tracked, self.tolerance)


@dataclass(slots=True)
class Comparison:
    """All rows, and what the rules that look for causes need beside them.

    `hours` holds tracked quantities by model, token class and hour, with a day on both ends; `counts` the requests of
    each day and model.
    """

    rows: list[Row]
    tolerance: Decimal
    now: datetime
    hours: dict[tuple[str | None, str], dict[datetime, Decimal]]
    counts: dict[tuple[date, str | None], Count]
    by_key: dict[Key, Row] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether any row is past the tolerance."""
        return any(row.is_off for row in self.rows)

    @property
    def total(self) -> "Total":
        """The sums over all rows."""
        return Total.of(self.rows)


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over all rows; what a side does not tell at all is None.

    Tracked dollars of rows for which the bill tells none are `uncompared_usd`, and in neither sum. Quantities are those
    of tokens on both sides.
    """

    tracked_usd: Decimal | None
    billed_usd: Decimal | None
    uncompared_usd: Decimal
    tracked_tokens: Decimal
    billed_tokens: Decimal | None

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Total":
        """The sums over ROWS."""
        rows = list(rows)
        priced = [r for r in rows if r.billed.cost_usd is not None]
        compared = priced or rows
        counted = [r for r in rows if r.model is not None and r.billed.quantity is not None]
        return cls(
            _sum(r.tracked.cost_usd for r in compared),
            _sum(r.billed.cost_usd for r in priced),
            _sum(r.tracked.cost_usd for r in rows if priced and r.billed.cost_usd is None) or ZERO,
            _sum(r.tracked.quantity for r in counted) or ZERO,
            _sum(r.billed.quantity for r in counted),
        )

    @property
    def drift_usd(self) -> Decimal | None:
        """Billed less tracked dollars."""
        return _difference(self.billed_usd, self.tracked_usd)

    @property
    def coverage(self) -> Decimal | None:
        """Tracked as a share of billed: of dollars where both sides tell them, else of tokens."""
        if self.billed_usd and self.tracked_usd is not None:
            return self.tracked_usd / self.billed_usd
        return self.tracked_tokens / self.billed_tokens if self.billed_usd is None and self.billed_tokens else None


def compare(
    tracked: Iterable[Mapping[str, Any]], bill: Bill, first: date, end: date, tolerance: Decimal, now: datetime
) -> Comparison:
    """The rows of the days from FIRST to before END; TRACKED is the answer to `billable`, which may reach beyond.

    TOLERANCE is a share (0.01), NOW naive UTC.
    """
    sides: dict[Key, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
    hours: dict[tuple[str | None, str], dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    models = {f.model for f in bill.figures if f.model}
    named = [{**row, "model": _billed_model(row, models)} for row in tracked]
    for row in named:
        if (token_class := row["component"]) is not None:
            hours[row["model"], token_class][row["at"]] += row["quantity"]
            if first <= row["at"].date() < end:
                _add_tracked(sides[row["at"].date(), row["model"], token_class][0], row)
    for figure in bill.figures:
        _add_billed(sides[figure.day, figure.model, figure.token_class][1], figure)
    rows = [_row(key, *sides[key], bill, tolerance) for key in sorted(sides, key=lambda k: (k[0], k[1] or "~", k[2]))]
    kept = [r for r in rows if any((r.tracked.quantity, r.billed.quantity, r.tracked.cost_usd, r.billed.cost_usd))]
    return Comparison(kept, tolerance, now, hours, _count(named, bill), {row.key: row for row in kept})


def _billed_model(row: Mapping[str, Any], models: Iterable[str]) -> str | None:
    """Fees are billed by the call, whichever model asked for it."""
    return None if row["component"] in FEES else match_model(row["model"], models)


def _count(tracked: Iterable[Mapping[str, Any]], bill: Bill) -> dict[tuple[date, str | None], Count]:
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
            count = counts[figure.day, figure.model]
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
    dated = [b for b in known if b.startswith(name + "-") and b[len(name) + 1 :].replace("-", "").isdigit()]
    bare = [b for b in known if name.startswith(b + "-") and name[len(b) + 1 :].replace("-", "").isdigit()]
    found = dated or bare
    return found[0] if len(found) == 1 else name


def is_close(left: Decimal, right: Decimal, tolerance: Decimal) -> bool:
    """Whether LEFT and RIGHT differ by no more than TOLERANCE of the larger one."""
    return abs(left - right) <= tolerance * max(abs(left), abs(right))


def days_of(hours: Mapping[datetime, Decimal], offset_h: int) -> dict[date, Decimal]:
    """HOURS summed by the day that each falls on in a zone OFFSET_H hours ahead of UTC."""
    found: dict[date, Decimal] = defaultdict(Decimal)
    for at, quantity in hours.items():
        found[(at + timedelta(hours=offset_h)).date()] += quantity
    return found


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    found = [value for value in values if value is not None]
    return sum(found, ZERO) if found else None


def _difference(billed: Decimal | None, tracked: Decimal | None) -> Decimal | None:
    return None if billed is None or tracked is None else billed - tracked
