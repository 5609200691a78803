"""What the quantities of a bill were counted from."""

from decimal import Decimal
from typing import Any

import pytest
from samples import make_call

from llmtrace.model import Request, Response, Usage
from llmtrace.pricing.origins import count_origins

ANTHROPIC = Request("anthropic", "chat", "messages", model="claude-sonnet-4-5")


def origins(usage: dict[str, Any], request: Request | None = None, **response: Any) -> dict[str, str | None]:
    changes = {} if request is None else {"request": request}
    call = make_call(1, response=Response(model="any", usage=usage, **response), **changes)
    return {f"{component} {amount}": origin for component, amount, origin in count_origins(call)}


def test_openai_counts_subsets_out_of_their_totals() -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 30},
    }
    assert origins(usage) == {
        "input_uncached 200": "prompt_tokens - prompt_tokens_details.cached_tokens",
        "input_cached 800": "prompt_tokens_details.cached_tokens",
        "output 70": "completion_tokens - completion_tokens_details.audio_tokens",
        "output_audio 30": "completion_tokens_details.audio_tokens",
    }


def test_a_total_that_is_all_cached_is_moved_the_other_way() -> None:
    usage = {"input_tokens": 800, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 800}}
    assert origins(usage)["input_cached 800"] == "input_tokens_details.cached_tokens"


def test_what_the_response_tells_beside_its_usage_is_named() -> None:
    found = origins({"prompt_tokens": 5, "completion_tokens": 2}, tool_requests={"web_search": 3})
    assert found["web_search 3"] == "response.web_search_calls"


def test_anthropic_counts_each_turn_apart() -> None:
    turns = [
        {"type": "compaction", "input_tokens": 7, "output_tokens": 3},
        {"type": "advisor_message", "model": "claude-opus-4-5", "input_tokens": 9, "output_tokens": 4},
    ]
    usage = {"input_tokens": 20, "output_tokens": 5, "cache_creation_input_tokens": 11, "iterations": turns}
    assert origins(usage, ANTHROPIC) == {
        "input_uncached 20": "input_tokens",
        "cache_write_5m 11": "cache_creation_input_tokens",
        "output 5": "output_tokens",
        "input_uncached 7": "iterations.0.input_tokens",
        "output 3": "iterations.0.output_tokens",
        "input_uncached 9": "iterations.1.input_tokens",
        "output 4": "iterations.1.output_tokens",
    }


def test_a_number_that_stands_there_twice_is_told_by_its_parts() -> None:
    split = {"ephemeral_5m_input_tokens": 600, "ephemeral_1h_input_tokens": 400}
    usage = {"input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 1000, "cache_creation": split}
    found = origins(usage, ANTHROPIC)
    assert found["cache_write_5m 600"] == "cache_creation.ephemeral_5m_input_tokens"
    assert found["cache_write_1h 400"] == "cache_creation.ephemeral_1h_input_tokens"


CONVERSE = {"inputTokens": 10, "cacheReadInputTokens": 400, "outputTokens": 7, "totalTokens": 417}
HEADERS = {"x-amzn-bedrock-input-token-count": "33", "x-amzn-bedrock-output-token-count": "4"}
GEMINI = {
    "promptTokenCount": 1000,
    "cachedContentTokenCount": 300,
    "candidatesTokenCount": 80,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 1100,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 900}, {"modality": "AUDIO", "tokenCount": 100}],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 300}],
}
MISTRAL = {
    "prompt_tokens": 50,
    "completion_tokens": 5,
    "total_tokens": 55,
    "prompt_tokens_details": {"cached_tokens": 8},
}
DEEPSEEK = {
    "prompt_tokens": 50,
    "prompt_cache_hit_tokens": 30,
    "prompt_cache_miss_tokens": 20,
    "completion_tokens": 5,
    "total_tokens": 55,
}
COHERE = {"billed_units": {"input_tokens": 9, "output_tokens": 2}, "tokens": {"input_tokens": 70, "output_tokens": 2}}
AUDIO = "promptTokensDetails.1.tokenCount"


