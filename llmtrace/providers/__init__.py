"""The API families llmtrace understands. A new provider is one module and one entry in `FAMILIES`."""

from llmtrace.providers import anthropic, openai
from llmtrace.providers.base import Billing, Endpoint, Family, Fold, InvalidUsage

__all__ = ["FAMILIES", "Billing", "Endpoint", "Family", "Fold", "InvalidUsage", "find_family", "find_provider"]

FAMILIES: tuple[Family, ...] = (openai.FAMILY, anthropic.FAMILY)


def find_family(name: str) -> Family | None:
    """The family whose SDK package is called NAME."""
    return next((f for f in FAMILIES if f.sdk == name), None)


def find_provider(provider: str) -> Family | None:
    """The family whose usage objects PROVIDER returns, or None."""
    return next((f for f in FAMILIES if provider in f.providers), None)
