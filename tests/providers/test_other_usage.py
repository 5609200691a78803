"""Usage objects of providers whose SDKs are not captured: what they mean, and what they are billed by."""

from decimal import Decimal
from typing import Any

import pytest

from llmtrace.model import Usage
from llmtrace.providers import FAMILIES, USAGE_FAMILIES, InvalidUsage, find_provider, find_usage
from llmtrace.providers.amounts import as_money
from llmtrace.providers.base import UsageFamily


def family_of(provider: str) -> UsageFamily:
    family = find_usage(provider)
    assert family is not None
    return family


def amounts(provider: str, usage: dict[str, Any], **stated: Any) -> dict[str, int]:
    return {q.component: int(q.amount) for q in family_of(provider).bill(usage, stated, ()).quantities if q.amount}


NORMALISED: list[tuple[str, dict[str, Any], Usage]] = [
    ("voyage_ai", {"total_tokens": 12}, Usage(12)),
    (
        "gcp.gemini",
        {
            "promptTokenCount": 1000, "cachedContentTokenCount": 400, "candidatesTokenCount": 50,
            "thoughtsTokenCount": 200, "toolUsePromptTokenCount": 30, "totalTokenCount": 1280,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 700}, {"modality": "AUDIO", "tokenCount": 300}],
        },
        Usage(1030, 400, None, 250, 200, 300),
    ),
    (
        "gcp.gemini",
        {
            "total_input_tokens": 10, "total_cached_tokens": 2, "total_output_tokens": 20, "total_thought_tokens": 7,
            "total_tool_use_tokens": 0, "total_tokens": 37,
            "input_tokens_by_modality": [{"modality": "text", "tokens": 10}],
        },
        Usage(10, 2, None, 27, 7),
    ),
    ("gcp.gemini", {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 20}, Usage(9, None, None, 11, 8)),
    (
        "gcp.vertex_ai",
        {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 2},
        Usage(112, 100, 7, 2),
    ),
    (
        "aws.bedrock",
        {
            "inputTokens": 3, "outputTokens": 12, "cacheReadInputTokens": 500, "cacheWriteInputTokens": 25,
            "totalTokens": 540,
        },
        Usage(528, 500, 25, 12),
    ),
    ("aws.bedrock", {"input_tokens": 3, "output_tokens": 12, "cache_read_input_tokens": 9}, Usage(12, 9, None, 12)),
    (
        "aws.bedrock",
        {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42, "input_tokens_details": {"cached_tokens": 9}},
        Usage(30, 9, None, 12),
    ),
    (
        "aws.bedrock", {"inputTextTokenCount": 8, "results": [{"tokenCount": 5}, {"tokenCount": 6}]},
        Usage(8, output_tokens=11),
    ),
    (
        "aws.bedrock", {"x-amzn-bedrock-input-token-count": "17", "x-amzn-bedrock-output-token-count": 4},
        Usage(17, output_tokens=4),
    ),
    ("aws.bedrock", {"prompt_token_count": 6, "generation_token_count": 9}, Usage(6, output_tokens=9)),
    ("mistral_ai", {"prompt_tokens": 90, "completion_tokens": 5, "num_cached_tokens": 64}, Usage(90, 64, None, 5)),
    (
        "deepseek",
        {
            "prompt_tokens": 390, "completion_tokens": 22, "total_tokens": 412, "prompt_cache_hit_tokens": 256,
            "prompt_cache_miss_tokens": 134, "completion_tokens_details": {"reasoning_tokens": 17},
        },
        Usage(390, 256, None, 22, 17),
    ),
    (
        "x_ai",
        {
            "prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 640,
            "completion_tokens_details": {"reasoning_tokens": 200},
        },
        Usage(400, None, None, 240, 200),
    ),
    (
        "x_ai",
        {
            "input_tokens": 400, "output_tokens": 240, "total_tokens": 640,
            "output_tokens_details": {"reasoning_tokens": 200},
        },
        Usage(400, None, None, 240, 200),
    ),
    (
        "groq",
        {
            "queue_time": 0.005, "prompt_tokens": 343, "completion_tokens": 180, "total_tokens": 523,
            "completion_tokens_details": {"reasoning_tokens": 153},
        },
        Usage(343, None, None, 180, 153),
    ),
    (
        "cohere",
        {"billed_units": {"input_tokens": 20, "output_tokens": 9}, "tokens": {"input_tokens": 500}},
        Usage(20, output_tokens=9),
    ),
    (
        "openrouter",
        {
            "prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "cost": 0.5,
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        Usage(7, None, None, 2, 2),
    ),
    (
        "perplexity", {"prompt_tokens": 8, "completion_tokens": 17, "cost": {"total_cost": 0.005}},
        Usage(8, output_tokens=17),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "usage", "expected"), NORMALISED)
