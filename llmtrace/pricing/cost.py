"""Turns a response's usage into a bill: quantities × rates ÷ per × named multipliers, in exact decimals.

The provider's adapter splits usage into disjoint quantities; the book has at most one price for each. What has no
price stays without one: the call is then `partial` or `unpriced`, never cheaper.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from llmtrace.model import Cost, CostItem, CostStatus, Quantity, RawUsage
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.fallback import Listed
from llmtrace.pricing.rows import CONDITION_DEFAULTS, OPEN_CONDITIONS, PricedRate
from llmtrace.providers import Billing, InvalidUsage, UsageFamily, find_usage

EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN)
# What a column of the store can hold.
MAX_COST_USD = Decimal(10) ** 6
TWELVE_PLACES = Decimal("0.000000000001")
ONE = Decimal(1)
# Whose usage objects those of an unknown provider are taken to be like.
GENERIC = "openai"
# Billed with every call of a model that has a price for it.
REQUEST = Quantity("request", ONE, "request")


@dataclass(frozen=True, slots=True)
class PricingFacts:
    """What a price depends on beside the usage: who answered, when, and under which conditions.

    `models` are the names to try in order: the answered model, then the asked one. `conditions` hold the keys of
    `CONDITION_DEFAULTS`, in the words of the provider's response where it has them.
    """

    provider: str
    models: tuple[str, ...]
    at: datetime
    endpoint: str | None = None
    host: str | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    http_status: int | None = None
    request_sent: bool = True
    finish_reasons: tuple[str, ...] = ()
    refusal_category: str | None = None
    usage_estimated: bool = False
    usage_complete: bool = True


def price_usage(book: PriceBook, usage: RawUsage | None, facts: PricingFacts) -> Cost:
    """The bill for USAGE, the provider's own usage object (or None), under FACTS."""
    if not facts.request_sent or (facts.http_status is not None and facts.http_status >= 400):
        return Cost("not_billed", Decimal(0), reason="the provider does not charge for a request it did not answer")
    adapter = find_usage(facts.provider)
    match = _find_model(book, adapter, facts) or _find_listed(book, facts)
    if match is not None and adapter is None:
        adapter = find_usage(GENERIC)
    priced: Set[str] = frozenset() if match is None else book.components(match.provider, match.name)
    by_request = priced == {REQUEST.component}
    try:
        terms = _read_terms(adapter, usage, facts, match, by_request=by_request)
    except InvalidUsage as err:
        return _free(book, facts) or Cost("invalid_usage", None, reason=str(err), price_book=book.version)
    if terms is not None and terms.reported_usd is not None:
        return _reported(book, facts, terms.reported_usd)
    free = _free(book, facts)
    if free is not None:
        return free
    if adapter is None or (match is None and not book.has_provider(facts.provider)):
        return _unpriced(book, f"no prices for provider {facts.provider}")
    if terms is None:
        return _unpriced(book, "the provider reported no usage")
    if match is None:
        return _unpriced(book, f"no price for model {' or '.join(facts.models) or '(none named)'}")
    if terms.refused and book.is_refusal_free(match.provider, facts.refusal_category, facts.at):
        return Cost("not_billed", Decimal(0), reason="refused before any output", price_book=book.version)
    conditions = {**CONDITION_DEFAULTS, **terms.conditions, **match.conditions}
    quantities = [q for q in terms.quantities if q.amount] + [REQUEST] * (REQUEST.component in priced)
    billed = [(q, _item(book, facts, match, {**conditions, **q.when}, q)) for q in quantities]
    billed = [(q, item) for q, item in billed if item.cost_usd is not None or not q.optional]
    doubts = (terms.assumption, *(q.assumption for q, _ in billed if q.optional), match.listed and match.listed.note)
    unsure = next((doubt for doubt in doubts if doubt), None)
    return _sum_up(book, facts, tuple(item for _, item in billed), terms.committed, unsure)


def _read_terms(
    adapter: UsageFamily | None,
    usage: RawUsage | None,
    facts: PricingFacts,
    match: "_Model | None",
    *,
    by_request: bool,
) -> Billing | None:
    """What ADAPTER reads in USAGE; None where there is nothing to read.

    Raises:
        InvalidUsage: USAGE contradicts itself.
    """
    if adapter is None or (not usage and not by_request):
        return None
    if not usage or by_request:
        return Billing(())
    stated = {**facts.conditions, "provider": facts.provider, "endpoint": facts.endpoint}
    if match is not None:
        stated |= {**match.stated, "provider": match.provider}
    return adapter.bill(usage, stated, facts.finish_reasons)


def _free(book: PriceBook, facts: PricingFacts) -> Cost | None:
    """Nothing, where the user says that nobody bills the call; else None."""
    free = book.own.find_free(facts.provider, facts.host, facts.models, facts.at)
    if free is None:
        return None
    reason = f"free by your own prices{f': {free.note}' if free.note else ''}"
    return Cost("not_billed", Decimal(0), reason=reason, price_book=book.version)


def _reported(book: PriceBook, facts: PricingFacts, reported_usd: Decimal) -> Cost:
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


@dataclass(frozen=True, slots=True)
class _Model:
    """Whose prices a call has, and the conditions that its name states; `is_own`: because the user says so.

    `stated` is what the user says of the deployment. `listed` is where the book does not carry it.
    """

    provider: str
    name: str
    conditions: Mapping[str, Any] = field(default_factory=dict)
    stated: Mapping[str, Any] = field(default_factory=dict)
    is_own: bool = False
    listed: Listed | None = None


