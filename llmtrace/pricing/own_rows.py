"""What the user's own file of prices says, as values."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from llmtrace.model import Price

if TYPE_CHECKING:
    from llmtrace.pricing.book import Multiplier


@dataclass(frozen=True, slots=True)
class Deployment:
    """A name of the user's own at PROVIDER, charged like `model` of `prices_of`."""

    provider: str
    name: str
    model: str
    prices_of: str
    valid_from: datetime
    valid_to: datetime | None


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
class OwnPrices:
    """What the user's file says. `discounts` are multipliers without conditions; a model `*` is any."""

    entries: tuple[OwnEntry, ...] = ()
    discounts: "tuple[Multiplier, ...]" = ()
    deployments: tuple[Deployment, ...] = ()
    free: tuple[Free, ...] = ()