def test_counts_mean_the_same_whoever_answered(provider: str, usage: dict[str, Any], expected: Usage) -> None:
    assert family_of(provider).normalise(usage) == expected


def test_googles_audio_is_counted_apart_in_and_out_of_its_cache() -> None:
    usage = {
        "promptTokenCount": 5000, "cachedContentTokenCount": 3000, "candidatesTokenCount": 500, "totalTokenCount": 5500,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1200}, {"modality": "AUDIO", "tokenCount": 3800}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 2500}, {"modality": "TEXT", "tokenCount": 500}],
    }  # fmt: skip
    assert amounts("gcp.gemini", usage) == {
        "input_uncached": 700, "input_cached": 500, "input_audio": 1300, "input_audio_cached": 2500, "output": 500,
    }  # fmt: skip


def test_which_of_googles_cached_tokens_are_audio_is_an_assumption_where_it_is_not_told() -> None:
    usage = {
        "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 1,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 70}],
    }  # fmt: skip
    bill = family_of("gcp.gemini").bill(usage, {}, ())
    assert {q.component: int(q.amount) for q in bill.quantities if q.amount} == {
        "input_cached": 30, "input_audio_cached": 30, "input_audio": 40, "output": 1,
    }  # fmt: skip
    assert {q.assumption for q in bill.quantities if q.component.startswith("input_cached")} == {
        "cached tokens are taken as text first"
    }


@pytest.mark.parametrize(
    ("said", "stated", "tier", "committed"),
    [
        ({"serviceTier": "standard"}, {"service_tier": "flex"}, None, False),
        ({}, {"service_tier": "flex"}, "flex", False),
        ({"trafficType": "ON_DEMAND"}, {}, None, False),
        ({"trafficType": 1}, {}, None, False),
        ({"trafficType": "ON_DEMAND_FLEX"}, {}, "flex", False),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, {}, "priority", False),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, {}, "provisioned_throughput", True),
    ],
)
def test_google_says_which_tier_served(
    said: dict[str, Any], stated: dict[str, Any], tier: Any, committed: bool
) -> None:
    bill = family_of("gcp.gemini").bill({"promptTokenCount": 5, "candidatesTokenCount": 1, **said}, stated, ())
    assert (bill.conditions.get("service_tier"), bill.committed) == (tier, committed)


def test_bedrocks_cache_writes_are_told_apart_by_how_long_they_are_kept() -> None:
    usage = {
        "inputTokens": 10, "outputTokens": 5, "cacheWriteInputTokens": 300, "totalTokens": 315,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 40}],
    }  # fmt: skip
    bill = family_of("aws.bedrock").bill(usage, {}, ())
    writes = [(q.component, int(q.amount), q.assumption) for q in bill.quantities if "write" in q.component]
    assert writes == [
        ("cache_write_1h", 200, None), ("cache_write_5m", 40, None),
        ("cache_write_5m", 60, "taken as a 5-minute cache write"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "model", "region"),
    [
        ("anthropic.claude-opus-5", "anthropic.claude-opus-5", "regional"),
        ("us.anthropic.claude-opus-5", "anthropic.claude-opus-5", "us"),
        ("global.anthropic.claude-opus-5", "anthropic.claude-opus-5", None),
        ("eu.amazon.nova-lite-v1%3A0", "amazon.nova-lite-v1:0", "eu"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "eu"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "regional"),
    ],
)
def test_bedrocks_names_say_where_a_model_runs(name: str, model: str, region: str | None) -> None:
    assert family_of("aws.bedrock").read_model(name) == (model, {"region": region})


