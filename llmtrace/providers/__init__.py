"""The API families llmtrace understands. A new provider is one module and one entry.

One that is captured is an entry in `FAMILIES`; one whose usage is only read and priced, in `USAGE_FAMILIES`.
"""

from collections.abc import Mapping
from functools import lru_cache

from llmtrace.providers import (
    anthropic,
    bedrock,
    bedrock_usage,
    cohere,
    cohere_usage,
    deepseek_usage,
    google,
    google_usage,
    groq_usage,
    mistral,
    mistral_usage,
    ollama,
    openai,
    openrouter_usage,
    other_usage,
    perplexity_usage,
    voyage_usage,
    xai_usage,
)
from llmtrace.providers.amounts import InvalidUsage
from llmtrace.providers.base import Billing, Endpoint, Family, Fold, UsageFamily, path_of

__all__ = [
    "FAMILIES",
    "USAGE_FAMILIES",
    "Billing",
    "Endpoint",
    "Family",
    "Fold",
    "InvalidUsage",
    "UsageFamily",
    "find_endpoint",
    "find_family",
    "find_provider",
    "find_usage",
]

FAMILIES: tuple[Family, ...] = (
    openai.FAMILY,
    anthropic.FAMILY,
    google.FAMILY,
    bedrock.FAMILY,
    mistral.FAMILY,
    cohere.FAMILY,
    ollama.FAMILY,
)
# Providers whose usage objects are their own, whatever protocol their API speaks.
USAGE_FAMILIES: tuple[UsageFamily, ...] = (
    google_usage.FAMILY,
    bedrock_usage.FAMILY,
    mistral_usage.FAMILY,
    deepseek_usage.FAMILY,
    xai_usage.FAMILY,
    groq_usage.FAMILY,
    cohere_usage.FAMILY,
    openrouter_usage.FAMILY,
    perplexity_usage.FAMILY,
    voyage_usage.FAMILY,
    other_usage.FAMILY,
)
_USAGE: Mapping[str, UsageFamily] = {p: f for f in (*FAMILIES, *USAGE_FAMILIES) for p in f.providers}


def find_family(name: str) -> Family | None:
    """The family whose SDK package is called NAME."""
    return next((f for f in FAMILIES if f.sdk == name), None)


@lru_cache(maxsize=1024)
def find_endpoint(sdk: str, method: str, url: str) -> Endpoint | None:
    """The endpoint that a request of METHOD to URL (a path, or absolute) calls in SDK's family, or None."""
    family, path = find_family(sdk), path_of(url)
    endpoints = family.endpoints if family is not None else ()
    return next((e for e in endpoints if e.method == method.upper() and e.matches.search(path)), None)


def find_provider(provider: str) -> Family | None:
    """The family whose protocol PROVIDER answers in, or None."""
    return next((f for f in FAMILIES if provider in f.providers), None)


def find_usage(provider: str) -> UsageFamily | None:
    """What the usage objects of PROVIDER mean, or None where nobody knows."""
    return _USAGE.get(provider)
