"""Reads a span of whatever dialect as a call, and prices it."""

import logging
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from llmtrace import dialects, semconv
from llmtrace.model import Call, Cost, Span
from llmtrace.pricing import PriceBook, price_call
from llmtrace.rules import Rules
from llmtrace.store.base import PricedCall
from llmtrace.store.rows import environment_of

# What the store's columns hold: a larger figure is no cost of a call, whatever its span says.
MOST_USD = Decimal(10) ** 6
MOST_UNITS = Decimal(10) ** 12
log = logging.getLogger("llmtrace.ingest")


def price_span(book: PriceBook, span: Span) -> PricedCall | None:
    """The call that SPAN tells of with its price by BOOK; None when it is not a call to a provider."""
    reading = dialects.read(span)
    if reading is None:
        return None
    cost = _cost(book, reading.call)
    if reading.doubt is not None and cost.status == "exact":
        cost = replace(cost, status="estimated", reason=reading.doubt)
    service = span.resource.get(semconv.SERVICE_NAME)
    named = service if isinstance(service, str) else None
    environment = environment_of(span)
    return PricedCall(reading.call, cost, named, environment, span.scope)


def attribute(priced: PricedCall, rules: Rules) -> PricedCall:
    """PRICED with the feature that RULES name, where nobody did."""
    call = rules.apply(priced.call, priced.service, priced.environment)
    return priced if call is priced.call else replace(priced, call=call)


def price_again(book: PriceBook, priced: PricedCall) -> PricedCall:
    """PRICED, whose call has changed, with its price by BOOK."""
    return replace(priced, cost=_cost(book, priced.call))


def _cost(book: PriceBook, call: Call) -> Cost:
    try:
        cost = price_call(book, call)
    except InvalidOperation:  # more digits than fifty: no count, and no bug either
        return _beyond(book)
    except Exception as err:  # one call that cannot be priced must not stop the rest: it is stored unpriced
        log.exception("a call could not be priced")
        return Cost("unpriced", None, reason=f"pricing failed: {err!r}", price_book=book.version)
    if abs(cost.total_usd or Decimal(0)) >= MOST_USD or any(i.quantity >= MOST_UNITS for i in cost.items):
        return _beyond(book)
    return cost


def _beyond(book: PriceBook) -> Cost:
    return Cost("invalid_usage", None, reason="the usage is beyond any call's", price_book=book.version)
