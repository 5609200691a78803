"""One comparison: rows of both sides, the requests behind them, and their sums."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

# Exports are rounded to the cent, line by line.
ROUNDING_USD = Decimal("0.005")
ZERO = Decimal(0)

Key = tuple[date, str | None, str]
Series = tuple[str | None, str]


@dataclass(slots=True)
class Side:
    """One side's figures for one row: sums, and what they are made of by tier, by scope and by key."""

    quantity: Decimal | None = None
    cost_usd: Decimal | None = None
    cost_lines: int = 0
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
    def series(self) -> Series:
        """The same without the day."""
        return self.model, self.token_class

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
    def rounding_usd(self) -> Decimal:
        """How many dollars the billed ones may be off because each of their lines is rounded to the cent."""
        return ROUNDING_USD * max(self.billed.cost_lines, 1)

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
            return (self.billed.cost_usd or ZERO) > self.rounding_usd
        billed, tracked = self.billed.cost_usd or ZERO, self.tracked.cost_usd or ZERO
        return cost is not None and abs(cost) > self.rounding_usd and not is_close(billed, tracked, self.tolerance)


@dataclass(slots=True)
class Comparison:
    """All rows, and what the rules that look for causes need beside them.

    `hours` holds tracked quantities by model, token class and hour, with a day on both ends; `counts` the requests of
    each day and model; `zones` the zones found so far in whose days all rows of a model and class agree.
    """

    rows: list[Row]
    tolerance: Decimal
    now: datetime
    hours: dict[Series, dict[datetime, Decimal]]
    counts: dict[tuple[date, str | None], Count]
    by_key: dict[Key, Row] = field(init=False)
    series: dict[Series, list[Row]] = field(init=False)
    zones: dict[Series, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the rows into what is asked for again and again: one by its key, all days of a model and class."""
        self.by_key = {row.key: row for row in self.rows}
        self.series = defaultdict(list)
        for row in self.rows:
            self.series[row.series].append(row)

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


def is_close(left: Decimal, right: Decimal, tolerance: Decimal) -> bool:
    """Whether LEFT and RIGHT differ by no more than TOLERANCE of the larger one."""
    return abs(left - right) <= tolerance * max(abs(left), abs(right))


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    found = [value for value in values if value is not None]
    return sum(found, ZERO) if found else None


def _difference(billed: Decimal | None, tracked: Decimal | None) -> Decimal | None:
    return None if billed is None or tracked is None else billed - tracked
