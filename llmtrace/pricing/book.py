"""The price book: dated rows with their sources, read from `prices/*.yaml`, looked up by model, component and time.

A price is never overwritten: a new one gets a row with its own start date, so that last month's calls keep last
month's prices.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llmtrace.model import Price
from llmtrace.pricing.offers import MOST_REMEMBERED, Offer, Steps, band_starts
from llmtrace.pricing.own_rows import OwnEntry, OwnPrices
from llmtrace.pricing.rows import (
    CONDITION_DEFAULTS,
    EVERY_MODEL,
    OPEN_CONDITIONS,
    TOKENS,
    Alias,
    FreeRefusals,
    Match,
    Multiplier,
    PeakHours,
    PricedRate,
    holds,
)

__all__ = [
    "CONDITION_DEFAULTS",
    "EVERY_MODEL",
    "OPEN_CONDITIONS",
    "Alias",
    "FreeRefusals",
    "Match",
    "Multiplier",
    "PeakHours",
    "PriceBook",
    "PricedRate",
]


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
    # Why a model has no price, by provider and name.
    unpriced: Mapping[tuple[str, str], str] = field(default_factory=dict)
    own: OwnPrices = field(default_factory=OwnPrices)
    _rows: dict[tuple[str, str, str], list[Price]] = field(init=False, repr=False, default_factory=dict)
    _models: dict[tuple[str, str], set[str]] = field(init=False, repr=False, default_factory=dict)
    _own_models: dict[tuple[str, str], set[str]] = field(init=False, repr=False, default_factory=dict)
    _providers: set[str] = field(init=False, repr=False, default_factory=set)
    _factors: dict[tuple[str, str], list[Multiplier]] = field(init=False, repr=False, default_factory=dict)
    _aliases: dict[tuple[str, str], list[Alias]] = field(init=False, repr=False, default_factory=dict)
    _peaks: dict[str, list[PeakHours]] = field(init=False, repr=False, default_factory=dict)
    _periods: Steps = field(init=False, repr=False, compare=False)
    _bands: Steps = field(init=False, repr=False, compare=False)
    _offers: dict[Any, Offer] = field(init=False, repr=False, compare=False, default_factory=dict)
    _matches: dict[tuple[str, str, int], Match | None] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

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
        for hours in self.peak_hours:
            for provider in {name.partition("/")[0] for name in hours.models}:
                self._peaks.setdefault(provider, []).append(hours)
        own = (*self.own.discounts, *self.own.deployments, *self.own.free)
        dated: Iterable[Any] = (*self.prices, *self.aliases, *self.multipliers, *self.free_refusals, *own)
        starts_and_ends = {moment for row in dated for moment in (row.valid_from, row.valid_to)} - {None}
        # Frozen: set once, here.
        object.__setattr__(self, "_periods", Steps(starts_and_ends))
        object.__setattr__(self, "_bands", Steps(size for price in self.prices for size in band_starts(price)))

    def has_provider(self, provider: str) -> bool:
        """Whether the book has any price for PROVIDER."""
        return provider in self._providers

    def find_model(self, provider: str, name: str, at: datetime) -> Match | None:
        """The model that NAME stood for at AT, or None when the book does not know it."""
        key = (provider, name, self._periods.step(at))
        try:
            return self._matches[key]
        except KeyError:
            pass
        if len(self._matches) >= MOST_REMEMBERED:
            self._matches.clear()
        match = self._matches[key] = self._match(provider, name, at)
        return match

    def _match(self, provider: str, name: str, at: datetime) -> Match | None:
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
        own = self._own_models.get(key)
        return self._models.get(key, set()) | own if own else self._models.get(key, frozenset())

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
        return self.offer(provider, conditions, at).find(model, component)

    def offer(self, provider: str, conditions: Mapping[str, Any], at: datetime) -> Offer:
        """The rates of PROVIDER under CONDITIONS at AT; the same one for as long as nothing changes."""
        tokens = conditions.get(TOKENS)
        hours = tuple([p.holds(at) for p in self._peaks[provider]]) if provider in self._peaks else ()
        try:
            band = None if tokens is None else self._bands.step(tokens)
            stated = frozenset([(k, v) for k, v in conditions.items() if k != TOKENS])
            key = (provider, self._periods.step(at), band, hours, stated)
            offer = self._offers.get(key)
        except TypeError:  # a condition that cannot be remembered is none of the book's
            return Offer(self, provider, conditions, at)
        if offer is None:
            if len(self._offers) >= MOST_REMEMBERED:
                self._offers.clear()
            offer = self._offers[key] = Offer(self, provider, conditions, at)
        return offer

    def multipliers_of(self, provider: str, model: str) -> list[Multiplier]:
        """The provider's own factors over the rates of MODEL, at any time."""
        return self._factors.get((provider, model), [])

    def rows_of(self, provider: str, model: str, component: str) -> list[Price]:
        """The book's rows for COMPONENT of MODEL, or those for every model of PROVIDER where it has none."""
        return self._rows.get((provider, model, component)) or self._rows.get((provider, EVERY_MODEL, component), [])

    def own_entries(self, provider: str, model: str, at: datetime) -> list[OwnEntry]:
        """The user's own rates for MODEL at AT."""
        return [
            e
            for e in self.own.entries
            if e.first.provider == provider
            and holds(e.first.valid_from, e.first.valid_to, at)
            and self.stands_for(provider, e.first.model, model, at)
        ]

    def hours_of(self, provider: str, model: str, at: datetime) -> str:
        """Whether MODEL costs its `peak` or its `off_peak` rate at AT."""
        name = f"{provider}/{model}"
        return "peak" if any(name in p.models and p.holds(at) for p in self._peaks.get(provider, ())) else "off_peak"

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

    def is_refusal_free(self, provider: str, category: str | None, at: datetime) -> bool:
        """Whether PROVIDER charges nothing for a refusal before any output, about CATEGORY, at AT."""
        return any(
            r.provider == provider and holds(r.valid_from, r.valid_to, at) and category not in r.unless
            for r in self.free_refusals
        )


def _without_date(name: str) -> str | None:
    """`gpt-5.4` for `gpt-5.4-2026-02-11`, `claude-x` for `claude-x-20260211`; None where no date ends the name."""
    head, _, tail = name.rpartition("-")
    if len(tail) == 8 and tail.isdigit() and head:
        return head
    parts = name.rsplit("-", 3)
    if len(parts) == 4 and [len(p) for p in parts[1:]] == [4, 2, 2] and all(p.isdigit() for p in parts[1:]):
        return parts[0]
    return None
