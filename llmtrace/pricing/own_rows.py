"""What the user's own file of prices says, as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from urllib.parse import unquote

from llmtrace.model import Price
from llmtrace.pricing.fallback import Fallback
from llmtrace.pricing.rows import Multiplier, holds


@dataclass(frozen=True, slots=True)
class Deployment:
    """A name of the user's own at PROVIDER, charged like `model` of `prices_of`; without one, like what answered.

    `stated` is what no answer tells: `deployment_type` and `region`.
    """

    provider: str
    name: str
    model: str | None
    prices_of: str
    valid_from: datetime
    valid_to: datetime | None
    stated: Mapping[str, str] = field(default_factory=dict)

    def is_called(self, name: str) -> bool:
        """Whether NAME means this: as it is written, or where one of the two is a path or ARN, by its last part."""
        mine, other = unquote(self.name), unquote(name)
        if "/" in mine and "/" in other:
            return mine == other
        return mine.rpartition("/")[2] == other.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Free:
    """Calls that nobody bills: those that are all that is said here; an empty set restricts nothing."""

    provider: str | None
    hosts: frozenset[str]
    models: frozenset[str]
    valid_from: datetime
    valid_to: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """Rates of the user's own that started together; `keeps_others`: the model's other rows stay in force."""

    prices: tuple[Price, ...]
    keeps_others: bool

    @property
    def first(self) -> Price:
        """One of the rows, for what they have in common."""
        return self.prices[0]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a US dollar was worth in another currency, from `valid_from` until the next."""

    per_usd: Decimal
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Currency:
    """What amounts are shown in beside US dollars; `rates` are in the order of time."""

    code: str
    rates: tuple[Exchange, ...]

    def rate(self, at: datetime) -> Exchange | None:
        """The rate of AT, or None before the first."""
        return next((r for r in reversed(self.rates) if r.valid_from <= at), None)


@dataclass(frozen=True, slots=True)
class OwnPrices:
    """What the user's file says. `discounts` are multipliers without conditions; a model `*` is any."""

    entries: tuple[OwnEntry, ...] = ()
    discounts: tuple[Multiplier, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    free: tuple[Free, ...] = ()
    currency: Currency | None = None
    fallback: Fallback | None = None

    def find_deployment(self, provider: str, names: Iterable[str], at: datetime) -> Deployment | None:
        """What one of NAMES stands for at PROVIDER, or None."""
        named = [d for d in self.deployments if d.provider == provider and holds(d.valid_from, d.valid_to, at)]
        return next((d for name in names for d in named if d.is_called(name)), None)

    def find_free(self, provider: str, host: str | None, names: Iterable[str], at: datetime) -> Free | None:
        """Why nobody bills a call to PROVIDER at HOST, or None."""
        for free in self.free:
            is_there = free.provider in (None, provider) and (not free.hosts or host in free.hosts)
            is_named = not free.models or free.models & set(names)
            if is_there and is_named and holds(free.valid_from, free.valid_to, at):
                return free
        return None
