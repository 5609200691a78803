"""Bills worked by hand from the providers' price pages, and calls that must not get a plain price.

Prices: https://developers.openai.com/api/docs/pricing and https://platform.claude.com/docs/en/about-claude/pricing.
Every sum is written out beside the test, in dollars per million tokens.
"""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.errors import PriceBookError
from llmtrace.model import Cost
from llmtrace.pricing import load_book, price
from llmtrace.pricing.reading import read_book
from llmtrace.pricing.rows import CONDITION_DEFAULTS


def openai(usage: Any, model: str, at: str, **context: Any) -> Cost:
    return price(usage, "openai", model, datetime.fromisoformat(at).replace(tzinfo=UTC), context=context)


def anthropic(usage: Any, model: str, at: str, **context: Any) -> Cost:
    return price(usage, "anthropic", model, datetime.fromisoformat(at).replace(tzinfo=UTC), context=context)


def chat(prompt: int, completion: int, cached: int = 0, written: int = 0, **details: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": details,
    }


def message(fresh: int, output: int, read: int = 0, written: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": output,
        **more,
    }


def usd(cost: Cost) -> str:
    assert cost.total_usd is not None, cost.reason
    return format(cost.total_usd.normalize(), "f")


def amounts(cost: Cost) -> dict[str, str]:
    return {i.component: format(i.cost_usd.normalize(), "f") for i in cost.items if i.cost_usd is not None}


# --- tokens of OpenAI ------------------------------------------------------------------------------------------------


def test_input_and_output_have_a_rate_each() -> None:
    # 1,200 × 2.00 + 300 × 8.00
    cost = openai(chat(1200, 300), "gpt-4.1-2025-04-14", "2025-06-01")
    assert (cost.status, usd(cost)) == ("exact", "0.0048")
    assert amounts(cost) == {"input_uncached": "0.0024", "output": "0.0024"}


def test_cached_tokens_are_billed_once_at_the_cached_rate() -> None:
    # 3,000 of which 2,048 cached: 952 × 2.50 + 2,048 × 1.25 + 500 × 10.00
    cost = openai(chat(3000, 500, cached=2048), "gpt-4o-2024-08-06", "2024-10-15")
    assert amounts(cost) == {"input_uncached": "0.00238", "input_cached": "0.00256", "output": "0.005"}
    assert usd(cost) == "0.00994"


def test_written_tokens_are_part_of_the_input_and_cost_a_quarter_more() -> None:
    # 10,000 of which 4,000 cached and 5,000 written: 1,000 × 2.00 + 4,000 × 0.20 + 5,000 × 2.50 + 100 × 12.00
    cost = openai(chat(10_000, 100, cached=4000, written=5000), "gpt-5.6-terra", "2026-09-01")
    assert usd(cost) == "0.0165"


def test_writes_kept_for_twelve_hours_cost_twice_as_much() -> None:
    # 48,000 × 2.50, after 1.25 for 30 minutes; https://developers.openai.com/api/docs/models/gpt-6.1-terra
    usage = chat(48_000, 0, written=48_000)
    assert usd(openai(usage, "gpt-6.1-terra", "2026-11-01", cache_ttl="12h")) == "0.12"
    assert usd(openai(usage, "gpt-6.1-terra", "2026-11-01")) == "0.06"


def test_reasoning_and_rejected_predictions_are_in_the_output_already() -> None:
    # 1,000 × 1.10 + 2,000 × 4.40
    cost = openai(chat(1000, 2000, reasoning_tokens=1500, rejected_prediction_tokens=200), "o4-mini", "2025-07-01")
    assert usd(cost) == "0.0099"


def test_audio_has_its_own_rates() -> None:
    # 120 × 2.50 + 600 × 40.00 + 80 × 10.00 + 900 × 80.00
    usage = {
        "prompt_tokens": 720,
        "completion_tokens": 980,
        "prompt_tokens_details": {"audio_tokens": 600},
        "completion_tokens_details": {"audio_tokens": 900},
    }
    assert usd(openai(usage, "gpt-4o-audio-preview-2024-12-17", "2025-02-01")) == "0.0971"


def test_embedding_has_only_input() -> None:
    # 8,000 × 0.02
    assert (
        usd(openai({"prompt_tokens": 8000, "total_tokens": 8000}, "text-embedding-3-small", "2024-06-01")) == "0.00016"
    )


def test_fine_tuned_model_has_the_rates_of_fine_tuned_models() -> None:
    # 1,000 × 3.75 + 100 × 15.00
    assert usd(openai(chat(1000, 100), "ft:gpt-4o-2024-08-06:acme::abc123", "2024-10-15")) == "0.00525"


