"""A realistic mixture of calls to price: usage as several providers return it, in the shares of mixed traffic."""

from datetime import UTC, datetime
from typing import Any

from llmtrace.pricing import PricingFacts

NOVEMBER = datetime(2026, 11, 18, 9, 30, tzinfo=UTC)


def _chat(prompt: int, completion: int, cached: int = 0, reasoning: int = 0, written: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0, "cache_write_tokens": written},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _response(into: int, out: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": into,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": out,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": into + out,
    }


def _message(fresh: int, output: int, read: int = 0, minutes: int = 0, hour: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": minutes + hour,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output,
        "service_tier": "standard",
        "inference_geo": "global",
        **more,
    }


def _facts(provider: str, model: str, endpoint: str, **conditions: Any) -> PricingFacts:
    return PricingFacts(provider, (model,), NOVEMBER, endpoint, conditions=conditions)


_GEMINI = {
    "promptTokenCount": 42_000,
    "cachedContentTokenCount": 30_000,
    "candidatesTokenCount": 700,
    "thoughtsTokenCount": 1_200,
    "totalTokenCount": 43_900,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42_000}],
}
_CONVERSE = {
    "inputTokens": 900,
    "outputTokens": 350,
    "totalTokens": 14_250,
    "cacheReadInputTokens": 12_000,
    "cacheWriteInputTokens": 1_000,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 1_000}],
}
_SEARCHED = {"web_search_requests": 2, "web_fetch_requests": 1}
_HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"

# How many of a hundred calls, their usage, and what else their price depends on.
MIXTURE: tuple[tuple[int, dict[str, Any], PricingFacts], ...] = (
    (16, _chat(812, 164), _facts("openai", "gpt-5.4-mini-2026-03-17", "chat.completions", service_tier="default")),
    (10, _chat(6_400, 380, cached=5_120), _facts("openai", "gpt-4.1-2025-04-14", "chat.completions")),
    (
        6,
        _chat(9_100, 1_900, cached=4_096, reasoning=1_400, written=3_000),
        _facts("openai", "gpt-5.6-terra", "responses"),
    ),
    (8, _response(3_300, 820, cached=2_048, reasoning=512), _facts("openai", "gpt-5-2025-08-07", "responses")),
    (2, _response(18_000, 900), _facts("openai", "gpt-5-2025-08-07", "responses", web_search_calls=3)),
    (4, _response(5_000, 600), _facts("openai", "gpt-5-2025-08-07", "responses", service_tier="flex")),
    (6, {"prompt_tokens": 512, "total_tokens": 512}, _facts("openai", "text-embedding-3-small", "embeddings")),
    (12, _message(1_400, 420), _facts("anthropic", "claude-sonnet-4-5-20250929", "messages")),
    (10, _message(24, 900, read=48_000, minutes=2_300), _facts("anthropic", "claude-opus-5", "messages")),
    (3, _message(90, 300, read=9_000, hour=4_000), _facts("anthropic", "claude-haiku-4-5-20251001", "messages")),
    (3, _message(10_682, 510, server_tool_use=_SEARCHED), _facts("anthropic", "claude-sonnet-5", "messages")),
    (6, _GEMINI, _facts("gcp.gemini", "gemini-2.5-pro", "generate_content")),
    (5, _CONVERSE, _facts("aws.bedrock", _HAIKU, "converse")),
    (
        4,
        _chat(2_000, 250, cached=1_024),
        _facts(
            "azure.ai.openai",
            "gpt-5.4-mini-2026-03-17",
            "chat.completions",
            deployment_type="DataZoneStandard",
            region="swedencentral",
        ),
    ),
    (3, _chat(1_100, 90), _facts("mistral_ai", "mistral-large-2512", "chat.completions")),
    (2, _chat(1_000, 80) | {"cost": 0.00042}, _facts("openrouter", "anthropic/claude-sonnet-5", "chat.completions")),
)


def make_calls(number: int) -> list[tuple[dict[str, Any], PricingFacts]]:
    """NUMBER calls in the shares of the mixture, no two with the same counts in a row."""
    hundred = [(usage, facts) for share, usage, facts in MIXTURE for _ in range(share)]
    # A stride that shares no factor with the length visits every call, and mixes the kinds.
    return [hundred[i * 37 % len(hundred)] for i in range(number)]
