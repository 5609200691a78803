"""The price book: dated rows with their sources, read from `prices/*.yaml`, looked up by model, component and time.

A price is never overwritten: a new one gets a row with its own start date, so that last month's calls keep last
month's prices. Every condition a provider prices by (tier, batch, speed, geography, request size) is part of a row;
where a call states a condition that no row and no multiplier answers, there is no price, rather than the standard one.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llmtrace.errors import PriceBookError
from llmtrace.model import Price
from llmtrace.pricing.own_rows import OwnEntry, OwnPrices
from llmtrace.pricing.rows import (
    CONDITION_DEFAULTS,
    HOURS,
    OPEN_CONDITIONS,
    THINKING,
    TOKENS,
    Alias,
    FreeRefusals,
    Match,
    Multiplier,
    PeakHours,
    PricedRate,
    holds,
)

EVERY_MODEL = "*"  # rows that hold for each model of a provider that has none of its own


@dataclass(frozen=True)
class PriceBook:
    """Rows, aliases and multipliers of every provider in the book. `version` is a hash of the data files.

    `own` comes before all of it, and its rates are rows as well.
    """

    version: str
    prices: tuple[Price, ...]
    aliases: tuple[Alias, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    free_refusals: tuple[FreeRefusals, ...] = ()
    families: frozenset[str] = frozenset()
    peak_hours: tuple[PeakHours, ...] = ()
    own: OwnPrices = field(default_factory=OwnPrices)
    _rows: dict[tuple[str, str, str], list[Price]] = field(init=False, repr=False, default_factory=dict)
    _models: dict[tuple[str, str], set[str]] = field(init=False, repr=False, default_factory=dict)
    _own_models: dict[tuple[str, str], set[str]] = field(init=False, repr=False, default_factory=dict)
    _providers: set[str] = field(init=False, repr=False, default_factory=set)
    _factors: dict[tuple[str, str], list[Multiplier]] = field(init=False, repr=False, default_factory=dict)
    _found: dict[tuple[Any, ...], list[Price]] = field(init=False, repr=False, default_factory=dict)
    _aliases: dict[tuple[str, str], list[Alias]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rows."""
        self._providers.update(d.provider for d in self.own.deployments)
        for price in self.prices:
            self._providers.add(price.provider)
            if price.layer == "override":
                self._own_models.setdefault((price.provider, price.model), set()).add(price.component)
                continue
            self._rows.setdefault((price.provider, price.model, price.component), []).append(price)
            if price.model != EVERY_MODEL:
                self._models.setdefault((price.provider, price.model), set()).add(price.component)
        for multiplier in self.multipliers:
            for name in multiplier.models:
                provider, _, model = name.partition("/")
                self._factors.setdefault((provider, model), []).append(multiplier)
        for alias in self.aliases:
            provider, _, name = alias.name.partition("/")
            self._aliases.setdefault((provider, name), []).append(alias)

    def has_provider(self, provider: str) -> bool:
        """Whether the book has any price for PROVIDER."""
        return provider in self._providers

    def find_model(self, provider: str, name: str, at: datetime) -> Match | None:
        """The model that NAME stood for at AT, or None when the book does not know it."""
        if name.startswith("ft:"):
            name = ":".join(name.split(":")[:2])
        for alias in self._aliases.get((provider, name), ()):
            if holds(alias.valid_from, alias.valid_to, at):
                return Match(alias.model, "alias")
        if (provider, name) in self._models:
            return Match(name, "exact")
        base = _without_date(name)
        if base is not None and f"{provider}/{base}" in self.families:
            found = self.find_model(provider, base, at)
            return None if found is None else Match(found.model, "family")
        return Match(name, "exact") if (provider, name) in self._own_models else None

    def components(self, provider: str, model: str) -> Set[str]:
        """What MODEL has prices for, at any time: its own, not those for every model of PROVIDER."""
        key = (provider, model)
        return self._models.get(key, set()) | self._own_models.get(key, set())

    def stands_for(self, provider: str, name: str, model: str, at: datetime) -> bool:
        """Whether NAME, as the user wrote it, means MODEL of PROVIDER at AT."""
        match = self.find_model(provider, name, at) if name not in (EVERY_MODEL, model) else None
        return name in (EVERY_MODEL, model) or (match is not None and match.model == model)

    def rows(self, provider: str, model: str | None = None) -> list[Price]:
        """Rows of PROVIDER, or of one MODEL of it."""
        return [p for p in self.prices if p.provider == provider and model in (None, p.model)]

    def find_price(
        self, provider: str, model: str, component: str, conditions: Mapping[str, Any], at: datetime
    ) -> PricedRate | None:
        """The one row that answers COMPONENT of MODEL under CONDITIONS at AT, or None where there is none.

        Raises:
            PriceBookError: two rows answer.
        """
        multipliers = tuple(m for m in self._factors.get((provider, model), ()) if _multiplies(m, conditions, at))
        answered = {key for m in multipliers for key in m.when}
        stated = {k: v for k, v in conditions.items() if k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)}
        left = {k: v for k, v in stated.items() if k not in answered}
        opens = {
            TOKENS: conditions.get(TOKENS),
            THINKING: conditions.get(THINKING),
            HOURS: self._hours(provider, model, at) if self.peak_hours else None,
        }
        key = (provider, model, component)
        found = self._own_rows(key, stated, opens, at) if left != stated else []
        if found:  # a rate of the user's own for just this condition is what is paid
            return PricedRate(_only(found), (), is_own=True)
        found = self._in_force(key, left, opens, at)
        if not found:
            return None
        price = _only(found)
        # Providers define their factors over token prices; a fee per call is the same everywhere.
        factors = multipliers if price.unit == "token" else ()
        if price.layer == "override":
            return PricedRate(price, factors, is_own=True)
        discounts = self.find_discounts(price, at)
        return PricedRate(price, (*factors, *discounts), is_own=bool(discounts))

    def find_discounts(self, price: Price, at: datetime) -> tuple[Multiplier, ...]:
        """The user's own factors over PRICE at AT."""
        return tuple(
            d
            for d in self.own.discounts
            if holds(d.valid_from, d.valid_to, at)
            and (price.component in d.components if d.components else price.unit == "token")
            and any(
                provider == price.provider and self.stands_for(provider, name, price.model, at)
                for provider, _, name in (m.partition("/") for m in d.models)
            )
        )

    def _in_force(
        self, key: tuple[str, str, str], stated: Mapping[str, Any], opens: Mapping[str, Any], at: datetime
    ) -> list[Price]:
        """Rows for KEY (provider, model, component) under the STATED conditions: the user's own, or else the book's."""
        own = self._own_rows(key, stated, opens, at)
        if own or any(not e.keeps_others for e in self._own_entries(key, at)):
            return own
        return [
            price
            for price in self._candidates(*key, stated)
            if holds(price.valid_from, price.valid_to, at) and _is_open_to(price, opens)
        ]

    def _own_entries(self, key: tuple[str, str, str], at: datetime) -> list[OwnEntry]:
        provider, model, _ = key
        return [
            e
            for e in self.own.entries
            if e.first.provider == provider
            and holds(e.first.valid_from, e.first.valid_to, at)
            and self.stands_for(provider, e.first.model, model, at)
        ]

    def _own_rows(
        self, key: tuple[str, str, str], stated: Mapping[str, Any], opens: Mapping[str, Any], at: datetime
    ) -> list[Price]:
        rows = (p for e in self._own_entries(key, at) for p in e.prices if p.component == key[2])
        return [p for p in rows if _conditions(p) == stated and _is_open_to(p, opens)]

    def is_refusal_free(self, provider: str, category: str | None, at: datetime) -> bool:
        """Whether PROVIDER charges nothing for a refusal before any output, about CATEGORY, at AT."""
        return any(
            r.provider == provider and holds(r.valid_from, r.valid_to, at) and category not in r.unless
            for r in self.free_refusals
        )

    def _hours(self, provider: str, model: str, at: datetime) -> str:
        name = f"{provider}/{model}"
        return "peak" if any(name in p.models and p.holds(at) for p in self.peak_hours) else "off_peak"

    def _candidates(self, provider: str, model: str, component: str, stated: Mapping[str, Any]) -> list[Price]:
        """Rows for COMPONENT of MODEL whose conditions, but for the open ones, are the STATED ones."""
        key = (provider, model, component, frozenset(stated.items()))
        if key not in self._found:
            own = self._rows.get((provider, model, component), [])
            rows = own or self._rows.get((provider, EVERY_MODEL, component), [])
            self._found[key] = [row for row in rows if _conditions(row) == stated]
        return self._found[key]


def _only(found: list[Price]) -> Price:
    if len(found) > 1:
        raise PriceBookError(f"prices overlap: {', '.join(p.id for p in found)}; end one before the other starts")
    return found[0]


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
        conditions.get(key) in _any_of(value) for key, value in multiplier.when.items()
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


def _without_date(name: str) -> str | None:
    """`gpt-5.4` for `gpt-5.4-2026-02-11`, `claude-x` for `claude-x-20260211`; None where no date ends the name."""
    head, _, tail = name.rpartition("-")
    if len(tail) == 8 and tail.isdigit() and head:
        return head
    parts = name.rsplit("-", 3)
    if len(parts) == 4 and [len(p) for p in parts[1:]] == [4, 2, 2] and all(p.isdigit() for p in parts[1:]):
        return parts[0]
    return None