# --- tokens of Anthropic ---------------------------------------------------------------------------------------------


def test_cache_reads_and_writes_come_on_top_of_the_input() -> None:
    # 1,000 × 3 + 10,000 × 0.30 + 2,000 × 3.75 + 1,000 × 6 + 500 × 15
    split = {"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 1000}
    usage = message(1000, 500, read=10_000, written=3000, cache_creation=split)
    cost = anthropic(usage, "claude-sonnet-4-5-20250929", "2025-12-01")
    assert amounts(cost) == {
        "input_uncached": "0.003",
        "input_cached": "0.003",
        "cache_write_5m": "0.0075",
        "cache_write_1h": "0.006",
        "output": "0.0075",
    }
    assert (cost.status, usd(cost)) == ("exact", "0.027")


def test_write_of_unknown_retention_is_taken_as_five_minutes_and_says_so() -> None:
    # 4,000 × 3.75
    cost = anthropic(message(0, 0, written=4000), "claude-sonnet-4-5", "2025-12-01")
    assert usd(cost) == "0.015"
    assert "5-minute" in (cost.reason or "")


def test_rates_are_those_printed_and_not_those_that_a_rule_of_thumb_would_give() -> None:
    # 1,000,000 × 0.30 and × 0.03, not 1.25 × 0.25 and 0.1 × 0.25
    cost = anthropic(message(0, 0, read=1_000_000, written=1_000_000), "claude-3-haiku-20240307", "2025-10-20")
    assert amounts(cost) == {"input_cached": "0.03", "cache_write_5m": "0.3"}


def test_compaction_is_billed_although_the_totals_leave_it_out() -> None:
    # Shown: 23,000 × 5 + 1,000 × 25. Compaction: 180,000 × 5 + 3,500 × 25.
    # https://platform.claude.com/docs/en/build-with-claude/compaction
    turns = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1000},
    ]
    assert usd(anthropic(message(23_000, 1000, iterations=turns), "claude-opus-5", "2026-08-15")) == "1.1275"


def test_advisor_is_billed_at_the_price_of_its_own_model() -> None:
    # Executor: 1,000 × 2 + 100 × 10. Advisor: 800 × 5 + 200 × 25.
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
    advice = {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 800, "output_tokens": 200}
    assert usd(anthropic(message(1000, 100, iterations=[advice]), "claude-sonnet-5", "2026-08-15")) == "0.012"


# --- conditions ------------------------------------------------------------------------------------------------------


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


# --- fees ------------------------------------------------------------------------------------------------------------


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


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2024-09-15", "0.0065"),  # 1,000 × 5.00 + 100 × 15.00: still gpt-4o-2024-05-13
        ("2024-10-01T23:59:59", "0.0065"),
        ("2024-10-02", "0.0035"),  # 1,000 × 2.50 + 100 × 10.00
    ],
)
def test_alias_costs_what_the_snapshot_of_that_day_costs(at: str, expected: str) -> None:
    assert usd(openai(chat(1000, 100), "gpt-4o", at)) == expected


def test_price_cut_does_not_reach_earlier_calls() -> None:
    # 1,000 × 1.00 + 100 × 6.00, then 1,000 × 0.20 + 100 × 1.20
    assert usd(openai(chat(1000, 100), "gpt-5.6-luna", "2026-07-29T23:59:59")) == "0.0016"
    assert usd(openai(chat(1000, 100), "gpt-5.6-luna", "2026-07-30")) == "0.00032"


def test_cut_of_one_component_leaves_the_others() -> None:
    # 100,000 × 0.20 then × 0.10; input and output keep their rates
    usage = message(1000, 100, read=100_000)
    before, after = (anthropic(usage, "claude-sonnet-5-5", day) for day in ("2026-10-06", "2026-10-07"))
    assert amounts(before) == {"input_uncached": "0.002", "input_cached": "0.02", "output": "0.001"}
    assert amounts(after) == {"input_uncached": "0.002", "input_cached": "0.01", "output": "0.001"}


def test_call_before_the_first_price_is_unpriced() -> None:
    assert openai(chat(1000, 100), "gpt-5-2025-08-07", "2025-08-06").total_usd is None
    assert openai(chat(1000, 100), "gpt-5", "2025-08-06").total_usd is None


