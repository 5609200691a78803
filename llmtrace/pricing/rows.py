"""What the price files say, as values: all of it is dated, and read from them alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.model import Price

TOKENS_PER_MTOK = 1_000_000
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
    components: frozenset[str] = frozenset()


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
    is_own: bool = False


def holds(valid_from: datetime, valid_to: datetime | None, at: datetime) -> bool:
    """Whether AT is in the interval; its end is exclusive."""
    return valid_from <= at and (valid_to is None or at < valid_to)
