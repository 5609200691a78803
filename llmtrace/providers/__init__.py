"""The API families llmtrace understands. A new provider is one module and one entry in `FAMILIES`."""

from functools import lru_cache

from llmtrace.providers import anthropic, openai
from llmtrace.providers.base import Billing, Endpoint, Family, Fold, InvalidUsage, path_of

__all__ = [
    "FAMILIES",
    "Billing",
    "Endpoint",
    "Family",
    "Fold",
    "InvalidUsage",
    "find_endpoint",
    "find_family",
    "find_provider",
]

FAMILIES: tuple[Family, ...] = (openai.FAMILY, anthropic.FAMILY)


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
    """The family whose usage objects PROVIDER returns, or None."""
    return next((f for f in FAMILIES if provider in f.providers), None)