def test_promotion_past_its_guarantee_is_priced_and_flagged() -> None:
    # 1,000 × 4.00 + 100 × 20.00: "at least through November 21, 2026"
    last = openai(chat(1000, 100), "gpt-5.6-sol", "2026-11-21T23:59:59")
    after = openai(chat(1000, 100), "gpt-5.6-sol", "2026-11-22")
    assert (last.status, after.status) == ("exact", "price_expired")
    assert usd(last) == usd(after) == "0.006"
    assert "2026-11-21" in (after.reason or "")


def test_promotion_of_tokens_does_not_expire_a_fee() -> None:
    cost = openai(chat(1000, 100), "gpt-5.6-sol", "2026-11-22", web_search_calls=1)
    assert next(i.note for i in cost.items if i.component == "web_search") is None


def test_naive_time_is_utc() -> None:
    naive = price(chat(1000, 100), "openai", "gpt-5.6-luna", datetime(2026, 7, 29, 23, 59))
    assert usd(naive) == "0.0016"


def test_same_call_costs_the_same_whenever_it_is_priced() -> None:
    assert openai(chat(1000, 100), "gpt-4o", "2025-01-01") == openai(chat(1000, 100), "gpt-4o", "2025-01-01")


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model", "kind"),
    [
        ("gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14", "exact"),
        ("gpt-4.1", "gpt-4.1-2025-04-14", "alias"),
        ("gpt-5.6", "gpt-5.6-sol", "alias"),
        ("gpt-6-sol-2026-12-24", "gpt-6-sol", "family"),
        ("ft:gpt-4.1-2025-04-14:acme::x", "ft:gpt-4.1-2025-04-14", "exact"),
    ],
)
def test_name_is_matched_and_says_how(name: str, model: str, kind: str) -> None:
    match = load_book().find_model("openai", name, datetime(2026, 11, 1, tzinfo=UTC))
    assert match is not None
    assert (match.model, match.kind) == (model, kind)


@pytest.mark.parametrize("name", ["gpt-99", "gpt-4o-2030-01-01", "gpt-4", "my-deployment", "ft:my-model:acme::x", ""])
def test_name_is_never_matched_by_likeness(name: str) -> None:
    at = "2026-11-01" if name != "gpt-4" else "2023-01-01"
    cost = openai(chat(1000, 100), name, at)
    assert (cost.status, cost.total_usd, cost.items) == ("unpriced", None, ())


def test_provider_without_prices_is_unpriced() -> None:
    cost = price(chat(10, 10), "nobody", "gpt-4o", datetime(2026, 11, 1, tzinfo=UTC))
    assert (cost.status, cost.total_usd) == ("unpriced", None)


# --- answers that are no plain bill ----------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [None, {}])
def test_missing_usage_is_unpriced_and_never_zero(usage: Any) -> None:
    cost = openai(usage, "gpt-4o", "2026-06-01")
    assert (cost.status, cost.total_usd) == ("unpriced", None)


@pytest.mark.parametrize(
    "usage",
    [
        chat(1000, 10, cached=1001),
        chat(1000, 10, cached=600, written=600),
        chat(-1, 10),
        {"completion_tokens": 10},
        {**chat(10, 5), "completion_tokens_details": {"audio_tokens": 6}},
    ],
)
def test_usage_that_contradicts_itself_is_not_priced(usage: Any) -> None:
    cost = openai(usage, "gpt-4o-audio-preview-2024-12-17", "2025-06-01")
    assert (cost.status, cost.total_usd) == ("invalid_usage", None)


def test_prepaid_tier_shows_list_prices_and_no_total() -> None:
    # 100 × 5 + 100 × 25
    cost = anthropic(message(100, 100, service_tier="priority"), "claude-opus-4-6", "2026-05-01")
    assert (cost.status, cost.total_usd) == ("committed", None)
    assert amounts(cost) == {"input_uncached": "0.0005", "output": "0.0025"}


def test_stream_that_broke_off_is_a_lower_bound() -> None:
    # 25 × 5 + 1 × 25
    cost = anthropic(message(25, 1), "claude-opus-5", "2026-11-01", aborted=True)
    assert (cost.status, usd(cost)) == ("lower_bound", "0.00015")


def test_tokens_counted_here_make_an_estimate() -> None:
    assert openai(chat(1000, 100), "gpt-4o", "2026-06-01", estimated=True).status == "estimated"


@pytest.mark.parametrize("context", [{"http_status": 429}, {"http_status": 500}, {"batch_result_type": "expired"}])
def test_request_without_an_answer_is_not_billed(context: dict[str, Any]) -> None:
    cost = openai({}, "gpt-5", "2026-03-01", service_tier="flex", **context)
    assert (cost.status, cost.total_usd) == ("not_billed", Decimal(0))


