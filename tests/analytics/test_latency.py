"""How long calls take, asked of a real store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import make_call

from llmtrace import codec
from llmtrace.analytics import compile_question
from llmtrace.errors import QueryError
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.store.base import Batch, PricedCall
from llmtrace.store.duckdb import DuckStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def keep(store: DuckStore, *calls: Call) -> None:
    spans = [(codec.to_span(c, {}), "p") for c in calls]
    store.commit(Batch(spans, [PricedCall(c, price_call(load_book(), c), "svc", "prod") for c in calls]))


def ask(store: DuckStore, question: str, **options: Any) -> list[dict[str, Any]]:
    return store.query(compile_question(question, options, store.dialect)).dicts()


def test_groups_have_their_percentiles_and_of_how_many_calls_they_are(store: DuckStore) -> None:
    keep(
        store,
        *(make_call(n, duration_s=float(n)) for n in range(1, 12)),
        make_call(12, feature="chat", duration_s=2.0, ttft_s=1.0),
    )
    summarize, chat = ask(store, "latency_report", by="feature")
    assert (summarize["key"], summarize["calls"], summarize["latency_p50_s"]) == ("summarize", 11, 6.0)
    assert (summarize["latency_p95_s"], summarize["latency_max_s"]) == (10.5, 11.0)
    assert (summarize["streamed"], summarize["ttft_p50_s"]) == (0, None)
    assert (chat["streamed"], chat["ttft_p95_s"]) == (1, 1.0)


def test_the_totals_are_those_of_all_questions(store: DuckStore) -> None:
    keep(store, *(make_call(n, duration_s=float(n)) for n in range(1, 12)))
    (mine,), (shared,) = ask(store, "latency_totals"), ask(store, "totals")
    for name in ("calls", "latency_p50_s", "latency_p95_s", "latency_p99_s", "ttft_p50_s"):
        assert mine[name] == shared[name]


def test_output_is_as_fast_as_after_its_first_token(store: DuckStore) -> None:
    keep(
        store,
        make_call(1, duration_s=2.0),  # 100 tokens in 2 s
        make_call(2, duration_s=2.0, ttft_s=1.0),  # in 1 s
        make_call(3, duration_s=3.0, ttft_s=3.0),  # no time at all: not counted
    )
    (total,) = ask(store, "latency_totals")
    assert (total["timed"], total["tokens_per_s_p50"]) == (2, 75.0)


def test_calls_without_output_have_no_speed(store: DuckStore) -> None:
    keep(store, make_call(1, status="error", usage=make_call(1).usage.__class__()))
    assert ask(store, "latency_totals")[0]["tokens_per_s_p50"] is None


def test_bins_grow_by_factors_and_hold_every_call_that_took_time(store: DuckStore) -> None:
    keep(store, *(make_call(n, duration_s=s) for n, s in enumerate((0.0, 0.01, 0.99, 1.0, 1.2, 9.9, 10.0), 1)))
    rows = ask(store, "latency_histogram")
    assert {row["bin"]: row["calls"] for row in rows} == {-20: 1, -1: 1, 0: 2, 9: 1, 10: 1}
    assert ask(store, "latency_histogram", of="ttft_s") == []
    with pytest.raises(QueryError, match="histogram"):
        compile_question("latency_histogram", {"of": "feature"}, "duckdb")


def test_over_time_the_groups_with_most_calls_stand_alone(store: DuckStore) -> None:
    keep(
        store,
        *(make_call(n, duration_s=1.0) for n in range(1, 4)),
        make_call(4, feature="a", duration_s=9.0),
        make_call(5, feature="b", duration_s=7.0),
        make_call(6, feature=None, duration_s=3.0),
    )
    rows = ask(store, "latency_top_series", bucket="day", top=1)
    assert [(r["key"], r["is_other"], r["calls"], r["latency_p50_s"]) for r in rows] == [
        ("summarize", False, 3, 1.0), (None, False, 1, 3.0), (None, True, 2, 8.0),
    ]  # fmt: skip
