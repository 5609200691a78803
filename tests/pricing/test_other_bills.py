"""Bills of providers whose SDKs are not captured, worked out by hand."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import llmtrace
from llmtrace.model import Cost
from llmtrace.pricing import PricingFacts, load_book, price_usage
from llmtrace.providers import USAGE_FAMILIES

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday


def price(provider: str, model: str, usage: Any, at: datetime = NOW, **context: Any) -> Cost:
    return llmtrace.price(usage, provider, model, at, context=context)


# 150,000 × $2.50 + 60,000 × $0.25 + 1,500 × $15, all per million: cached tokens count towards the 200,000.
LONG = {
    "promptTokenCount": 210_000, "cachedContentTokenCount": 60_000, "candidatesTokenCount": 1000,
    "thoughtsTokenCount": 500, "totalTokenCount": 211_500,
}  # fmt: skip
# 1,000 fresh, 5,000 read, 2,000 written, 500 out.
CACHED = {
    "inputTokens": 1000, "cacheReadInputTokens": 5000, "cacheWriteInputTokens": 2000, "outputTokens": 500,
    "totalTokens": 8500,
}  # fmt: skip
HITS = {
    "prompt_tokens": 10_000, "prompt_cache_hit_tokens": 6000, "prompt_cache_miss_tokens": 4000,
    "completion_tokens": 1000, "total_tokens": 11_000,
}  # fmt: skip
PLAIN = {"prompt_tokens": 10_000, "completion_tokens": 1000, "total_tokens": 11_000}
SHORT = {"promptTokenCount": 1000, "candidatesTokenCount": 100}
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
WEEKDAY = datetime(2026, 11, 18, tzinfo=UTC)

BILLS: list[tuple[str, str, dict[str, Any], datetime, dict[str, Any], str]] = [
    ("gcp.gemini", "gemini-2.5-pro", LONG, NOW, {}, "0.4125"),
    ("gcp.gemini", "models/gemini-2.5-pro", LONG, NOW, {}, "0.4125"),
    # 200,000 are not more than 200,000: × $1.25, and 1,000 × $10.
    ("gcp.gemini", "gemini-2.5-pro", {"promptTokenCount": 200_000, "candidatesTokenCount": 1000}, NOW, {}, "0.26"),
    # 100 text × $0.30 + 900 audio × $1 + 100 × $2.50
    (
        "gcp.gemini", "gemini-2.5-flash",
        {**SHORT, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 900}]},
        NOW, {}, "0.00118",
    ),
    # 1,000 × $0.15 + 100 × $1.25, in a batch
    ("gcp.gemini", "gemini-2.5-flash", SHORT, NOW, {"batch": True}, "0.000275"),
    # $0.30 × 1,000 + $2.50 × 100 and three prompts at $35 a thousand
    (
        "gcp.gemini", "gemini-2.5-flash", SHORT, NOW,
        {"grounded_prompts": 3}, "0.10555",
    ),
    # 2 queries at $14 a thousand beside 1,000 × $0.50 + 100 × $3
    (
        "gcp.gemini", "gemini-3-flash-preview", SHORT, NOW,
        {"grounding_queries": 2}, "0.0288",
    ),
    # 500,000 tokens for half an hour at $4.50 per million and hour
    (
        "gcp.gemini", "gemini-2.5-pro",
        {"cachedContent": {"usageMetadata": {"totalTokenCount": 500_000}, "ttl": "1800s"}}, NOW, {}, "1.125",
    ),
    # the introduction ends with the year: 1,000 × $0.75 + 100 × $3.75, then twice that
    ("gcp.gemini", "gemini-3.8-flash", SHORT, NOW, {}, "0.001125"),
    (
        "gcp.gemini", "gemini-3.8-flash", SHORT,
        datetime(2027, 1, 1, tzinfo=UTC), {}, "0.00225",
    ),
    # 1,000 × $3 + 5,000 × $0.30 + 2,000 × $3.75 + 500 × $15, and a tenth more outside `global.`
    ("aws.bedrock", f"global.{SONNET}", CACHED, NOW, {}, "0.0195"),
    ("aws.bedrock", f"us.{SONNET}", CACHED, NOW, {}, "0.02145"),
    ("aws.bedrock", SONNET, CACHED, NOW, {}, "0.02145"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", CACHED, NOW, {}, "0.0195"),
    # the same tokens as InvokeModel tells them
    (
        "aws.bedrock", f"global.{SONNET}",
        {"input_tokens": 1000, "cache_read_input_tokens": 5000, "cache_creation_input_tokens": 2000,
         "output_tokens": 500},
        NOW, {}, "0.0195",
    ),
    # one-hour writes: 300 × $2 beside 100 × $1 and 10 × $5, and a tenth more in Europe
    (
        "aws.bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        {"inputTokens": 100, "outputTokens": 10, "cacheWriteInputTokens": 300, "totalTokens": 410,
         "cacheDetails": [{"ttl": "1h", "inputTokens": 300}]},
        NOW, {}, "0.000825",
    ),
    ("aws.bedrock", "us.amazon.nova-2-lite-v1:0", {"inputTokens": 1000, "outputTokens": 100}, NOW, {}, "0.000605"),
    # 10,000 × $0.15 + 1,000 × $0.60
    ("groq", "openai/gpt-oss-120b", PLAIN, NOW, {}, "0.0021"),
    # 1,000 × $2.50 + 100 × $10: what is billed, not what the model saw
    (
        "cohere", "command-a-03-2025",
        {"billed_units": {"input_tokens": 1000, "output_tokens": 100}, "tokens": {"input_tokens": 9000}},
        NOW, {}, "0.0035",
    ),
    ("mistral_ai", "mistral-small-latest", PLAIN, NOW, {}, "0.0021"),
    ("mistral_ai", "mistral-large-2512", PLAIN, NOW, {}, "0.0065"),
    ("mistral_ai", "mistral-large-2512", PLAIN, NOW, {"batch": True}, "0.00325"),
    # a price of its time: 10,000 × $8 + 1,000 × $24
    ("mistral_ai", "mistral-large-latest", PLAIN, datetime(2024, 4, 1, tzinfo=UTC), {}, "0.104"),
    # 4,000 × $1.32 + 6,000 × $0.044 + 1,000 × $3.96 at the peak, half of it off the peak and at weekends
    ("deepseek", "deepseek-v4-pro", HITS, WEEKDAY.replace(hour=1), {}, "0.009504"),
    ("deepseek", "deepseek-v4-pro", HITS, WEEKDAY.replace(hour=3, minute=59, second=59), {}, "0.009504"),
    ("deepseek", "deepseek-v4-pro", HITS, WEEKDAY.replace(hour=4), {}, "0.004752"),
    ("deepseek", "deepseek-v4-pro", HITS, WEEKDAY.replace(hour=6), {}, "0.009504"),
    ("deepseek", "deepseek-v4-pro", HITS, NOW.replace(hour=1), {}, "0.004752"),
    # 199,999 tokens and 200,000: the higher rate begins with the second
    ("x_ai", "grok-4.20", {"prompt_tokens": 199_999, "completion_tokens": 1000}, NOW, {}, "0.25249875"),
    ("x_ai", "grok-4.20", {"prompt_tokens": 200_000, "completion_tokens": 1000}, NOW, {}, "0.505"),
    # reasoning beside the output: 400 × $1.25 + 240 × $2.50
    (
        "x_ai", "grok-4.20",
        {"prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 640,
         "completion_tokens_details": {"reasoning_tokens": 200}},
        NOW, {}, "0.0011",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "model", "usage", "at", "context", "usd"), BILLS)
def test_bill_worked_out_by_hand(
    provider: str, model: str, usage: dict[str, Any], at: datetime, context: dict[str, Any], usd: str
) -> None:
    cost = price(provider, model, usage, at, **context)
    assert (cost.status, cost.total_usd) == ("exact", Decimal(usd)), cost.reason
    assert sum(item.cost_usd or 0 for item in cost.items) == Decimal(usd)


def test_thoughts_made_the_whole_output_of_a_preview_dearer() -> None:
    at = datetime(2025, 5, 10, tzinfo=UTC)
    usage = SHORT
    plain = price("gcp.gemini", "gemini-2.5-flash-preview-04-17", usage, at)
    thought = price("gcp.gemini", "gemini-2.5-flash-preview-04-17", {**usage, "thoughtsTokenCount": 100}, at)
    assert (plain.total_usd, thought.total_usd) == (Decimal("0.00021"), Decimal("0.00085"))


def test_what_the_provider_reports_is_the_cost_and_says_so() -> None:
    cost = price(
        "openrouter", "anthropic/claude-opus-4.5", {"prompt_tokens": 7, "completion_tokens": 2, "cost": 0.0123385}
    )
    assert (cost.status, cost.total_usd) == ("provider_reported", Decimal("0.0123385"))
    assert [(i.component, i.cost_usd, i.price_id) for i in cost.items] == [("provider_reported", cost.total_usd, None)]
    assert price("perplexity", "sonar", {"cost": {"total_cost": 0.00519}}).total_usd == Decimal("0.00519")
    assert price("x_ai", "grok-9", {"cost_in_usd_ticks": 160708500}).total_usd == Decimal("0.01607085")


def test_a_bedrock_answer_that_names_the_bare_model_costs_what_was_asked_for() -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    facts = PricingFacts("aws.bedrock", ("claude-sonnet-4-5-20250929", f"us.{SONNET}"), NOW)
    assert price_usage(load_book(), usage, facts).total_usd == Decimal("0.00495")


def test_reported_cost_of_a_broken_off_answer_is_a_lower_bound() -> None:
    assert price("openrouter", "m", {"cost": 0.01}, aborted=True).status == "lower_bound"


@pytest.mark.parametrize(
    ("provider", "model", "context", "word"),
    [
        ("gcp.gemini", "gemini-2.5-flash", {"service_tier": "hyper"}, "service_tier=hyper"),
        ("gcp.gemini", "gemini-2.5-flash", {"region": "eu"}, "region=eu"),
        ("gcp.gemini", "gemini-0", {}, "gemini-0"),
        ("gcp.gen_ai", "gemini-2.5-flash", {}, "gcp.gen_ai"),
        ("aws.bedrock", "sa.amazon.nova-lite-v1:0", {}, "region=sa"),
        ("mistral_ai", "mistral-large-2411", {"batch": True}, "batch=True"),
        ("deepseek", "deepseek-chat", {}, "deepseek-chat"),
    ],
)
def test_what_no_row_answers_is_unpriced_with_a_reason(provider: str, model: str, context: Any, word: str) -> None:
    usage = {"promptTokenCount": 9} if provider.startswith("gcp") else {"prompt_tokens": 9}
    cost = price(provider, model, usage, **context)
    assert (cost.status, cost.total_usd) == ("unpriced", None)
    assert word in (cost.reason or "")


ODD: list[Any] = [
    -1,
    10**30,
    "7",
    1.5,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    {},
    [1],
    {"a": 1},
    [{"modality": 1}],
]
FIELDS = (
    "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "promptTokensDetails", "cacheTokensDetails",
    "cachedContentTokenCount", "trafficType", "cachedContent", "inputTokens", "outputTokens", "cacheDetails",
    "cacheWriteInputTokens", "results", "x-amzn-bedrock-input-token-count", "prompt_tokens", "completion_tokens",
    "total_tokens", "prompt_tokens_details", "completion_tokens_details", "prompt_cache_hit_tokens", "input_tokens",
    "total_input_tokens", "billed_units", "tokens", "cost", "cost_details", "is_byok", "cost_in_usd_ticks",
)  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("provider", sorted(p for f in USAGE_FAMILIES for p in f.providers))
def test_impossible_usage_never_raises_and_never_costs_less_than_nothing(provider: str, value: Any) -> None:
    valid = {
        "promptTokenCount": 9,
        "inputTokens": 9,
        "outputTokens": 1,
        "prompt_tokens": 9,
        "billed_units": {"input_tokens": 9},
    }
    family = next(f for f in USAGE_FAMILIES if provider in f.providers)
    for field in FIELDS:
        for usage in ({field: value}, {**valid, field: value}, {**valid, field: {field: value, "modality": "AUDIO"}}):
            counts = family.normalise(usage)
            assert all(n is None or n >= 0 for n in (counts.input_tokens, counts.output_tokens)), usage
            cost = price(provider, "gemini-2.5-pro", usage)
            assert cost.total_usd is None or cost.total_usd >= 0, usage
