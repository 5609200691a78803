"""Traces and their spans, asked of a real store."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import NOON, make_call
from traces import TRACE, agent_trace, span_id

from llmtrace import codec
from llmtrace.analytics import compile_question
from llmtrace.errors import QueryError
from llmtrace.model import Span
from llmtrace.pricing import load_book, price_call
from llmtrace.store.base import Batch, PricedCall
from llmtrace.store.duckdb import DuckStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def keep(store: DuckStore, spans: list[Span]) -> None:
    calls = [call for call in map(codec.decode, spans) if call is not None]
    priced = [PricedCall(call, price_call(load_book(), call), "svc", None) for call in calls]
    store.commit(Batch([(span, "p") for span in spans], priced))


def ask(store: DuckStore, question: str, **options: Any) -> list[dict[str, Any]]:
    return store.query(compile_question(question, options, store.dialect)).dicts()


def test_a_trace_has_all_its_spans_by_their_start_and_what_its_calls_cost(store: DuckStore) -> None:
    keep(store, [*agent_trace(NOON), codec.to_span(make_call(77), {})])
    rows = ask(store, "trace", trace_id=TRACE)
    assert len(rows) == 11
    assert [row["started_at"] for row in rows] == sorted(row["started_at"] for row in rows)
    calls = {row["span_id"]: row for row in rows if row["is_call"]}
    assert set(calls) == {span_id(n) for n in (3, 7, 8, 10)}
    assert calls[span_id(3)]["cost_usd"] == Decimal("0.0035")
    assert calls[span_id(7)]["status"] == "error"
    assert all(row["cost_usd"] is None and row["feature"] is None for row in rows if not row["is_call"])
    (total,) = ask(store, "trace_total", trace_id=TRACE)
    assert (total["spans"], total["calls"], total["errors"]) == (11, 4, 1)
    assert total["cost_usd"] == Decimal("0.0105")


def test_a_trace_is_cut_at_its_first_spans(store: DuckStore) -> None:
    keep(store, agent_trace(NOON))
    assert [row["span_id"] for row in ask(store, "trace", trace_id=TRACE, limit=2)] == [span_id(1), span_id(2)]
    assert ask(store, "trace_total", trace_id=TRACE)[0]["spans"] == 11
    with pytest.raises(QueryError):
        compile_question("trace", {"trace_id": TRACE, "limit": 10_001}, "duckdb")


def test_a_call_that_was_recorded_twice_is_counted_once(store: DuckStore) -> None:
    keep(store, agent_trace(NOON))
    store._connection.execute(
        "UPDATE call_rows SET duplicate_of = ? WHERE span_id = ?", [span_id(3), span_id(10)]
    )  # fmt: skip
    rows = {row["span_id"]: row for row in ask(store, "trace", trace_id=TRACE)}
    assert rows[span_id(10)]["duplicate_of"] == span_id(3)
    assert ask(store, "trace_total", trace_id=TRACE)[0]["cost_usd"] == Decimal("0.0070")


def test_traces_are_listed_latest_first_with_all_their_spans(store: DuckStore) -> None:
    keep(store, [*agent_trace(NOON), codec.to_span(make_call(77, feature=None), {})])
    late, agent = ask(store, "traces")
    assert (late["trace_id"], late["spans"], late["calls"], late["feature"]) == (f"{77:032x}", 1, 1, None)
    assert (agent["trace_id"], agent["spans"], agent["calls"], agent["errors"]) == (TRACE, 11, 4, 1)
    assert agent["duration_s"] == pytest.approx(9.4)
    assert agent["calls_s"] == pytest.approx(7.3)
    assert ask(store, "traces_found") == [{"calls": 5, "traces": 2}]


def test_traces_are_filtered_by_their_calls_and_paged(store: DuckStore) -> None:
    keep(store, [*agent_trace(NOON), codec.to_span(make_call(77), {})])
    assert [row["trace_id"] for row in ask(store, "traces", feature="returns-agent")] == [TRACE]
    assert [row["trace_id"] for row in ask(store, "traces", order="cost_usd", limit="1", offset="1")] == [f"{77:032x}"]
    with pytest.raises(QueryError, match="ordered by"):
        compile_question("traces", {"order": "spans"}, "duckdb")
