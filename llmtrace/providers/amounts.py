"""Counts and amounts in usage objects: what cannot be one reads as absent in a row, and has no bill."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from llmtrace.model import Quantity
from llmtrace.providers.base import as_float, as_int

# Far above any response, and far below what a column of the store can hold.
MAX_COUNT = 1_000_000_000


class InvalidUsage(Exception):
    """A usage object contradicts itself, so that nothing can be billed from it."""


def as_count(value: Any) -> int | None:
    """VALUE if it can be a count of one response, else None."""
    number = as_int(value)
    return number if number is not None and 0 <= number <= MAX_COUNT else None


def read_count(usage: Mapping[str, Any], *names: str) -> int | None:
    """The first of NAMES that USAGE has a count for: what it states otherwise reads as absent."""
    for name in names:
        number = as_count(usage.get(name))
        if number is not None:
            return number
    return None


def as_money(value: Any, below: int = MAX_COUNT) -> Decimal | None:
    """VALUE as an amount of money, BELOW some number of its unit, if it can be one, to the digits sent; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < below else None


def count(usage: Mapping[str, Any], *names: str) -> int | None:
    """The first of NAMES that USAGE states, for a bill; None where it states none.

    Raises:
        InvalidUsage: it is no count of tokens or calls.
    """
    for name in names:
        value = usage.get(name)
        if type(value) is int and 0 <= value <= MAX_COUNT:
            return value
        if value is not None:
            number = as_count(value)
            if number is None:
                raise InvalidUsage(f"{name} is {str(value)[:40]}")
            return number
    return None


def require(usage: Mapping[str, Any], *names: str) -> int:
    """Like `count`, for a number without which there is no bill.

    Raises:
        InvalidUsage: none of NAMES is there, or it is no count.
    """
    value = count(usage, *names)
    if value is None:
        raise InvalidUsage(f"usage has no {' or '.join(names)}")
    return value


def measure(usage: Mapping[str, Any], name: str) -> Decimal | None:
    """NAME of USAGE as an exact decimal, for a bill: seconds or hours, which need not be whole; None if not stated.

    Raises:
        InvalidUsage: it is no amount.
    """
    value = usage.get(name)
    if value is None:
        return None
    number = as_float(value)
    if number is None or not 0 <= number <= MAX_COUNT:
        raise InvalidUsage(f"{name} is {str(value)[:40]}")
    return Decimal(str(value))


def tokens(*amounts: tuple[str, int]) -> list[Quantity]:
    """Tokens by component, without those that there are none of."""
    return [Quantity(component, Decimal(n)) for component, n in amounts if n]
