"""A file of your own prices, and a call that it prices."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.model import Cost
from llmtrace.pricing import PriceBook, PricingFacts, load_book, price_usage
from llmtrace.pricing.own import add_own

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
# gpt-4o by OpenAI's page: $2.50 input, $1.25 cached input, $10 output for a million tokens.
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 400},
}
BOOK_PRICE = Decimal("0.003000000000")  # 600 × 2.50 + 400 × 1.25 + 100 × 10, per million
RATE = """
rates:
  - provider: openai
    model: gpt-4o
    others: OTHERS
    valid_from: 2026-01-01
    valid_to: 2026-07-01
    usd_per_mtok: {input_uncached: 2.00, output: "8"}
"""


def book(text: str) -> PriceBook:
    return add_own(load_book(), text, "prices.yaml")


def cost(of: PriceBook, *models: str, at: datetime = JUNE, provider: str = "openai", **facts: Any) -> Cost:
    return price_usage(of, USAGE, PricingFacts(provider, models or ("gpt-4o-2024-08-06",), at, **facts))


def layers(of: Cost) -> dict[str, str | None]:
    return {item.component: item.layer for item in of.items}


# Kimi K2 0711 by genai-prices: $0.57 input, $2.30 output, no price for cached input.
KIMI = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def kimi(of: PriceBook, usage: Any = KIMI, *models: str, provider: str = "moonshot_ai", **facts: Any) -> Cost:
    return price_usage(of, usage, PricingFacts(provider, models or ("kimi-k2",), JUNE, **facts))
