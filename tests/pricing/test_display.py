"""Amounts beside US dollars: by the dated rate of their time, said with it, and never where something is unknown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from llmtrace.pricing import load_book
from llmtrace.pricing.display import convert, describe_currency, exchange_at, show
from llmtrace.pricing.own import add_own

TEXT = """
currency:
  code: EUR
  rates:
    - {valid_from: 2026-01-01, per_usd: 0.92}
    - {valid_from: 2026-07-01, per_usd: 0.9}
"""
EUR = describe_currency(add_own(load_book(), TEXT, "prices.yaml"))


def test_without_a_currency_there_is_nothing_beside_dollars() -> None:
    assert describe_currency(load_book()) is None
    assert exchange_at(None, datetime(2026, 8, 1)) is None


@pytest.mark.parametrize(
    ("at", "rate"),
    [
        (datetime(2025, 12, 31, 23), None),
        (datetime(2026, 1, 1), "0.92"),
        (datetime(2026, 6, 30, 23, 59), "0.92"),
        (datetime(2026, 7, 1, tzinfo=UTC), "0.9"),
        (None, None),
    ],
)
def test_a_rate_holds_until_the_next_and_none_before_the_first(at: datetime | None, rate: str | None) -> None:
    found = exchange_at(EUR, at)
    assert (found and found["per_usd"]) == rate


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        ("102.40", "≈ €94.21"),
        ("12345.678", "≈ €11,358.02"),
        ("0.0035", "≈ €0.0032"),
        ("0.0000001", "≈ €0.000000092"),
        ("0", "≈ €0.00"),
    ],
)
def test_an_amount_says_its_rate_and_since_when_that_holds(usd: str, said: str) -> None:
    exchange = exchange_at(EUR, datetime(2026, 6, 1))
    assert exchange is not None
    assert show(usd, exchange) == f"{said} (0.92 EUR for $1, since 2026-01-01)"


def test_an_amount_that_is_not_known_is_not_shown() -> None:
    exchange = {"code": "CHF", "per_usd": "0.8", "since": "2026-01-01T00:00:00Z"}
    assert (convert(None, exchange), show(None, exchange)) == (None, "")
    assert convert(Decimal("0.000000000001"), exchange) == Decimal("0.000000000001")
    assert show("1", exchange).startswith("≈ CHF 0.80 (")
