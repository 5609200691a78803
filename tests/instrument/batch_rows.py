"""What is stored of batches, as SQL shows it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from surface import settle

import llmtrace
from llmtrace.client import connect

IS_ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def run(client: Any, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What WORK gives with CLIENT, which is closed after it, in the loop that it was used in."""

    async def use() -> Any:
        try:
            return await work(client)
        finally:
            await settle(client.close())

    return asyncio.run(use())


def ask(home: Path, relation: str, order: str = "started_at, span_id") -> list[dict[str, Any]]:
    assert llmtrace.flush(10.0)
    return list(connect(home=home).sql(f"SELECT * FROM {relation} ORDER BY {order}").to_pylist())


def calls(home: Path) -> list[dict[str, Any]]:
    return ask(home, "calls")


def batch(home: Path) -> dict[str, Any]:
    (found,) = ask(home, "batches", "batch_id")
    return found


def custom_ids(home: Path) -> list[str]:
    spans = ask(home, "spans WHERE name LIKE 'chat%'")
    return sorted(json.loads(span["attributes"])["llmtrace.batch.custom_id"] for span in spans)


def accounted(home: Path) -> dict[str, int]:
    """The figures of `doctor`, which add up."""
    assert llmtrace.flush(10.0)
    figures = connect(home=home).health()
    assert figures["ended"] == figures["stored"] + figures["pending"] + sum(figures["dropped"].values())
    assert figures["pending"] == 0
    return dict(figures["dropped"])
