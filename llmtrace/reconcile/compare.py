"""Puts both sides beside each other: one row for each UTC day, model and token class that either of them has."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from llmtrace.reconcile.figures import FEES, Bill, Billed, add, read_tier

# Exports are rounded to the cent.
ROUNDING_USD = Decimal("0.005")
ZERO = Decimal(0)

Key = tuple[date, str | None, str]


@dataclass(slots=True)
class Side:
    """One side's figures for one row: sums, and what they are made of by tier and by scope."""

    quantity: Decimal | None = None
    cost_usd: Decimal | None = None
    requests: int | None = None
    estimated_calls: int = 0
    unpriced_calls: int = 0
    tiers: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    scopes: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


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
        billed, tracked = self.billed.cost_usd or ZERO, self.tracked.cost_usd or ZERO
        return cost is not None and abs(cost) > ROUNDING_USD and not is_close(billed, tracked, self.tolerance)


@dataclass(slots=True)
class Comparison:
    """All rows, and what the rules that look for causes need beside them.

    `hours` holds tracked quantities by model, token class and hour, with a day on both ends; `uncounted` the calls of
    a day and model that nothing was counted of.
    """

    rows: list[Row]
    tolerance: Decimal
    now: datetime
    hours: dict[tuple[str | None, str], dict[datetime, Decimal]]
    uncounted: dict[tuple[date, str | None], int]
    by_key: dict[Key, Row] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether any row is past the tolerance."""
        return any(row.is_off for row in self.rows)


def compare(
    tracked: Iterable[Mapping[str, Any]], bill: Bill, first: date, end: date, tolerance: Decimal, now: datetime
) -> Comparison:
    """The rows of the days from FIRST to before END; TRACKED is the answer to `billable`, which may reach beyond.

    TOLERANCE is a share (0.01), NOW naive UTC.
    """
    sides: dict[Key, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
    hours: dict[tuple[str | None, str], dict[datetime, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    uncounted: dict[tuple[date, str | None], int] = defaultdict(int)
    models = {f.model for f in bill.figures if f.model}
    for row in tracked:
        token_class = row["component"]
        # Fees are billed by the call, whichever model asked for it.
        model = None if token_class in FEES else match_model(row["model"], models)
        if token_class is None:
            uncounted[row["at"].date(), model] += row["calls"]
            continue
        hours[model, token_class][row["at"]] += row["quantity"]
        if first <= row["at"].date() < end:
            _add_tracked(sides[row["at"].date(), model, token_class][0], row)
    for figure in bill.figures:
        _add_billed(sides[figure.day, figure.model, figure.token_class][1], figure)
    rows = [_row(key, *sides[key], bill, tolerance) for key in sorted(sides, key=lambda k: (k[0], k[1] or "~", k[2]))]
    kept = [r for r in rows if any((r.tracked.quantity, r.billed.quantity, r.tracked.cost_usd, r.billed.cost_usd))]
    return Comparison(kept, tolerance, now, hours, uncounted, {row.key: row for row in kept})


def _row(key: Key, tracked: Side, billed: Side, bill: Bill, tolerance: Decimal) -> Row:
    """The row of KEY. A report that was read and does not name something says that there is none of it."""
    is_absent = billed.quantity is None and billed.cost_usd is None
    if billed.quantity is None and bill.has_quantities and key[2] not in FEES and key[1] is not None:
        billed.quantity = ZERO
    if is_absent and bill.has_costs:
        billed.cost_usd = ZERO
    if tracked.quantity is None:
        tracked.quantity, tracked.cost_usd, tracked.requests = ZERO, ZERO, 0
    return Row(*key, tracked, billed, tolerance)


def _add_billed(side: Side, figure: Billed) -> None:
    side.quantity, side.cost_usd = add(side.quantity, figure.quantity), add(side.cost_usd, figure.cost_usd)
    if figure.requests is not None:
        side.requests = (side.requests or 0) + figure.requests
    if figure.quantity is not None:
        side.tiers[figure.tier] += figure.quantity
        side.scopes[figure.scope or ""] += figure.quantity


def _add_tracked(side: Side, row: Mapping[str, Any]) -> None:
    side.quantity, side.cost_usd = add(side.quantity, row["quantity"]), add(side.cost_usd, row["cost_usd"])
    side.requests = (side.requests or 0) + row["calls"]
    side.estimated_calls += row["estimated_calls"] or 0
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


def _difference(billed: Decimal | None, tracked: Decimal | None) -> Decimal | None:
    return None if billed is None or tracked is None else billed - tracked
