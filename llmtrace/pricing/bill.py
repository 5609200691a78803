"""The lines of a bill and their sum: quantities × rates ÷ per × named multipliers, in exact decimals."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from llmtrace.model import Cost, CostItem, CostStatus, Quantity
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.facts import PricingFacts
from llmtrace.pricing.offers import EXACT
from llmtrace.pricing.rows import CONDITION_DEFAULTS, OPEN_CONDITIONS, PricedRate

# What a column of the store can hold.
MAX_COST_USD = Decimal(10) ** 6
TWELVE_PLACES = Decimal("0.000000000001")
ONE, NO_USD = Decimal(1), Decimal("0.000000000000")


def priced_item(found: PricedRate, quantity: Quantity, at: datetime, is_own: bool) -> CostItem:
    """QUANTITY at the rate that was FOUND."""
    price = found.price
    if found.unit_usd is not None:
        cost = EXACT.multiply(quantity.amount, found.unit_usd)
    else:
        cost = EXACT.multiply(EXACT.divide(EXACT.multiply(quantity.amount, price.rate_usd), price.per), found.factor)
    return CostItem(
        quantity.component,
        quantity.amount,
        price.unit,
        price.rate_usd,
        price.per,
        found.factor,
        found.factor_names,
        EXACT.quantize(cost, TWELVE_PLACES),
        price.id,
        price.confidence,
        price.source_url,
        _note(found, quantity, at),
        "override" if found.is_own or is_own else price.layer,
    )


def _note(found: PricedRate, quantity: Quantity, at: datetime) -> str | None:
    if quantity.assumption is None and found.price.guaranteed_until is None:
        return None
    expired = _expired(found, at)
    parts = (quantity.assumption, f"promotion guaranteed until {expired:%Y-%m-%d}" if expired else None)
    return "; ".join(p for p in parts if p) or None


def _expired(found: PricedRate, at: datetime) -> datetime | None:
    until = found.price.guaranteed_until
    return until if until is not None and at.date() > until.date() else None


def unpriced_item(model: str, conditions: Mapping[str, Any], quantity: Quantity) -> CostItem:
    """QUANTITY, which has no price as what MODEL bills under CONDITIONS."""
    stated = ", ".join(
        f"{k}={v}" for k, v in conditions.items() if v != CONDITION_DEFAULTS.get(k) and k not in OPEN_CONDITIONS
    )
    return CostItem(
        component=quantity.component,
        quantity=quantity.amount,
        unit=quantity.unit,
        rate_usd=None,
        per=1,
        multiplier=ONE,
        multiplier_reason=None,
        cost_usd=None,
        price_id=None,
        note=f"no price for {quantity.component} of {model}" + (f" with {stated}" if stated else ""),
    )


def sum_up(
    book: PriceBook, facts: PricingFacts, items: tuple[CostItem, ...], committed: bool, unsure: str | None
) -> Cost:
    """The bill that ITEMS add up to; COMMITTED: paid for in advance. UNSURE is what makes it an estimate."""
    total, missing = NO_USD, 0
    notes: list[CostItem] = []
    for item in items:
        if item.cost_usd is None:
            missing += 1
        else:
            total = EXACT.add(total, item.cost_usd)
        if item.note:
            notes.append(item)
    if total >= MAX_COST_USD:
        return Cost("invalid_usage", None, reason=f"one call for {total:.0f} USD", price_book=book.version)
    reason = "; ".join(i.note for i in notes if i.note and i.cost_usd is None) or None if missing else None
    if committed:
        return Cost(
            "committed", None, items, "drawn from a prepaid commitment; items show the list price", book.version
        )
    if missing and missing == len(items):
        return Cost("unpriced", None, items, reason, book.version)
    status = _status(facts, notes, missing > 0, unsure)
    return Cost(status, total, items, reason or _why(facts, notes, unsure), book.version)


def _status(facts: PricingFacts, items: Iterable[CostItem], missing: bool, unsure: str | None) -> CostStatus:
    if missing:
        return "partial"
    if facts.usage_estimated:
        return "estimated"
    if not facts.usage_complete:
        return "lower_bound"
    if unsure:
        return "estimated"
    return "price_expired" if any("promotion guaranteed until" in (i.note or "") for i in items) else "exact"


def _why(facts: PricingFacts, items: list[CostItem], unsure: str | None) -> str | None:
    if facts.usage_estimated:
        return "the provider sent no usage; tokens were counted here"
    if not facts.usage_complete:
        return "the provider's final count did not arrive"
    if unsure is None and not items:
        return None
    notes = {i.note for i in items if i.note}
    if unsure:
        notes.add(unsure)
    return "; ".join(sorted(notes)) or None


def bill_reported(book: PriceBook, facts: PricingFacts, reported_usd: Decimal) -> Cost:
    """The provider's own word for what the call cost, as its only item."""
    amount = reported_usd.quantize(TWELVE_PLACES, context=EXACT)
    if amount >= MAX_COST_USD:
        return Cost("invalid_usage", None, reason=f"one call for {amount:.0f} USD", price_book=book.version)
    item = CostItem(
        component="provider_reported",
        quantity=ONE,
        unit="call",
        rate_usd=amount,
        per=1,
        multiplier=ONE,
        multiplier_reason=None,
        cost_usd=amount,
        price_id=None,
        note=f"the amount that {facts.provider} reported",
        layer="provider",
    )
    status: CostStatus = "provider_reported" if facts.usage_complete else "lower_bound"
    return Cost(status, amount, (item,), item.note, book.version)
