"""What a call costs: a dated book of prices, and exact arithmetic over it."""

from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.calls import price_call
from llmtrace.pricing.cost import price_usage
from llmtrace.pricing.current import CurrentPrices, current_book
from llmtrace.pricing.facts import PricingFacts
from llmtrace.pricing.public import price
from llmtrace.pricing.reading import load_book

__all__ = [
    "CurrentPrices",
    "PriceBook",
    "PricingFacts",
    "current_book",
    "load_book",
    "price",
    "price_call",
    "price_usage",
]
