"""Bills made up for tests: figures as the providers' reports have them, beside calls that were tracked."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from samples import NOON, make_call, ns

from llmtrace.demo.seed import write_calls
from llmtrace.model import Response

DAYS = 3
CALLS = 93
MODEL = "gpt-4o-2024-08-06"
PERIOD = ("--provider", "openai", "--since", "2026-11-10", "--until", "2026-11-13")
UNIX = 1794268800  # 2026-11-10T00:00:00Z


def day_at(day: int) -> int:
    return UNIX + day * 86400


def track(
    home: Path,
    *,
    at: datetime = NOON,
    days: int = DAYS,
    calls: int = CALLS,
    first: int = 1,
    used: dict[str, Any] | None = None,
    model: str = MODEL,
    tier: str | None = None,
    **changes: Any,
) -> None:
    """CALLS that USED so much (1,000 input and 100 output tokens) on each of DAYS, numbered from FIRST on."""
    told = usage(1000, 100) if used is None else used
    made = [
        make_call(
            first + day * calls + i,
            started_at_ns=ns(at + timedelta(days=day)) + i * 10**9,
            **{
                "response": Response(id=f"c-{first}-{day}-{i}", model=model, usage=told or None, service_tier=tier),
                **changes,
            },
        )
        for day in range(days)
        for i in range(calls)
    ]
    write_calls(home, [(call, {"service.name": "shop"}) for call in made])


def usage(into: int, out: int, cached: int = 0) -> dict[str, Any]:
    return {"prompt_tokens": into, "completion_tokens": out, "prompt_tokens_details": {"cached_tokens": cached}}


def used(into: int, out: int, *, project: str | None = None, **more: Any) -> dict[str, Any]:
    """A result of the usage report."""
    told = {
        "object": "organization.usage.completions.result",
        "num_model_requests": CALLS,
        "model": MODEL,
        "batch": False,
    }
    return {**told, "input_tokens": into, "output_tokens": out, "project_id": project, **more}


def cost(item: str, value: float | str, project: str | None = None) -> dict[str, Any]:
    """A result of the costs."""
    amount = {"value": value, "currency": "usd"}
    return {"object": "organization.costs.result", "amount": amount, "line_item": item, "project_id": project}


def costs(into: float | str, out: float | str) -> list[dict[str, Any]]:
    return [cost(f"{MODEL}, input", into), cost(f"{MODEL}, output", out)]


def page(days: Iterable[list[dict[str, Any]]], first: int = 0) -> dict[str, Any]:
    """The page of a report with the results of each of DAYS."""
    data = [
        {"object": "bucket", "start_time": day_at(n), "end_time": day_at(n + 1), "results": results}
        for n, results in enumerate(days, first)
    ]
    return {"object": "page", "data": data, "has_more": False, "next_page": None}
