"""How far the answers can be trusted, asked of a real store."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import NOON, make_call
from traces import unpriced_call

from llmtrace import codec
from llmtrace.analytics import compile_question
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.store.base import Batch, PricedCall
from llmtrace.store.duckdb import DuckStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def keep(store: DuckStore, *calls: Call, service: str = "svc", process: str = "p-1") -> None:
    spans = [(codec.to_span(c, {"service.name": service}), process) for c in calls]
    store.commit(Batch(spans, [PricedCall(c, price_call(load_book(), c), service, "prod") for c in calls]))


def ask(store: DuckStore, question: str, **options: Any) -> list[dict[str, Any]]:
    return store.query(compile_question(question, options, store.dialect)).dicts()


def test_what_has_no_price_is_told_by_model_with_the_reason(store: DuckStore) -> None:
    keep(store, make_call(1), unpriced_call(2), unpriced_call(3), unpriced_call(4, feature="other"))
    (row,) = ask(store, "unpriced", feature="summarize")
    assert (row["provider"], row["model"], row["cost_status"], row["calls"]) == (
        "openai", "nobody-knows-1", "unpriced", 2,
    )  # fmt: skip
    assert "nobody-knows-1" in row["reason"]
    assert (row["input_tokens"], row["last_at"]) == (2000, NOON.replace(second=3))


def test_a_reason_of_an_earlier_price_counts_no_call_twice(store: DuckStore) -> None:
    keep(store, unpriced_call(1))
    connection = store._connection
    connection.execute("INSERT INTO call_history FROM call_rows")
    connection.execute("UPDATE call_rows SET revision = 2, cost_reason = 'still none'")
    assert [(row["calls"], row["reason"]) for row in ask(store, "unpriced")] == [(1, "still none")]


def test_every_call_has_a_price_or_is_listed(store: DuckStore) -> None:
    keep(store, make_call(1))
    assert ask(store, "unpriced") == []


def test_calls_are_counted_by_where_their_tokens_come_from(store: DuckStore) -> None:
    keep(store, make_call(1), make_call(2), make_call(3, usage_source="estimated"))
    rows = {row["usage_source"]: row for row in ask(store, "usage_sources")}
    assert (rows["provider"]["calls"], rows["provider"]["cost_usd"]) == (2, Decimal("0.0070"))
    assert (rows["estimated"]["calls"], rows["estimated"]["failed"]) == (1, 0)


def test_services_are_told_with_what_they_left_out_and_when_they_were_last_heard_of(store: DuckStore) -> None:
    keep(store, make_call(1), make_call(2, feature=None))
    keep(store, make_call(3), service="jobs")
    jobs, svc = ask(store, "services")
    assert (jobs["service"], jobs["environment"], jobs["calls"]) == ("jobs", "prod", 1)
    assert (svc["calls"], svc["untagged_calls"], svc["unpriced_calls"]) == (2, 1, 0)
    assert (svc["first_at"], svc["last_at"]) == (NOON.replace(second=1), NOON.replace(second=2))


def test_processes_are_told_whatever_the_filters(store: DuckStore) -> None:
    keep(store, make_call(1), make_call(2))
    keep(store, make_call(3), process="p-2")
    rows = ask(store, "processes", feature="nope")
    assert [(row["process"], row["spans"]) for row in rows] == [("p-2", 1), ("p-1", 2)]


def test_calls_that_came_twice_are_counted_once_per_provider(store: DuckStore) -> None:
    keep(store, make_call(1), make_call(2), make_call(3))
    assert ask(store, "duplicates") == []
    store._connection.execute("UPDATE call_rows SET duplicate_of = ? WHERE span_id = ?", [f"{1:016x}", f"{2:016x}"])
    store._connection.execute("INSERT INTO call_history FROM call_rows")
    assert ask(store, "duplicates") == [{"provider": "openai", "calls": 1}]
