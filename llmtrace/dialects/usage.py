"""Brings the token counts of foreign spans to llmtrace's meaning: the input holds everything, cached tokens included.

Source: the rule for Anthropic in OpenTelemetry's GenAI conventions, and what the instrumentations were seen to do.
"""

import json
from collections.abc import Mapping
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects.base import COUNTS, TOTAL_TOKENS, Said, is_below, whole
from llmtrace.fields import USAGE_FIELDS
from llmtrace.providers import InvalidUsage, UsageFamily

# A count beyond this is no count: no context holds it, and the store has no room for its price.
MOST_TOKENS = 10**9
# Scopes that add what came from a cache and went into it to Anthropic's own input count, as the conventions ask.
INCLUSIVE = (
    "com.anthropic.sdk",
    "openinference.instrumentation",
    "opentelemetry.instrumentation.anthropic",
    "opentelemetry.instrumentation.bedrock",
    "opentelemetry.instrumentation.genai",
    "logfire",
    "pydantic-ai",
    "litellm",
    "ai",
    "gen_ai",
)
# Whose own usage objects leave cached tokens out of the input; what others report contains them.
EXCLUSIVE_PROVIDERS = frozenset({"anthropic", "aws.bedrock", "gcp.vertex_ai"})


def settle(said: Said, scope: str) -> str | None:
    """Make the counts in SAID whole numbers with cached tokens inside the input; what stays open about that."""
    for name in (*COUNTS, TOTAL_TOKENS):
        if name in said:
            number = whole(said, name)
            if number is None or abs(number) > MOST_TOKENS:
                del said[name]
            else:
                said[name] = number
    _mark_unfinished(said)
    return _include_cached(said, scope)


def take_usage(said: Said, family: UsageFamily | None, usage: Mapping[str, Any] | None) -> None:
    """Put into SAID what USAGE, a usage object as a provider of FAMILY sends it, says; nothing where it is none."""
    if not usage or family is None:
        return
    try:
        counts = family.normalise(usage)
    except InvalidUsage:
        return
    for name, key, _ in USAGE_FIELDS:
        if (value := getattr(counts, key)) is not None:
            said[name] = value
    said[s.USAGE_RAW] = json.dumps(usage, separators=(",", ":"))
    if isinstance(tier := usage.get("service_tier"), str):
        said.setdefault(s.RESPONSE_SERVICE_TIER, tier)


def _mark_unfinished(said: Said) -> None:
    """An answer whose output was not counted costs more than its input."""
    if s.USAGE_INPUT_TOKENS in said and s.USAGE_OUTPUT_TOKENS not in said and said[s.OPERATION_NAME] != "embeddings":
        said.setdefault(s.USAGE_COMPLETE, False)


def _include_cached(said: Said, scope: str) -> str | None:
    total_in = whole(said, s.USAGE_INPUT_TOKENS)
    cached = (whole(said, s.USAGE_CACHE_READ_TOKENS) or 0) + (whole(said, s.USAGE_CACHE_WRITE_TOKENS) or 0)
    if total_in is None or cached <= 0 or s.USAGE_RAW in said:
        return None
    if cached > total_in:
        said[s.USAGE_INPUT_TOKENS] = total_in + cached
        return None
    if said.get(s.PROVIDER_NAME) not in EXCLUSIVE_PROVIDERS:
        return None
    rest = (whole(said, TOTAL_TOKENS) or 0) - (whole(said, s.USAGE_OUTPUT_TOKENS) or 0)
    if rest == total_in + cached:
        said[s.USAGE_INPUT_TOKENS] = total_in + cached
        return None
    if rest == total_in or is_below(scope, INCLUSIVE):
        return None
    return "the span does not tell whether its input count holds the cached tokens"