@pytest.mark.parametrize(
    ("provider", "usage", "expected"),
    [
        (
            "aws.bedrock",
            CONVERSE,
            {"input_uncached": "inputTokens", "input_cached": "cacheReadInputTokens", "output": "outputTokens"},
        ),
        ("aws.bedrock", HEADERS, {"input_uncached": min(HEADERS), "output": max(HEADERS)}),
        (
            "gcp.gemini",
            GEMINI,
            {
                "input_uncached": f"promptTokenCount - cachedContentTokenCount - {AUDIO}",
                "input_cached": "cachedContentTokenCount",
                "input_audio": AUDIO,
                "output": "candidatesTokenCount | thoughtsTokenCount",
            },
        ),
        (
            "mistral_ai",
            MISTRAL,
            {
                "input_uncached": "prompt_tokens - prompt_tokens_details.cached_tokens",
                "input_cached": "prompt_tokens_details.cached_tokens",
                "output": "completion_tokens",
            },
        ),
        (
            "deepseek",
            DEEPSEEK,
            {
                "input_uncached": "prompt_tokens - prompt_cache_hit_tokens",
                "input_cached": "prompt_cache_hit_tokens",
                "output": "completion_tokens",
            },
        ),
        ("cohere", COHERE, {"input_uncached": "billed_units.input_tokens", "output": "billed_units.output_tokens"}),
        (
            "azure.ai.openai",
            MISTRAL,
            {
                "input_uncached": "prompt_tokens - prompt_tokens_details.cached_tokens",
                "input_cached": "prompt_tokens_details.cached_tokens",
                "output": "completion_tokens",
            },
        ),
        ("openai", {"type": "duration", "seconds": 12.5}, {"seconds": "seconds"}),
        ("openrouter", {**MISTRAL, "cost": 0.0125}, {"provider_reported": "cost"}),
        (
            "openrouter",
            {**MISTRAL, "cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}},
            {"provider_reported": "cost + cost_details.upstream_inference_cost"},
        ),
        ("x_ai", {**MISTRAL, "cost_in_usd_ticks": 4200}, {"provider_reported": "cost_in_usd_ticks"}),
        ("perplexity", {**MISTRAL, "cost": {"total_cost": "0.006"}}, {"provider_reported": "cost.total_cost"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_providers_shape_tells_where_its_quantities_stand(
    provider: str, usage: dict[str, Any], expected: dict[str, str]
) -> None:
    call = make_call(1, request=Request(provider, "chat", "chat.completions"), response=Response(usage=usage))
    found: dict[str, list[str]] = {}
    for component, _, origin in count_origins(call):
        found.setdefault(component, []).append(str(origin))
    assert {component: " | ".join(several) for component, several in found.items()} == expected


def test_an_origin_that_does_not_add_up_is_not_told() -> None:
    split = {"ttl_30m_tokens": 30, "ttl_12h_tokens": 20}
    details = {"cache_write_tokens": 50, "cache_write_tokens_details": split}
    found = origins({"prompt_tokens": 60, "completion_tokens": 2, "prompt_tokens_details": details})
    assert found["cache_write 30"] is None
    assert found["output 2"] == "completion_tokens"


@pytest.mark.parametrize(
    "changes",
    [
        {"usage_source": "estimated"},
        {"usage_source": "missing"},
        {"response": Response(usage={"prompt_tokens": -1})},
        {"request": Request("nobody", "chat", "chat")},
    ],
    ids=str,
)
def test_a_bill_that_is_not_made_of_the_providers_usage_has_no_origins(changes: dict[str, Any]) -> None:
    assert count_origins(make_call(1, usage=Usage(10, output_tokens=2), **changes)) == []


def test_quantities_are_those_of_the_bill() -> None:
    assert [(c, n) for c, n, _ in count_origins(make_call(1))] == [
        ("input_uncached", Decimal(1000)),
        ("output", Decimal(100)),
    ]
