"""A bill: what of a usage is priced, the prices, and what comes of both."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

CostStatus: TypeAlias = Literal[
    "exact",
    "estimated",
    "lower_bound",
    "partial",
    "unpriced",
    "invalid_usage",
    "not_billed",
    "committed",
    "provider_reported",
    "price_expired",
]
NOTHING_STATED: Mapping[str, Any] = MappingProxyType({})


class Quantity(NamedTuple):
    """A disjoint share of a call's usage that one price applies to.

    `model` is set where the share was billed at another model's price than the call's (an advisor's turn). `when` are
    conditions of this share alone, such as an image's size. `optional`: only some models bill it, and usage does not
    tell whether it did; without a price it is left out, with one the cost is an estimate.
    """

    component: str
    amount: Decimal
    unit: str = "token"
    model: str | None = None
    assumption: str | None = None
    when: Mapping[str, Any] = NOTHING_STATED
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """One dated row of the price book: the price of one component of one model under one set of conditions.

    `rate_usd` is what the provider prints, for `per` units. `valid_to` is exclusive; `guaranteed_until` is the last
    day of a promotion that nobody promised to continue. `layer` is `override` for a price of the user's own,
    `genai-prices` for one of that list.
    """

    id: str
    provider: str
    model: str
    component: str
    unit: str
    rate_usd: Decimal
    per: int
    when: Mapping[str, Any]
    valid_from: datetime
    valid_to: datetime | None
    guaranteed_until: datetime | None
    source_url: str
    source_note: str | None
    verified_at: str
    confidence: str
    layer: Literal["book", "override", "genai-prices"] = "book"


class CostItem(NamedTuple):
    """One line of a bill: quantity × rate ÷ per × multiplier. Rate, price id and cost are `None` where unpriced.

    `layer` is where the price comes from: `provider` (it reported the amount), `override` where the user's own prices
    had a part in it, `book`, or `genai-prices`.
    """

    component: str
    quantity: Decimal
    unit: str
    rate_usd: Decimal | None
    per: int
    multiplier: Decimal
    multiplier_reason: str | None
    cost_usd: Decimal | None
    price_id: str | None
    confidence: str | None = None
    source_url: str | None = None
    note: str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost, how sure that is, and the items that add up to it.

    `total_usd` is None where the price is unknown, 0 only where nothing was billed.
    """

    status: CostStatus
    total_usd: Decimal | None
    items: tuple[CostItem, ...] = ()
    reason: str | None = None
    price_book: str | None = None
