"""Turns a response's usage into a bill: what is billed, as which model, and at which prices.

The provider's adapter splits usage into disjoint quantities; the book has at most one price for each. What has no
price stays without one: the call is then `partial` or `unpriced`, never cheaper.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from llmtrace.model import NOTHING_STATED, Cost, CostItem, Quantity, RawUsage
from llmtrace.pricing.bill import bill_reported, priced_item, sum_up, unpriced_item
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.facts import PricingFacts
from llmtrace.pricing.fallback import Listed
from llmtrace.pricing.offers import Offer, priced
from llmtrace.pricing.rows import PricedRate
from llmtrace.providers import Billing, InvalidUsage, UsageFamily, find_usage

ZERO = Decimal(0)
# Whose usage objects those of an unknown provider are taken to be like.
GENERIC = "openai"
# Billed with every call of a model that has a price for it.
REQUEST = Quantity("request", Decimal(1), "request")
BY_REQUEST = frozenset({REQUEST.component})


def price_usage(book: PriceBook, usage: RawUsage | None, facts: PricingFacts) -> Cost:
    """The bill for USAGE, the provider's own usage object (or None), under FACTS."""
    if not facts.request_sent or (facts.http_status is not None and facts.http_status >= 400):
        return Cost("not_billed", ZERO, reason="the provider does not charge for a request it did not answer")
    adapter = find_usage(facts.provider)
    match = _find_model(book, adapter, facts) or _find_listed(book, facts)
    if match is not None and adapter is None:
        adapter = find_usage(GENERIC)
    sold: Set[str] = frozenset() if match is None else book.components(match.provider, match.name)
    by_request = sold == BY_REQUEST
    try:
        terms = _read_terms(adapter, usage, facts, match, by_request=by_request)
    except InvalidUsage as err:
        return _free(book, facts) or Cost("invalid_usage", None, reason=str(err), price_book=book.version)
    if terms is not None and terms.reported_usd is not None:
        return bill_reported(book, facts, terms.reported_usd)
    free = _free(book, facts)
    if free is not None:
        return free
    if adapter is None or (match is None and not book.has_provider(facts.provider)):
        return _unpriced(book, f"no prices for provider {facts.provider}")
    if terms is None:
        return _unpriced(book, "the provider reported no usage")
    if match is None:
        return _unpriced(book, _no_model(book, adapter, facts))
    if terms.refused and book.is_refusal_free(match.provider, facts.refusal_category, facts.at):
        return Cost("not_billed", ZERO, reason="refused before any output", price_book=book.version)
    quantities = [q for q in terms.quantities if q.amount]
    return _price_all(book, facts, match, terms, [*quantities, *(REQUEST,) * (REQUEST.component in sold)])


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
    return Cost("not_billed", ZERO, reason=reason, price_book=book.version)


class _Model(NamedTuple):
    """Whose prices a call has, and the conditions that its name states; `is_own`: because the user says so.

    `stated` is what the user says of the deployment. `listed` is where the book does not carry it.
    """

    provider: str
    name: str
    conditions: Mapping[str, Any] = NOTHING_STATED
    stated: Mapping[str, Any] = NOTHING_STATED
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


def _price_all(
    book: PriceBook, facts: PricingFacts, match: _Model, terms: Billing, quantities: Iterable[Quantity]
) -> Cost:
    """The bill for QUANTITIES under TERMS, at the prices of MATCH."""
    conditions = {**terms.conditions, **match.conditions}
    offer = book.offer(match.provider, conditions, facts.at)
    items: list[CostItem] = []
    doubts = [terms.assumption] if terms.assumption else []
    for quantity in quantities:
        stated = {**conditions, **quantity.when} if quantity.when else conditions
        some = book.offer(match.provider, stated, facts.at) if quantity.when else offer
        model, found = _find_price(book, some, match, stated, quantity, facts.at)
        if found is not None:
            items.append(priced_item(found, quantity, facts.at, match.is_own))
            if quantity.optional and quantity.assumption:
                doubts.append(quantity.assumption)
        elif not quantity.optional:
            items.append(unpriced_item(model, stated, quantity))
    if match.listed is not None:
        doubts.append(match.listed.note)
    cost = sum_up(book, facts, tuple(items), terms.committed, next(iter(doubts), None))
    why = book.unpriced.get((match.provider, match.name))
    return cost if why is None or cost.status != "unpriced" else replace(cost, reason=f"{cost.reason}: {why}")


def _find_price(
    book: PriceBook, offer: Offer, match: _Model, conditions: Mapping[str, Any], quantity: Quantity, at: datetime
) -> tuple[str, PricedRate | None]:
    """The model that QUANTITY is billed as, and its price."""
    if match.listed is not None and quantity.model is None:
        price = match.listed.find_price(quantity.component, conditions)
        return match.name, None if price is None else priced(price)
    model = match.name
    if quantity.model is not None:
        other = book.find_model(match.provider, quantity.model, at)
        model = other.model if other is not None else quantity.model
    return model, offer.find(model, quantity.component)


def _no_model(book: PriceBook, adapter: UsageFamily, facts: PricingFacts) -> str:
    named = (book.unpriced.get((facts.provider, adapter.read_model(name)[0])) for name in facts.models)
    why = next((f": {reason}" for reason in named if reason), "")
    return f"no price for model {' or '.join(facts.models) or '(none named)'}{why}"


def _unpriced(book: PriceBook, reason: str) -> Cost:
    return Cost("unpriced", None, reason=reason, price_book=book.version)