@pytest.mark.parametrize(
    ("provider", "usage", "usd"),
    [
        ("openrouter", {"cost": 0.0076509169000000005}, "0.0076509169000000005"),
        ("openrouter", {"cost": 0}, "0"),
        ("openrouter", {"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, "0.021"),
        ("perplexity", {"cost": {"total_cost": 0.00519}}, "0.00519"),
        ("x_ai", {"cost_in_usd_ticks": 160708500}, "0.01607085"),
        ("x_ai", {"cost_in_usd_ticks": 75_000_000_000}, "7.5"),
    ],
)
def test_what_a_provider_says_a_call_cost_is_taken_to_the_digit(provider: str, usage: Any, usd: str) -> None:
    assert family_of(provider).bill(usage, {}, ()).reported_usd == Decimal(usd)


@pytest.mark.parametrize(
    ("provider", "cost"),
    [
        ("openrouter", {"cost": None}),
        ("openrouter", {"cost": -1}),
        ("openrouter", {"cost": 0.1, "is_byok": True}),
        ("openrouter", {"cost": float("nan")}),
        ("perplexity", {"cost": {"total_cost": 0.1, "currency": "EUR"}}),
        ("perplexity", {"cost": 0.1}),
        ("x_ai", {"cost_in_usd_ticks": "many"}),
    ],
)
def test_an_amount_that_cannot_be_the_price_is_not_taken(provider: str, cost: dict[str, Any]) -> None:
    bill = family_of(provider).bill({"prompt_tokens": 2, "completion_tokens": 1, **cost}, {}, ())
    assert bill.reported_usd is None and sum(q.amount for q in bill.quantities) == 3


def test_cohere_charges_for_billed_units_and_searches() -> None:
    usage = {
        "billed_units": {"input_tokens": 20, "output_tokens": 9, "search_units": 2},
        "tokens": {"input_tokens": 500},
    }
    assert amounts("cohere", usage) == {"input_uncached": 20, "output": 9, "search_unit": 2}


CONTRADICTIONS: list[tuple[str, dict[str, Any]]] = [
    ("gcp.gemini", {"promptTokenCount": 10, "cachedContentTokenCount": 11}),
    ("gcp.gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 99}),
    ("gcp.gemini", {"promptTokenCount": 10, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 11}]}),
    ("gcp.gemini", {"promptTokenCount": 1, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1}]}),
    ("gcp.gemini", {"candidatesTokenCount": 5}),
    ("gcp.gemini", {"cachedContent": {"totalTokenCount": 5}}),
    ("gcp.gemini", {"cachedContent": None}),
    ("aws.bedrock", {"inputTokens": 10, "outputTokens": 5, "totalTokens": 16}),
    ("aws.bedrock", {"inputTokens": 1, "cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 6}]}),
    ("aws.bedrock", {"x-amzn-bedrock-input-token-count": "many"}),
    ("deepseek", {"prompt_tokens": 10, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}),
    ("mistral_ai", {"prompt_tokens": 10, "num_cached_tokens": 11}),
    ("groq", {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 12}),
    ("groq", {"prompt_tokens": 10, "completion_tokens": 1, "completion_tokens_details": {"audio_tokens": 2}}),
    ("cohere", {"tokens": {"input_tokens": 5}}),
    ("cohere", {"billed_units": {"input_tokens": -5}}),
    *((provider, {}) for family in USAGE_FAMILIES for provider in sorted(family.providers)),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "usage"), CONTRADICTIONS)
def test_usage_that_contradicts_itself_cannot_be_billed(provider: str, usage: dict[str, Any]) -> None:
    with pytest.raises(InvalidUsage):
        family_of(provider).bill(usage, {}, ())


@pytest.mark.parametrize("family", USAGE_FAMILIES, ids=lambda f: min(f.providers))
def test_counts_made_here_are_billed_like_the_providers_own(family: UsageFamily) -> None:
    usage = Usage(1000, 200, None, 50)
    billing = family.bill(family.denormalise(usage), {}, ())
    assert sum(q.amount for q in billing.quantities) == 1050
    back = family.normalise(family.denormalise(usage))
    assert (back.input_tokens, back.output_tokens) == (1000, 50)


def test_a_provider_has_one_meaning_of_usage_and_a_protocol_where_it_is_captured() -> None:
    own = [p for family in USAGE_FAMILIES for p in family.providers]
    assert len(own) == len(set(own))
    for family in FAMILIES:
        assert all(find_usage(p) is family for p in family.providers - set(own))
        if family.providers <= set(own):
            assert {find_usage(p).bill for p in family.providers} == {family.bill}  # type: ignore[union-attr]
    assert find_usage("groq") is not find_provider("groq")
    assert find_usage("nobody") is None


def test_money_is_a_finite_amount_that_is_not_negative() -> None:
    assert [as_money(v) for v in (True, None, "x", -0.1, float("inf"), 10**12, {})] == [None] * 7
    assert as_money("0.10") == Decimal("0.10")