def test_refusal_before_any_output_is_not_billed() -> None:
    # https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback
    cost = anthropic(message(412, 0), "claude-fable-5", "2026-08-15", stop_reason="refusal")
    assert (cost.status, cost.total_usd) == ("not_billed", Decimal(0))


@pytest.mark.parametrize(
    ("at", "category", "status"),
    [
        ("2026-05-31", None, "exact"),  # refusals were charged like any answer before 2026-06-02
        ("2026-10-01", "cyber", "not_billed"),
        ("2026-10-01", "bio", "exact"),  # charged again for three categories since 2026-09-24
    ],
)
def test_a_refusal_is_billed_by_the_rule_of_its_day(at: str, category: str | None, status: str) -> None:
    # https://platform.claude.com/docs/en/release-notes/overview
    context = {"stop_reason": "refusal", "refusal_category": category}
    assert anthropic(message(412, 0), "claude-opus-4-6", at, **context).status == status


def test_refusal_after_some_output_is_billed() -> None:
    # 412 × 10 + 57 × 50
    assert usd(anthropic(message(412, 57), "claude-fable-5", "2026-08-15", stop_reason="refusal")) == "0.00697"


def test_usage_may_be_an_object_of_the_sdk() -> None:
    dumped = SimpleNamespace(model_dump=lambda exclude_unset: chat(1200, 300))
    assert usd(openai(dumped, "gpt-4.1", "2025-06-01")) == "0.0048"


# --- what holds for every bill ---------------------------------------------------------------------------------------

MODELS = ("gpt-4.1", "gpt-5.6-terra", "gpt-6.1-terra")
counts = st.integers(min_value=0, max_value=2_000_000)


@given(st.sampled_from(MODELS), counts, counts, counts, counts)
def test_items_add_up_and_nothing_is_negative(model: str, fresh: int, cached: int, written: int, output: int) -> None:
    written = 0 if model == "gpt-4.1" else written
    cost = openai(chat(fresh + cached + written, output, cached, written), model, "2026-11-01")
    items = [i.cost_usd for i in cost.items]
    assert cost.status == "exact"
    assert cost.total_usd == sum((c for c in items if c is not None), Decimal(0))
    assert all(c is not None and c > 0 for c in items)
    assert sum(i.quantity for i in cost.items) == fresh + cached + written + output


@given(st.sampled_from(MODELS), counts, counts, st.integers(min_value=1, max_value=1000))
def test_more_tokens_never_cost_less(model: str, prompt: int, output: int, more: int) -> None:
    less_usd = openai(chat(prompt, output), model, "2026-11-01").total_usd
    more_input = openai(chat(prompt + more, output), model, "2026-11-01").total_usd
    more_output = openai(chat(prompt, output + more), model, "2026-11-01").total_usd
    assert less_usd is not None and more_input is not None and more_output is not None
    assert less_usd < min(more_input, more_output)


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=1, max_value=10**9))
def test_sums_are_exact_at_any_size(prompt: int, output: int) -> None:
    # gpt-4.1: 2.00 and 8.00, in whole millionths of a dollar
    cost = openai(chat(prompt, output), "gpt-4.1", "2026-11-01")
    assert cost.total_usd is not None
    assert cost.total_usd * 1_000_000 == 2 * prompt + 8 * output


# --- the book refuses to contradict itself ---------------------------------------------------------------------------

TWO_PRICES = """
provider: acme
sources: {page: {url: "https://example.com", note: A page., verified_at: 2026-01-01, confidence: official}}
models:
  m:
    - {valid_from: 2026-01-01, source: page, usd_per_mtok: {input_uncached: "1"}}
    - {valid_from: 2026-02-01, source: page, usd_per_mtok: {input_uncached: "2"}}
"""


def test_two_prices_for_one_call_are_an_error_rather_than_a_choice() -> None:
    book = read_book({"acme.yaml": TWO_PRICES})
    january, february = (datetime(2026, month, 15, tzinfo=UTC) for month in (1, 2))
    assert book.find_price("acme", "m", "input_uncached", CONDITION_DEFAULTS, january) is not None
    with pytest.raises(PriceBookError, match="overlap"):
        book.find_price("acme", "m", "input_uncached", CONDITION_DEFAULTS, february)


def test_price_of_an_unlisted_source_is_an_error() -> None:
    with pytest.raises(PriceBookError, match=r"acme\.yaml"):
        read_book({"acme.yaml": TWO_PRICES.replace("source: page", "source: hearsay")})
