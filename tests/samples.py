"""Calls and spans made up for tests."""

from datetime import datetime
from typing import Any

from llmtrace.model import Call, Request, Response, Usage

NOON = datetime(2026, 11, 10, 12)


def ns(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)).total_seconds()) * 10**9


def make_call(number: int, **changes: Any) -> Call:
    """A finished gpt-4o call of 1,000 input and 100 output tokens: $0.0025 + $0.001 by OpenAI's price page."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    values: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "started_at_ns": ns(NOON) + number * 10**9,
        "duration_s": 1.5,
        "request": Request("openai", "chat", "chat.completions", model="gpt-4o"),
        "response": Response(id=f"chatcmpl-{number}", model="gpt-4o-2024-08-06", finish_reasons=("stop",), usage=usage),
        "usage": Usage(input_tokens=1000, output_tokens=100),
        "usage_source": "provider",
        "http_status": 200,
        "feature": "summarize",
        "feature_source": "code",
    }
    return Call(**{**values, **changes})