def _find_model(book: PriceBook, adapter: UsageFamily | None, facts: PricingFacts) -> _Model | None:
    """The book's model for the answered name, or for the asked one where the answer is a snapshot of it.

    What the user says that one of the names stands for comes first.
    """
    if adapter is None:
        return None
    deployed = book.own.find_deployment(facts.provider, facts.models, facts.at)
    if deployed is not None and deployed.model is not None:
        family = find_usage(deployed.prices_of) or adapter
        name, named = family.read_model(deployed.model)
        match = book.find_model(deployed.prices_of, name, facts.at)
        return None if match is None else _Model(deployed.prices_of, match.model, named, deployed.stated, is_own=True)
    stated = {} if deployed is None else deployed.stated
    for i, name in enumerate(facts.models):
        model, named = adapter.read_model(name)
        if i and not facts.models[0].startswith(name) and facts.models[0] not in model:
            continue
        match = book.find_model(facts.provider, model, facts.at)
        if match is not None:
            return _Model(facts.provider, match.model, named, stated, is_own=deployed is not None)
    return None


def _find_listed(book: PriceBook, facts: PricingFacts) -> _Model | None:
    """The model in the list behind the book, where the user asks for that."""
    listed = book.own.fallback and book.own.fallback.find_model(facts.provider, facts.models, facts.at)
    return _Model(facts.provider, listed.model.id, listed=listed) if listed else None


def _find_price(
    book: PriceBook, facts: PricingFacts, match: _Model, conditions: Mapping[str, Any], quantity: Quantity
) -> tuple[str, PricedRate | None]:
    """The model that QUANTITY is billed as, and its price."""
    if match.listed is not None and quantity.model is None:
        price = match.listed.find_price(quantity.component, conditions)
        return match.name, None if price is None else PricedRate(price, ())
    model = match.name
    if quantity.model is not None:
        other = book.find_model(match.provider, quantity.model, facts.at)
        model = other.model if other is not None else quantity.model
    return model, book.find_price(match.provider, model, quantity.component, conditions, facts.at)


def _item(
    book: PriceBook, facts: PricingFacts, match: _Model, conditions: Mapping[str, Any], quantity: Quantity
) -> CostItem:
    model, found = _find_price(book, facts, match, conditions, quantity)
    if found is None:
        return _unpriced_item(model, conditions, quantity)
    factor = ONE
    for m in found.multipliers:
        factor = EXACT.multiply(factor, m.factor)
    price = found.price
    cost = EXACT.divide(EXACT.multiply(quantity.amount, price.rate_usd), Decimal(price.per))
    return CostItem(
        component=quantity.component,
        quantity=quantity.amount,
        unit=price.unit,
        rate_usd=price.rate_usd,
        per=price.per,
        multiplier=factor,
        multiplier_reason=", ".join(m.name for m in found.multipliers) or None,
        cost_usd=EXACT.multiply(cost, factor).quantize(TWELVE_PLACES, context=EXACT),
        price_id=price.id,
        confidence=price.confidence,
        source_url=price.source_url,
        note=_note(found, quantity, facts.at),
        layer="override" if found.is_own or match.is_own else price.layer,
    )


def _note(found: PricedRate, quantity: Quantity, at: datetime) -> str | None:
    expired = _expired(found, at)
    parts = (quantity.assumption, f"promotion guaranteed until {expired:%Y-%m-%d}" if expired else None)
    return "; ".join(p for p in parts if p) or None


def _expired(found: PricedRate, at: datetime) -> datetime | None:
    until = found.price.guaranteed_until
    return until if until is not None and at.date() > until.date() else None


def _unpriced_item(model: str, conditions: Mapping[str, Any], quantity: Quantity) -> CostItem:
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


def _sum_up(
    book: PriceBook, facts: PricingFacts, items: tuple[CostItem, ...], committed: bool, unsure: str | None
) -> Cost:
    missing = [i for i in items if i.cost_usd is None]
    total = sum((i.cost_usd for i in items if i.cost_usd is not None), Decimal(0)).quantize(TWELVE_PLACES)
    if total >= MAX_COST_USD:
        return Cost("invalid_usage", None, reason=f"one call for {total:.0f} USD", price_book=book.version)
    reason = "; ".join(i.note for i in missing if i.note) or None
    if committed:
        return Cost(
            "committed", None, items, "drawn from a prepaid commitment; items show the list price", book.version
        )
    if missing and len(missing) == len(items):
        return Cost("unpriced", None, items, reason, book.version)
    status = _status(facts, items, bool(missing), unsure)
    return Cost(status, total, items, reason or _why(facts, items, unsure), book.version)


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


def _why(facts: PricingFacts, items: Iterable[CostItem], unsure: str | None) -> str | None:
    if facts.usage_estimated:
        return "the provider sent no usage; tokens were counted here"
    if not facts.usage_complete:
        return "the provider's final count did not arrive"
    notes = {i.note for i in items if i.note} | ({unsure} if unsure else set())
    return "; ".join(sorted(notes)) or None


def _unpriced(book: PriceBook, reason: str) -> Cost:
    return Cost("unpriced", None, reason=reason, price_book=book.version)
