"""When a call has no price, no bill, or less than a whole one; and who is matched to which model."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from pricing.counting import amounts, anthropic, chat, message, openai, usd

from llmtrace.pricing import load_book, price


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
