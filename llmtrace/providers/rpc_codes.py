"""The numbers that gRPC has for errors, by their names, as Google and xAI tell them of single results.

Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import as_text

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def error_name(error: Mapping[str, Any]) -> str:
    """What ERROR is called: its `status`, or else the name of its `code`."""
    code = as_count(error.get("code"))
    known = CODES[code] if code is not None and code < len(CODES) else str(code or "error")
    return as_text(error.get("status")) or known
