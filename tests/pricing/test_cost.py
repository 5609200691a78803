"""Bills worked by hand from the providers' price pages, and calls that must not get a plain price.

Prices: https://developers.openai.com/api/docs/pricing and https://platform.claude.com/docs/en/about-claude/pricing.
Every sum is written out beside the test, in dollars per million tokens.
"""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pricing.counting import amounts, anthropic, chat, message, openai, usd

from llmtrace.errors import PriceBookError
from llmtrace.pricing import price
from llmtrace.pricing.reading import read_book
from llmtrace.pricing.rows import CONDITION_DEFAULTS


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
