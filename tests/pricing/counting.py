"""What OpenAI and Anthropic count, priced; sums as they are written in the tests."""

from datetime import UTC, datetime
from typing import Any

from llmtrace.model import Cost
from llmtrace.pricing import price


def openai(usage: Any, model: str, at: str, **context: Any) -> Cost:
    return price(usage, "openai", model, datetime.fromisoformat(at).replace(tzinfo=UTC), context=context)


def anthropic(usage: Any, model: str, at: str, **context: Any) -> Cost:
    return price(usage, "anthropic", model, datetime.fromisoformat(at).replace(tzinfo=UTC), context=context)


def chat(prompt: int, completion: int, cached: int = 0, written: int = 0, **details: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": details,
    }


def message(fresh: int, output: int, read: int = 0, written: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": output,
        **more,
    }


def usd(cost: Cost) -> str:
    assert cost.total_usd is not None, cost.reason
    return format(cost.total_usd.normalize(), "f")


def amounts(cost: Cost) -> dict[str, str]:
    return {i.component: format(i.cost_usd.normalize(), "f") for i in cost.items if i.cost_usd is not None}
