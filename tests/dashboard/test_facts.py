"""What is said of one call: facts, attempts, limits, the bill and captured content, in words."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from llmtrace.dashboard import facts

from llmtrace.analytics.relations import CALLS_ALL

CALL: dict[str, Any] = dict.fromkeys(CALLS_ALL.columns) | {
    "span_id": "b" * 16, "trace_id": "a" * 32, "started_at": datetime(2026, 11, 14, 13, 5), "duration_s": 2.5,
    "provider": "openai", "operation": "chat", "request_model": "gpt-4o", "response_model": "gpt-4o", "stream": True,
    "status": "ok", "usage_source": "provider", "cost_status": "exact", "revision": 1,
}  # fmt: skip
ITEM: dict[str, Any] = {
    "component": "input_uncached", "quantity": Decimal("1417.000000"), "unit": "token", "rate": Decimal("2.500000000"),
    "per": 1_000_000, "multiplier": Decimal("1.000000"), "multiplier_reason": None,
    "cost_usd": Decimal("0.003542500000"), "price_row_id": "openai/gpt-4o/input_uncached@2024-08-06",
    "confidence": "official", "source_url": "https://openai.com/api/pricing/", "note": None,
}  # fmt: skip


def test_only_what_is_known_is_said() -> None:
    assert facts.identity(CALL) == [("Feature", "(untagged)")]
    said = dict(facts.identity({**CALL, "feature": "a", "feature_source": "code", "tags": '{"team":"x"}'}))
    assert said == {"Feature": "a (by code)", "Tag team": "x"}
    assert "Answered by" not in dict(facts.request(CALL))
    assert dict(facts.request({**CALL, "response_model": "gpt-4o-2024-08-06"}))["Answered by"] == "gpt-4o-2024-08-06"


def test_attempts_are_told_with_what_was_waited_between_them() -> None:
    attributes = {"llmtrace.attempt.outcomes": ["429", "503", "200"], "llmtrace.attempt.waits_s": [0.5, 1.5, 0.0]}
    assert facts.attempts({**CALL, "attempts": 3}, attributes) == "3: 429, waited 500 ms → 503, waited 1.50 s → 200"
    assert facts.attempts({**CALL, "attempts": 1}, {}) == "1"
    assert facts.attempts({**CALL, "attempts": None}, {"llmtrace.attempt.outcomes": "x"}) is None


def test_limits_are_told_by_kind() -> None:
    attributes = {"llmtrace.rate_limit.requests.limit": 30000.0, "llmtrace.rate_limit.requests.remaining": 12.0,
                  "llmtrace.rate_limit.requests.reset_s": 0.5, "llmtrace.rate_limit.tokens.limit": "many"}  # fmt: skip
    assert facts.rate_limits(attributes) == [
        ("Limit of requests", "12 of 30,000 left, renewed in 0.5 s"), ("Limit of tokens", "– of – left")
    ]  # fmt: skip


def test_an_item_has_its_rate_its_date_and_its_source() -> None:
    (item,) = facts.items([ITEM])
    assert (item.component, item.quantity, item.rate) == ("input uncached", "1,417 tokens", "$2.50 per 1M tokens")
    assert (item.cost, item.since, item.source) == ("$0.0035425", "2024-08-06", "https://openai.com/api/pricing/")
    assert (item.factor, item.note) == ("", "")


def test_an_item_without_a_price_says_so() -> None:
    unknown = dict.fromkeys(("rate", "cost_usd", "price_row_id", "source_url", "confidence"))
    factor = {"multiplier": Decimal("1.1"), "multiplier_reason": "inference in the US"}
    (item,) = facts.items([{**ITEM, **unknown, **factor, "note": "no rate is printed"}])
    assert (item.rate, item.cost, item.since, item.source) == ("–", "no price", "–", None)
    assert (item.factor, item.note) == ("× 1.1 inference in the US", "no rate is printed")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", ""])
def test_only_addresses_on_the_web_are_links(address: str) -> None:
    assert facts.items([{**ITEM, "source_url": address}])[0].source is None


def test_the_bill_of_a_fee_per_call_reads_as_one() -> None:
    fee = {
        **ITEM,
        "component": "web_search",
        "unit": "call",
        "quantity": Decimal("1"),
        "rate": Decimal("0.01"),
        "per": 1,
    }
    (item,) = facts.items([fee])
    assert (item.quantity, item.rate) == ("1 call", "$0.01 per call")


def test_output_is_as_fast_as_after_its_first_token() -> None:
    assert facts.tokens_per_second({**CALL, "output_tokens": 100, "ttft_s": 0.5}) == 50
    assert facts.tokens_per_second({**CALL, "output_tokens": None}) is None
    assert facts.tokens_per_second({**CALL, "output_tokens": 5, "ttft_s": 2.5}) is None


def test_messages_come_in_the_order_in_which_they_were_said() -> None:
    content = {
        "system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
        "tool_definitions": None,
        "input_messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "<b>Hi</b>"}]}]),
        "output_messages": json.dumps([{"role": "assistant", "parts": [{"type": "tool_call", "name": "f"}]}]),
    }
    (system, user, assistant) = facts.messages(content)
    assert system[0] == "system" and "Be brief." in system[1]
    assert user == ("user", "<b>Hi</b>")
    assert assistant[0] == "assistant" and '"tool_call"' in assistant[1]
    assert facts.messages(None) == []


@pytest.mark.parametrize("text", ["not json", "17", "[1, 2]", '{"a": 1}', '[{"no role": 1}]'])
def test_content_of_any_other_shape_is_shown_as_it_stands(text: str) -> None:
    content = dict.fromkeys(("system_instructions", "tool_definitions", "output_messages")) | {"input_messages": text}
    ((role, said),) = facts.messages(content)
    assert role == "input" and "".join(said.split()) == "".join(text.split())
