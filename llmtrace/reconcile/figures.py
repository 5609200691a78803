"""What both sides of a comparison are made of: quantities and dollars by UTC day, model and token class."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from llmtrace.errors import ConfigError

INPUT_CLASSES = ("input_uncached", "input_cached", "cache_write", "cache_write_5m", "cache_write_1h", "cache_write_12h")
# Billed by the call, and on the bill without a model.
FEES = frozenset({"web_search", "web_search_preview", "file_search", "code_interpreter", "image_generation"})
STANDARD, BATCH = "standard", "batch"
# The names that the same tier has in answers, in usage reports and in the line items of a bill.
TIERS = {
    None: STANDARD,
    "": STANDARD,
    "default": STANDARD,
    "auto": STANDARD,
    "fast": "priority",
    "message": STANDARD,
    "message_batch": BATCH,
}


@dataclass(frozen=True, slots=True)
class Billed:
    """One figure of the provider's; a quantity, requests or a cost that it does not tell is None.

    `model` is None for what no model is named for; `scope` is the project or workspace that was billed, `key` the id
    of the API key. Requests stand beside one of the classes that they used.
    """

    day: date
    model: str | None
    token_class: str
    tier: str = STANDARD
    scope: str | None = None
    quantity: Decimal | None = None
    cost_usd: Decimal | None = None
    requests: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """All figures that were read: whether they hold quantities, and whether they hold dollars."""

    figures: tuple[Billed, ...]

    @classmethod
    def of(cls, *parts: Iterable[Billed]) -> "Bill":
        """The figures of all PARTS; a quantity that both reports tell is the usage report's, and counts once."""
        figures = [figure for part in parts for figure in part]
        told = {f.token_class for f in figures if f.cost_usd is None and f.quantity is not None}
        return cls(
            tuple(replace(f, quantity=None) if f.cost_usd is not None and f.token_class in told else f for f in figures)
        )

    @property
    def has_quantities(self) -> bool:
        """Whether any figure tells a quantity."""
        return any(f.quantity is not None for f in self.figures)

    @property
    def has_costs(self) -> bool:
        """Whether any figure tells dollars."""
        return any(f.cost_usd is not None for f in self.figures)


def read_tier(value: Any) -> str:
    """VALUE, the name of a service tier, in one spelling for both sides."""
    name = str(value).strip().lower() if value is not None else None
    return TIERS.get(name, name or STANDARD)


def decimal(value: Any, what: str) -> Decimal | None:
    """VALUE exactly; None where it is absent or empty.

    Raises:
        ConfigError: it is no number; WHAT names where it stood.
    """
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ConfigError(f"{what} is {value!r}, which is no number")
    return number


def utc_day(value: Any, what: str) -> date:
    """The UTC day of VALUE: Unix seconds, a date, or an ISO time.

    Raises:
        ConfigError: it is none of them; WHAT names where it stood.
    """
    text = str(value).strip()
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), UTC).date()
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"{what} is {value!r}, which is no day: a date, an ISO time or Unix seconds") from None
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()


def add(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    """The sum of what is known; None where neither is."""
    if left is None or right is None:
        return right if left is None else left
    return left + right
