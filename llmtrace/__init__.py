"""See what every LLM feature costs, how fast it is and how often it fails, on your own machine.

import llmtrace

llmtrace.instrument()
with llmtrace.feature("summarize"):
    client.chat.completions.create(...)
"""

from typing import TYPE_CHECKING, Any

# Loaded before the names below are bound: importing a submodule later would put the module in the function's place.
import llmtrace.instrument as _instrument_package  # noqa: F401
from llmtrace.baggage import baggage_headers, feature_from_headers
from llmtrace.errors import BudgetExceeded
from llmtrace.feature import feature, in_context
from llmtrace.lifecycle import budget, flush, flush_after, instrument, shutdown, uninstrument
from llmtrace.release import VERSION

if TYPE_CHECKING:
    from llmtrace.client import Client, connect
    from llmtrace.pricing import price

__all__ = [
    "BudgetExceeded",
    "Client",
    "baggage_headers",
    "budget",
    "connect",
    "feature",
    "feature_from_headers",
    "flush",
    "flush_after",
    "in_context",
    "instrument",
    "price",
    "shutdown",
    "uninstrument",
]
__version__ = VERSION

_LAZY = {"Client": "llmtrace.client", "connect": "llmtrace.client", "price": "llmtrace.pricing"}


def __getattr__(name: str) -> Any:
    """`connect` and `price`, loaded when first used: an application that only records needs neither."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
