"""The other list of prices behind the book, where it is asked for."""

import dataclasses
import sys
from decimal import Decimal
from typing import Any

import pytest
from pricing.own_prices import BOOK_PRICE, KIMI, book, cost, kimi, layers
from samples import make_call

from llmtrace.model import Request, Response, Usage
from llmtrace.pricing import load_book, price_call
from llmtrace.pricing.fallback import load_fallback

FALLBACK = "fallback: genai-prices\n"


def test_a_model_that_nobody_here_knows_has_no_price_unless_you_ask_for_the_other_list() -> None:
    assert kimi(book("")).status == "unpriced"
    found = kimi(book(FALLBACK))
    assert (found.status, found.total_usd) == ("estimated", Decimal("0.000800000000"))  # 1000 × 0.57 + 100 × 2.30
    assert layers(found) == {"input_uncached": "genai-prices", "output": "genai-prices"}
    assert "genai-prices" in (found.reason or "")
    assert all((i.price_id or "").startswith("genai-prices/moonshotai/kimi-k2/") for i in found.items)


def test_the_other_list_is_not_asked_about_what_the_book_carries() -> None:
    mine = book(FALLBACK)
    assert cost(mine) == dataclasses.replace(cost(load_book()), price_book=mine.version)
    tier = cost(mine, "gpt-4-0613", conditions={"service_tier": "flex"})
    assert (tier.status, set(layers(tier).values())) == ("unpriced", {None})


@pytest.mark.parametrize(
    ("usage", "facts", "status"),
    [
        ({**KIMI, "prompt_tokens_details": {"cached_tokens": 400}}, {}, "partial"),
        (KIMI, {"conditions": {"batch": True}}, "unpriced"),
        (KIMI, {"provider": "nobody"}, "unpriced"),
        (None, {}, "unpriced"),
    ],
    ids=["no price for a component", "a condition", "an unknown provider", "no usage"],
)
def test_what_the_other_list_does_not_say_is_not_guessed(usage: Any, facts: dict[str, Any], status: str) -> None:
    assert kimi(book(FALLBACK), usage, **facts).status == status


def test_the_other_list_prices_a_provider_that_only_a_span_tells_of() -> None:
    request = Request("moonshotai", "chat", None, model="kimi-k2")
    call = make_call(1, request=request, response=Response(), usage=Usage(input_tokens=1000, output_tokens=100))
    assert price_call(book(FALLBACK), call).total_usd == Decimal("0.000800000000")
    assert price_call(load_book(), call).status == "unpriced"


def test_the_other_list_never_takes_one_providers_price_for_anothers() -> None:
    mine = book(FALLBACK)
    assert cost(mine, "gpt-4o", provider="azure.ai.openai").status == "unpriced"  # which of Azure's, it does not say
    items = cost(mine, "o1", provider="azure.ai.openai").items
    assert {(i.price_id or "").split("/")[1] for i in items} == {"azure"}


@pytest.mark.expects_warning
def test_without_the_package_the_book_is_in_force_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    load_fallback.cache_clear()
    try:
        mine, again = book(FALLBACK), book(FALLBACK + "# again")
    finally:
        load_fallback.cache_clear()
    assert {kimi(mine).status, kimi(again).status} == {"unpriced"}
    assert cost(mine).total_usd == BOOK_PRICE
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "pip install 'llmtrace-sidecar[genai-prices]'" in caplog.text
