"""Amounts in the currency that the user's own prices name, beside US dollars; what is stored stays in dollars.

A currency is told as `{"code": "EUR", "rates": [{"since": ..., "per_usd": "0.92"}]}`, so that a sidecar can tell it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.pricing.book import PriceBook

TWELVE_PLACES = Decimal("0.000000000001")
SIGNS = {"EUR": "€", "GBP": "£", "INR": "₹", "JPY": "¥"}


def describe_currency(book: PriceBook) -> dict[str, Any] | None:
    """The currency that BOOK's amounts are shown in beside US dollars, or None."""
    currency = book.own.currency
    if currency is None:
        return None
    rates = [{"since": f"{r.valid_from:%Y-%m-%dT%H:%M:%SZ}", "per_usd": f"{r.per_usd:f}"} for r in currency.rates]
    return {"code": currency.code, "rates": rates}


def exchange_at(currency: Mapping[str, Any] | None, at: datetime | None) -> dict[str, Any] | None:
    """Code, `per_usd` and `since` of CURRENCY's rate at AT (naive: UTC); None where there is none."""
    if currency is None or at is None:
        return None
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    held = [r for r in currency["rates"] if datetime.fromisoformat(r["since"]) <= moment]
    return {"code": currency["code"], **held[-1]} if held else None


def convert(usd: Decimal | str | None, exchange: Mapping[str, Any]) -> Decimal | None:
    """USD in the currency of EXCHANGE, to twelve places; unknown stays so."""
    return None if usd is None else (Decimal(usd) * Decimal(exchange["per_usd"])).quantize(TWELVE_PLACES)


def show(usd: Decimal | str | None, exchange: Mapping[str, Any]) -> str:
    """USD for people, with the rate: `≈ €94.21 (0.92 EUR for $1, since 2026-11-01)`; empty where it is not known."""
    amount = convert(usd, exchange)
    if amount is None:
        return ""
    digits = f"{amount:,.2f}" if abs(amount) >= 1 or not amount else f"{amount:.2g}"
    if abs(amount) < 1 and amount:
        digits = f"{Decimal(digits):f}"
    sign = SIGNS.get(exchange["code"], f"{exchange['code']} ")
    return f"≈ {sign}{digits} ({exchange['per_usd']} {exchange['code']} for $1, since {exchange['since'][:10]})"
