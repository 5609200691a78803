"""What the price book holds: the rows of one model, and how fresh the whole is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from llmtrace.model import Price
from llmtrace.pricing.book import EVERY_MODEL, PriceBook
from llmtrace.pricing.display import describe_currency, exchange_at
from llmtrace.pricing.fallback import PACKAGE
from llmtrace.pricing.rows import Multiplier


def list_prices(book: PriceBook, model: str, provider: str | None, at: datetime) -> list[Price]:
    """Rows of BOOK that hold at AT for whatever MODEL, a name or an alias, stood for then; of PROVIDER, if given."""
    found = []
    for name in sorted({p.provider for p in book.prices}):
        match = book.find_model(name, model, at) if provider in (None, name) else None
        if match is not None:
            found += [p for p in book.rows(name, match.model) if holds(p, at) and p.layer == "book"]
            found += [
                p
                for p in book.prices
                if p.layer == "override"
                and p.provider == name
                and holds(p, at)
                and book.stands_for(name, p.model, match.model, at)
            ]
    return sorted(found, key=lambda p: (p.provider, len(p.when)))


def list_factors(book: PriceBook, prices: Iterable[Price], at: datetime) -> list[Multiplier]:
    """The factors that a provider defines over PRICES at AT."""
    rows = list(prices)
    models = {f"{p.provider}/{p.model}" for p in rows}
    own = {d.name: d for p in rows if p.layer == "book" for d in book.find_discounts(p, at)}
    return [*(m for m in book.multipliers if m.models & models and holds(m, at)), *own.values()]


def list_names(book: PriceBook, provider: str | None) -> dict[str, datetime]:
    """Every model and alias of PROVIDER, or of all, with the first day that it has a price of."""
    names: dict[str, datetime] = {}
    for price in book.prices:
        if provider in (None, price.provider) and price.model != EVERY_MODEL:
            names[price.model] = min(price.valid_from, names.get(price.model, price.valid_from))
    for alias in book.aliases:
        owner, _, name = alias.name.partition("/")
        if provider in (None, owner):
            names[name] = min(alias.valid_from, names.get(name, alias.valid_from))
    return names


def holds(row: Price | Multiplier, at: datetime) -> bool:
    """Whether ROW is one of AT."""
    return row.valid_from <= at and (row.valid_to is None or at < row.valid_to)


def summarise_book(book: PriceBook, now: datetime) -> dict[str, Any]:
    """How many rows BOOK has of each provider, when they were checked, and what NOW makes doubtful of them."""
    by_provider: dict[str, list[Price]] = {}
    bundled = [p for p in book.prices if p.layer == "book"]
    for price in bundled:
        by_provider.setdefault(price.provider, []).append(price)
    lapsed = [p for p in book.prices if holds(p, now) and _is_past_guarantee(p, now)]
    return {
        "version": book.version,
        "rows": len(book.prices),
        **_checks(bundled),
        "own": {
            "rates": sum(len(e.prices) for e in book.own.entries),
            "discounts": len(book.own.discounts),
            "deployments": len(book.own.deployments),
            "free": len(book.own.free),
        },
        "currency": exchange_at(describe_currency(book), now),
        "fallback": None if book.own.fallback is None else f"{PACKAGE} {book.own.fallback.version}",
        "providers": [
            {
                "provider": provider,
                "models": len({p.model for p in prices} - {EVERY_MODEL}),
                "rows": len(prices),
                "valid": sum(holds(p, now) for p in prices),
                **_checks(p for p in prices if holds(p, now)),
            }
            for provider, prices in sorted(by_provider.items())
        ],
        "expired_promotions": [_noted(p, p.guaranteed_until) for p in lapsed],
        "scheduled_changes": [_noted(p, p.valid_from) for p in book.prices if p.valid_from > now],
    }


def _is_past_guarantee(price: Price, now: datetime) -> bool:
    return price.guaranteed_until is not None and now.date() > price.guaranteed_until.date()


def _checks(prices: Iterable[Price]) -> dict[str, str | None]:
    """The days on which the prices were read where they are printed: the first and the last."""
    days = sorted(p.verified_at for p in prices)
    return {"oldest": days[0] if days else None, "newest": days[-1] if days else None}


def _noted(price: Price, on: datetime | None) -> dict[str, Any]:
    return {"price_id": price.id, "on": None if on is None else f"{on:%Y-%m-%d}", "source_url": price.source_url}
