"""The price book: dated rows with their sources, read from `prices/*.yaml`, looked up by model, component and time.

A price is never overwritten: a new one gets a row with its own start date, so that last month's calls keep last
month's prices. Every condition a provider prices by (tier, batch, speed, geography, request size) is part of a row;
where a call states a condition that no row and no multiplier answers, there is no price, rather than the standard one.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.errors import PriceBookError
from llmtrace.model import Price

TOKENS = "input_tokens"  # a condition that is a range: how large the whole request is
THINKING = "thinking"  # whether the model thought before it answered
HOURS = "hours"  # `peak` or `off_peak`, by the clock
# A row that does not name one of these holds for any of it.
OPEN_CONDITIONS = frozenset({TOKENS, THINKING, HOURS})

# What a call is taken to be where it states nothing else; a row's `when` leaves these out.
CONDITION_DEFAULTS: Mapping[str, Any] = {
    "service_tier": "default",
    "batch": False,
    "speed": "standard",
    "geo": "global",
    "region": None,
    "deployment": "global",
    "size": None,
    "quality": "standard",
    "memory_gb": 1,
}
EVERY_MODEL = "*"  # rows that hold for each model of a provider that has none of its own


@dataclass(frozen=True, slots=True)
class Match:
    """The model of the book that a name stands for, and how it was found: `exact`, `alias` or `family`."""

    model: str
    kind: str


@dataclass(frozen=True, slots=True)
class Alias:
    """What a model name pointed at during an interval; `valid_to` is exclusive."""

    name: str
    model: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A factor that the provider defines over its token rates, such as 1.1 for inference kept in the US."""

    name: str
    factor: Decimal
    when: Mapping[str, Any]
    models: frozenset[str]
    valid_from: datetime
    valid_to: datetime | None
    source_url: str


@dataclass(frozen=True, slots=True)
class FreeRefusals:
    """A time in which PROVIDER does not charge for refusals before any output, but for those about `unless`."""

    provider: str
    unless: frozenset[str]
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class PeakHours:
    """When MODELS cost their peak rate: `spans` are minutes of the day in UTC, `days` ISO weekdays (1 is Monday)."""

    models: frozenset[str]
    spans: tuple[tuple[int, int], ...]
    days: frozenset[int]

    def holds(self, at: datetime) -> bool:
        """Whether AT is in one of them."""
        at = at.astimezone(UTC)
        minute = at.hour * 60 + at.minute
        return at.isoweekday() in self.days and any(start <= minute < end for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class PricedRate:
    """A price together with the multipliers that the call's conditions call for."""

    price: Price
    multipliers: tuple[Multiplier, ...]


@dataclass(frozen=True)
class PriceBook:
    """Rows, aliases and multipliers of every provider in the book. `version` is a hash of the data files."""

    version: str
    prices: tuple[Price, ...]
    aliases: tuple[Alias, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    free_refusals: tuple[FreeRefusals, ...] = ()
    families: frozenset[str] = frozenset()
    peak_hours: tuple[PeakHours, ...] = ()
    _rows: dict[tuple[str, str, str], list[Price]] = field(init=False, repr=False, default_factory=dict)
    _models: dict[tuple[str, str], set[str]] = field(init=False, repr=False, default_factory=dict)
    _providers: set[str] = field(init=False, repr=False, default_factory=set)
    _factors: dict[tuple[str, str], list[Multiplier]] = field(init=False, repr=False, default_factory=dict)
    _found: dict[tuple[Any, ...], list[Price]] = field(init=False, repr=False, default_factory=dict)
    _aliases: dict[tuple[str, str], list[Alias]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rows."""
        for price in self.prices:
            self._rows.setdefault((price.provider, price.model, price.component), []).append(price)
            if price.model != EVERY_MODEL:
                self._models.setdefault((price.provider, price.model), set()).add(price.component)
            self._providers.add(price.provider)
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
            if _holds(alias.valid_from, alias.valid_to, at):
                return Match(alias.model, "alias")
        if (provider, name) in self._models:
            return Match(name, "exact")
        base = _without_date(name)
        if base is not None and f"{provider}/{base}" in self.families:
            found = self.find_model(provider, base, at)
            return None if found is None else Match(found.model, "family")
        return None

    def components(self, provider: str, model: str) -> Set[str]:
        """What MODEL has prices of its own for, at any time."""
        return self._models.get((provider, model), frozenset())

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
        stated = {
            k: v
            for k, v in conditions.items()
            if k not in answered and k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)
        }
        found = [
            price
            for price in self._candidates(provider, model, component, stated)
            if _holds(price.valid_from, price.valid_to, at)
            and _in_range(conditions.get(TOKENS), price.when.get(TOKENS))
            and price.when.get(THINKING) in (None, conditions.get(THINKING))
            and price.when.get(HOURS) in (None, self._hours(provider, model, at))
        ]
        if len(found) > 1:
            raise PriceBookError(f"prices overlap: {', '.join(p.id for p in found)}; end one before the other starts")
        if not found:
            return None
        # Providers define their factors over token prices; a fee per call is the same everywhere.
        return PricedRate(found[0], multipliers if found[0].unit == "token" else ())

    def is_refusal_free(self, provider: str, category: str | None, at: datetime) -> bool:
        """Whether PROVIDER charges nothing for a refusal before any output, about CATEGORY, at AT."""
        return any(
            r.provider == provider and _holds(r.valid_from, r.valid_to, at) and category not in r.unless
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


def _conditions(price: Price) -> dict[str, Any]:
    """What PRICE holds under beside the open conditions; what a row leaves out is the default, not "any"."""
    return {k: v for k, v in price.when.items() if k not in OPEN_CONDITIONS and v != CONDITION_DEFAULTS.get(k)}


def _multiplies(multiplier: Multiplier, conditions: Mapping[str, Any], at: datetime) -> bool:
    return _holds(multiplier.valid_from, multiplier.valid_to, at) and all(
        conditions.get(key) in _any_of(value) for key, value in multiplier.when.items()
    )


def _holds(valid_from: datetime, valid_to: datetime | None, at: datetime) -> bool:
    return valid_from <= at and (valid_to is None or at < valid_to)


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
