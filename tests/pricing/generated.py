"""Usage objects of every provider made from disjoint counts, and the garbage that may stand in their place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Counts:
    """Tokens that no other of these fields counts. The default sizes stay below every threshold together."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    thoughts: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in FIELDS))

    @property
    def total(self) -> int:
        return sum(getattr(self, name) for name in FIELDS)


FIELDS = ("fresh", "cached", "written", "output", "thoughts")


@dataclass(frozen=True)
class Kind:
    """One shape of usage: who reports it, a model that the book has, and which of the counts it can tell."""

    name: str
    provider: str
    model: str
    make: Callable[[Counts], dict[str, Any]]
    tells: tuple[str, ...] = FIELDS
    context: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.name


def _chat(c: Counts) -> dict[str, Any]:
    into, out = c.fresh + c.cached + c.written, c.output + c.thoughts
    return {
        "prompt_tokens": into,
        "completion_tokens": out,
        "total_tokens": into + out,
        "prompt_tokens_details": {"cached_tokens": c.cached, "cache_write_tokens": c.written},
        "completion_tokens_details": {"reasoning_tokens": c.thoughts},
    }


def _response(c: Counts) -> dict[str, Any]:
    into, out = c.fresh + c.cached + c.written, c.output + c.thoughts
    return {
        "input_tokens": into,
        "output_tokens": out,
        "total_tokens": into + out,
        "input_tokens_details": {"cached_tokens": c.cached, "cache_write_tokens": c.written},
        "output_tokens_details": {"reasoning_tokens": c.thoughts},
    }


def _message(c: Counts) -> dict[str, Any]:
    return {
        "input_tokens": c.fresh,
        "cache_read_input_tokens": c.cached,
        "cache_creation_input_tokens": c.written,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": c.written},
        "output_tokens": c.output + c.thoughts,
    }


def _generated(c: Counts) -> dict[str, Any]:
    return {
        "promptTokenCount": c.fresh + c.cached,
        "cachedContentTokenCount": c.cached,
        "candidatesTokenCount": c.output,
        "thoughtsTokenCount": c.thoughts,
        "totalTokenCount": c.fresh + c.cached + c.output + c.thoughts,
    }


def _converse(c: Counts) -> dict[str, Any]:
    return {
        "inputTokens": c.fresh,
        "cacheReadInputTokens": c.cached,
        "cacheWriteInputTokens": c.written,
        "cacheDetails": [{"ttl": "1h", "inputTokens": c.written}],
        "outputTokens": c.output + c.thoughts,
        "totalTokens": c.total,
    }


def _hits(c: Counts) -> dict[str, Any]:
    return {
        "prompt_tokens": c.fresh + c.cached,
        "prompt_cache_hit_tokens": c.cached,
        "prompt_cache_miss_tokens": c.fresh,
        "completion_tokens": c.output,
        "total_tokens": c.fresh + c.cached + c.output,
    }


def _billed(c: Counts) -> dict[str, Any]:
    return {"billed_units": {"input_tokens": c.fresh, "output_tokens": c.output}}


PLAIN = ("fresh", "output")
KINDS = (
    Kind("chat", "openai", "gpt-6.1-terra", _chat),
    Kind("chat of an older model", "openai", "gpt-4o", _chat, ("fresh", "cached", "output", "thoughts")),
    Kind("response", "openai", "gpt-5.6-terra", _response),
    Kind("response on flex", "openai", "gpt-5.6-terra", _response, context={"service_tier": "flex"}),
    Kind("message", "anthropic", "claude-sonnet-5", _message),
    Kind("message in a batch", "anthropic", "claude-opus-5", _message, context={"batch": True}),
    Kind("message in the US", "anthropic", "claude-opus-5", _message, context={"geo": "us"}),
    Kind("Gemini", "gcp.gemini", "gemini-2.5-pro", _generated, ("fresh", "cached", "output", "thoughts")),
    Kind("Converse", "aws.bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", _converse),
    Kind("DeepSeek", "deepseek", "deepseek-v4-pro", _hits, ("fresh", "cached", "output")),
    Kind("Mistral", "mistral_ai", "mistral-large-2512", _chat, PLAIN),
    Kind("xAI", "x_ai", "grok-4.20", _chat, PLAIN),
    Kind("Groq", "groq", "openai/gpt-oss-120b", _chat, PLAIN),
    Kind("Cohere", "cohere", "command-a-03-2025", _billed, PLAIN),
    Kind(
        "Azure", "azure.ai.openai", "gpt-5.4-mini-2026-03-17", _chat, ("fresh", "cached", "output", "thoughts"),
        {"deployment_type": "DataZoneStandard", "region": "swedencentral"},
    ),
)  # fmt: skip

kinds = st.sampled_from(KINDS)


def counts_of(kind: Kind, most: int = 10_000) -> st.SearchStrategy[Counts]:
    """Counts that KIND can tell."""
    return st.builds(Counts, **{name: st.integers(0, most) for name in kind.tells})


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([-1, 2**70, -(2**70), 1.5, "12", "NaN", 1e308]),
)  # fmt: skip
WORDS = (
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens",
    "prompt_tokens_details", "input_tokens_details", "cache_creation", "cache_read_input_tokens", "iterations",
    "type", "compaction", "server_tool_use", "web_search_requests", "promptTokenCount", "promptTokensDetails",
    "modality", "tokenCount", "AUDIO", "cachedContent", "ttl", "inputTokens", "cacheDetails", "results", "billed_units",
    "cost", "total_cost", "cost_details", "cost_in_usd_ticks", "session", "running_hours", "seconds", "duration", "n",
    "service_tier", "speed", "inference_geo", "serviceTier", "trafficType",
)  # fmt: skip
garbage = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
