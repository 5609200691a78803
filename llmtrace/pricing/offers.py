"""What a provider charges under one set of conditions at one time, found once and then remembered.

Every condition a provider prices by (tier, batch, speed, geography, request size) is part of a row; where a call
states a condition that no row and no multiplier answers, there is no price, rather than the standard one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from typing import TYPE_CHECKING, Any

from llmtrace.errors import PriceBookError
from llmtrace.model import Price
from llmtrace.pricing.rows import (
    CONDITION_DEFAULTS,
    HOURS,
    OPEN_CONDITIONS,
    THINKING,
    TOKENS,
    Multiplier,
    PricedRate,
    holds,
)

if TYPE_CHECKING:
    from llmtrace.pricing.book import PriceBook

# The machine's own context, and what a program made of it, have no say in a price.
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
# Calls state conditions in the provider's words: what is remembered of them has an end.
MOST_REMEMBERED = 4096


class Offer:
    """The rates of PROVIDER under CONDITIONS at AT, by model and component."""

    def __init__(self, book: "PriceBook", provider: str, conditions: Mapping[str, Any], at: datetime) -> None:
        """Find nothing yet."""
        self._book, self._provider, self._at = book, provider, at
        self._conditions = conditions
        self._found: dict[tuple[str, str], PricedRate | None] = {}

    def find(self, model: str, component: str) -> PricedRate | None:
        """The one row that answers COMPONENT of MODEL, or None where there is none.

        Raises:
            PriceBookError: two rows answer.
        """
        key = (model, component)
        try:
            return self._found[key]
        except KeyError:
            pass
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        found = self._found[key] = self._find(model, component)
        return found

    def _find(self, model: str, component: str) -> PricedRate | None:
        factors = self._book.multipliers_of(self._provider, model)
        multipliers = tuple(m for m in factors if _multiplies(m, self._conditions, self._at))
        answered = {key for m in multipliers for key in m.when}
        stated = {
            k: v for k, v in self._conditions.items() if k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)
        }
        left = {k: v for k, v in stated.items() if k not in answered}
        opens = {
            TOKENS: self._conditions.get(TOKENS),
            THINKING: self._conditions.get(THINKING),
            HOURS: self._book.hours_of(self._provider, model, self._at),
        }
        found = self._own_rows(model, component, stated, opens) if left != stated else []
        if found:  # a rate of the user's own for just this condition is what is paid
            return priced(_only(found), is_own=True)
        found = self._in_force(model, component, left, opens)
        if not found:
            return None
        price = _only(found)
        # Providers define their factors over token prices; a fee per call is the same everywhere.
        used = multipliers if price.unit == "token" else ()
        if price.layer == "override":
            return priced(price, used, is_own=True)
        discounts = self._book.find_discounts(price, self._at)
        return priced(price, (*used, *discounts), is_own=bool(discounts))

    def _in_force(self, model: str, component: str, stated: Mapping[str, Any], opens: Mapping[str, Any]) -> list[Price]:
        """Rows for COMPONENT of MODEL under the STATED conditions: the user's own, or else the book's."""
        own = self._own_rows(model, component, stated, opens)
        if own or any(not e.keeps_others for e in self._book.own_entries(self._provider, model, self._at)):
            return own
        return [
            price
            for price in self._book.rows_of(self._provider, model, component)
            if holds(price.valid_from, price.valid_to, self._at)
            and _conditions(price) == stated
            and _is_open_to(price, opens)
        ]

    def _own_rows(self, model: str, component: str, stated: Mapping[str, Any], opens: Mapping[str, Any]) -> list[Price]:
        entries = self._book.own_entries(self._provider, model, self._at)
        rows = (p for e in entries for p in e.prices if p.component == component)
        return [p for p in rows if _conditions(p) == stated and _is_open_to(p, opens)]


class Steps:
    """Where something changes along a line: between two neighbours of VALUES, exclusive of the second, nothing does."""

    def __init__(self, values: Iterable[Any]) -> None:
        """Sort VALUES."""
        self._values = sorted(set(values))

    def step(self, value: Any) -> int:
        """The number of the stretch that VALUE is in."""
        return bisect_right(self._values, value)


def band_starts(price: Price) -> Iterable[int]:
    """The sizes of a request at which PRICE begins or ceases to hold."""
    bounds = price.when.get(TOKENS) or {}
    # `more than 200,000` begins at 200,001, and so does the end of `at most 200,000`.
    return [limit + (op in ("gt", "lte")) for op, limit in bounds.items()]


def priced(price: Price, multipliers: tuple[Multiplier, ...] = (), *, is_own: bool = False) -> PricedRate:
    """PRICE with MULTIPLIERS; `is_own`: because the user says so."""
    factor = Decimal(1)
    for multiplier in multipliers:
        factor = EXACT.multiply(factor, multiplier.factor)
    names = ", ".join(m.name for m in multipliers) or None
    return PricedRate(price, multipliers, is_own, factor, names, _unit_usd(price, factor))


def _only(found: list[Price]) -> Price:
    if len(found) > 1:
        raise PriceBookError(f"prices overlap: {', '.join(p.id for p in found)}; end one before the other starts")
    return found[0]


def _unit_usd(price: Price, factor: Decimal) -> Decimal | None:
    context = EXACT.copy()
    unit_usd = context.divide(context.multiply(price.rate_usd, factor), price.per)
    return None if context.flags[Inexact] else unit_usd


def _conditions(price: Price) -> dict[str, Any]:
    """What PRICE holds under beside the open conditions; what a row leaves out is the default, not "any"."""
    return {k: v for k, v in price.when.items() if k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)}


def _is_open_to(price: Price, opens: Mapping[str, Any]) -> bool:
    """Whether PRICE holds under the open conditions; one that it does not name is no hindrance."""
    if not price.when:
        return True
    return _in_range(opens[TOKENS], price.when.get(TOKENS)) and all(
        price.when.get(key) in (None, opens[key]) for key in (THINKING, HOURS)
    )


def _multiplies(multiplier: Multiplier, conditions: Mapping[str, Any], at: datetime) -> bool:
    return holds(multiplier.valid_from, multiplier.valid_to, at) and all(
        conditions.get(key, CONDITION_DEFAULTS.get(key)) in _any_of(value) for key, value in multiplier.when.items()
    )


def _any_of(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else (value,)


def _in_range(tokens: int | None, bounds: Mapping[str, int] | None) -> bool:
    if bounds is None:
        return True
    if tokens is None:
        return False
    tests = {"gt": tokens.__gt__, "gte": tokens.__ge__, "lt": tokens.__lt__, "lte": tokens.__le__}
    return all(tests[op](limit) for op, limit in bounds.items())
