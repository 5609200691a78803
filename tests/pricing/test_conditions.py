"""Tiers, batches, thresholds, regions and fees: what decides a rate, and what no rate answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pricing.counting import amounts, anthropic, chat, message, openai, usd

from llmtrace.pricing import price


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, "0.0225"),  # 10,000 × 1.25 + 1,000 × 10.00
        ({"service_tier": "default"}, "0.0225"),
        ({"service_tier": "flex"}, "0.01125"),  # 10,000 × 0.625 + 1,000 × 5.00
        ({"service_tier": "priority"}, "0.045"),  # 10,000 × 2.50 + 1,000 × 20.00
        ({"service_tier": "fast"}, "0.045"),
        ({"batch": True}, "0.01125"),
        ({"batch": True, "service_tier": "default"}, "0.01125"),
    ],
)
def test_tier_and_batch_decide_the_rate(context: dict[str, Any], expected: str) -> None:
    assert usd(openai(chat(10_000, 1000), "gpt-5-2025-08-07", "2026-03-01", **context)) == expected


def test_priority_request_that_was_downgraded_costs_the_standard_rate() -> None:
    # https://developers.openai.com/api/docs/guides/priority-processing
    asked = {"service_tier": "default", "requested_service_tier": "priority"}
    assert usd(openai(chat(10_000, 1000), "gpt-5-2025-08-07", "2026-03-01", **asked)) == "0.0225"


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (272_000, "0.695"),  # 272,000 × 2.50 + 1,000 × 15.00
        (272_001, "1.382505"),  # 272,001 × 5.00 + 1,000 × 22.50
    ],
)
def test_one_token_more_than_the_threshold_reprices_the_whole_request(tokens: int, expected: str) -> None:
    assert usd(openai(chat(tokens, 1000), "gpt-5.4-2026-03-05", "2026-06-01")) == expected


def test_cached_tokens_count_towards_the_threshold() -> None:
    # 100,000 tokens: 1 × 0.10 + 99,999 × 0.01 + 1,000 × 0.50. One more: 1 × 0.50 + 100,000 × 0.05 + 1,000 × 2.50.
    below = anthropic(message(1, 1000, read=99_999), "claude-haiku-5-5", "2026-10-15")
    above = anthropic(message(1, 1000, read=100_000), "claude-haiku-5-5", "2026-10-15")
    assert (usd(below), usd(above)) == ("0.00150009", "0.0075005")


def test_batch_of_anthropic_is_read_from_usage_and_halves_cache_rates_too() -> None:
    # 10,000 × 1.50 + 20,000 × 0.15 + 1,000 × 7.50
    usage = message(10_000, 1000, read=20_000, service_tier="batch")
    assert usd(anthropic(usage, "claude-sonnet-4-6", "2026-05-01")) == "0.0255"


def test_fast_mode_is_read_from_usage() -> None:
    # 10,000 × 10 + 2,000 × 50, and 10,000 × 5 + 2,000 × 25 where it ran at standard speed
    assert usd(anthropic(message(10_000, 2000, speed="fast"), "claude-opus-5", "2026-08-15")) == "0.2"
    slow = anthropic(message(10_000, 2000, speed="standard"), "claude-opus-5", "2026-08-15", requested_speed="fast")
    assert usd(slow) == "0.1"


def test_fast_mode_has_no_price_after_its_removal() -> None:
    usage = message(1000, 100, speed="fast")
    assert anthropic(usage, "claude-opus-4-8", "2026-11-29").status == "exact"
    assert anthropic(usage, "claude-opus-4-8", "2026-11-30").status == "unpriced"


def test_inference_in_the_us_multiplies_every_token_rate() -> None:
    # (10,000 × 5 + 20,000 × 0.50 + 1,000 × 25) × 1.1
    usage = message(10_000, 1000, read=20_000, inference_geo="us")
    cost = anthropic(usage, "claude-opus-4-8", "2026-08-15")
    assert usd(cost) == "0.0935"
    assert {(i.multiplier, i.multiplier_reason) for i in cost.items} == {(Decimal("1.1"), "inference_geo_us")}


def test_geography_does_not_multiply_a_fee_per_search() -> None:
    # 10,000 × 5 × 1.1 + 1 × 10 / 1,000: the factor is over token prices
    usage = message(10_000, 0, inference_geo="us", server_tool_use={"web_search_requests": 1})
    assert amounts(anthropic(usage, "claude-opus-4-8", "2026-08-15")) == {
        "input_uncached": "0.055",
        "web_search": "0.01",
    }


def test_regional_processing_costs_a_tenth_more_for_models_since_march_2026() -> None:
    # 1,000 × 0.75 × 1.1 + 100 × 4.50 × 1.1
    assert usd(openai(chat(1000, 100), "gpt-5.4-mini", "2026-06-01", regional_processing="us")) == "0.00132"


def test_regional_processing_of_an_older_model_costs_no_more() -> None:
    # 1,000 × 2.00 + 100 × 8.00
    assert usd(openai(chat(1000, 100), "gpt-4.1", "2026-06-01", regional_processing="eu")) == "0.0028"


@pytest.mark.parametrize(
    ("provider", "model", "context"),
    [
        ("openai", "gpt-5-2025-08-07", {"service_tier": "platinum"}),
        ("openai", "gpt-5-2025-08-07", {"service_tier": 7}),
        ("openai", "gpt-4o-2024-08-06", {"service_tier": "flex"}),
        ("openai", "gpt-5.4-mini", {"regional_processing": "mars"}),
        ("openai", "gpt-3.5-turbo-instruct", {"batch": True}),
        ("anthropic", "claude-sonnet-5", {"service_tier": "flex"}),
        ("anthropic", "claude-sonnet-5", {"speed": "fast"}),
        ("anthropic", "claude-sonnet-5", {"geo": "eu"}),
        ("anthropic", "claude-haiku-4-5", {"geo": "us"}),
    ],
)
def test_condition_without_a_price_is_unpriced_rather_than_standard(
    provider: str, model: str, context: dict[str, Any]
) -> None:
    usage = chat(1000, 100) if provider == "openai" else message(1000, 100)
    cost = price(usage, provider, model, datetime(2026, 10, 20, tzinfo=UTC), context=context)
    assert (cost.status, cost.total_usd) == ("unpriced", None)
    assert "no price for input_uncached" in (cost.reason or "")


def test_tier_that_is_paid_in_advance_draws_from_the_commitment() -> None:
    cost = openai(chat(1000, 100), "gpt-5-2025-08-07", "2026-06-01", service_tier="scale")
    assert (cost.status, cost.total_usd) == ("committed", None)
    # 1,000 × 1.25 and 100 × 10, which is what the list says
    assert amounts(cost) == {"input_uncached": "0.00125", "output": "0.001"}


def test_tier_that_was_asked_for_and_not_told_makes_an_estimate() -> None:
    cost = openai(chat(1000, 100), "gpt-5-2025-08-07", "2026-06-01", service_tier="auto")
    assert (cost.status, usd(cost)) == ("estimated", "0.00225")
    assert "'auto'" in (cost.reason or "")


def test_condition_that_pricing_does_not_know_has_no_price() -> None:
    cost = openai(chat(1, 1), "gpt-4o", "2026-06-01", weekday="monday")
    assert (cost.status, cost.total_usd, cost.reason) == ("unpriced", None, "no price by weekday")


@pytest.mark.parametrize("usage", ["1000 tokens", 7, [1], object()])
def test_what_is_no_usage_object_is_invalid_usage(usage: Any) -> None:
    cost = price(usage, "openai", "gpt-4o", datetime(2026, 6, 1, tzinfo=UTC))
    assert (cost.status, cost.total_usd) == ("invalid_usage", None)


def test_cache_writes_without_a_split_are_kept_as_long_as_the_caller_states() -> None:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 1000, "output_tokens": 10}
    # 5 × 3 + 1,000 × 6 + 10 × 15
    assert usd(anthropic(usage, "claude-sonnet-4-5", "2026-05-01", cache_ttl="1h")) == "0.006165"
    cost = anthropic(usage, "claude-sonnet-4-5", "2026-05-01", cache_ttl="3h")
    assert (cost.status, cost.reason) == ("partial", "no price for cache_write_3h of claude-sonnet-4-5-20250929")


def test_web_searches_cost_a_fee_each() -> None:
    # 12,500 × 1.75 + 900 × 14.00 + 3 × 10 / 1,000
    assert usd(openai(chat(12_500, 900), "gpt-5.2", "2026-02-01", web_search_calls=3, tool="web_search")) == "0.064475"


def test_preview_of_web_search_costs_more_on_models_that_do_not_reason() -> None:
    # 2 × 25 / 1,000, and 2 × 10 / 1,000
    fees = {"web_search_calls": 2, "tool": "web_search_preview"}
    assert amounts(openai(chat(1, 0), "gpt-4o", "2026-02-01", **fees))["web_search_preview"] == "0.05"
    assert amounts(openai(chat(1, 0), "gpt-5", "2026-02-01", **fees))["web_search_preview"] == "0.02"


def test_batch_does_not_discount_web_searches() -> None:
    # 7 × 10 / 1,000
    usage = message(1000, 500, service_tier="batch", server_tool_use={"web_search_requests": 7})
    assert amounts(anthropic(usage, "claude-haiku-4-5", "2026-05-01"))["web_search"] == "0.07"


def test_fee_that_nobody_can_know_makes_the_bill_partial() -> None:
    # Code runs in a container that many calls may share, and whose sessions nobody stated.
    cost = openai(chat(1000, 100), "gpt-4.1-mini", "2026-02-01", code_interpreter_calls=1)
    assert (cost.status, usd(cost)) == ("partial", "0.00056")
    assert "code_interpreter" in (cost.reason or "")


def test_search_that_bills_a_block_of_tokens_is_an_estimate() -> None:
    # 1,000 × 0.40 + 100 × 1.60 per million; 2 searches × 10 / 1,000; and 2 × 8,000 × 0.40 per million, of which the
    # price page does not say whether usage contains them: 0.00056 + 0.02 + 0.0064.
    cost = openai(chat(1000, 100), "gpt-4.1-mini", "2026-02-01", web_search_calls=2, tool="web_search")
    assert (cost.status, usd(cost)) == ("estimated", "0.02696")
    assert "8,000" in (cost.reason or "")


def test_search_of_a_model_without_blocks_bills_no_block() -> None:
    # 1,000 × 2.50 + 100 × 10.00 per million, and 2 × 10 / 1,000.
    cost = openai(chat(1000, 100), "gpt-4o-2024-08-06", "2026-02-01", web_search_calls=2, tool="web_search")
    assert (cost.status, usd(cost)) == ("exact", "0.0235")
    assert "web_search_content" not in {i.component for i in cost.items}
