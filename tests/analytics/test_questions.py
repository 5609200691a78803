"""Named questions, asked of a real store."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pytest
from samples import NOON, make_call, ns

from llmtrace import codec
from llmtrace.analytics import QUESTIONS, compile_question, find_question, parse_filter
from llmtrace.analytics.filters import parse_time
from llmtrace.analytics.tables import CALLS
from llmtrace.errors import QueryError
from llmtrace.model import Call, Request, Response, Usage
from llmtrace.pricing import load_book, price_call
from llmtrace.store.base import Batch, PricedCall
from llmtrace.store.duckdb import DuckStore

HOSTILE = "it's; DROP TABLE spans; --\" \\ $.x"


def store_calls(store: DuckStore, *calls: Call) -> None:
    spans = [(codec.to_span(c, {}), "p") for c in calls]
    store.commit(Batch(spans, [PricedCall(c, price_call(load_book(), c), "svc", "prod") for c in calls]))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def ask(store: DuckStore, question: str, **options: Any) -> list[dict[str, Any]]:
    return store.query(compile_question(question, options, store.dialect)).dicts()


def failed(number: int, **changes: Any) -> Call:
    values: dict[str, Any] = {
        "status": "error", "http_status": 429, "error_type": "rate_limit_exceeded", "usage": Usage(),
        "usage_source": "missing", "response": Response(),
    }  # fmt: skip
    return make_call(number, **{**values, **changes})


def unpriced(number: int, **changes: Any) -> Call:
    request = Request("openai", "chat", "chat.completions", model="nobody-knows-1")
    return make_call(
        number, request=request, response=Response(model="nobody-knows-1", usage={"prompt_tokens": 5}), **changes
    )


def test_a_report_counts_and_adds_each_group(store: DuckStore) -> None:
    store_calls(
        store,
        make_call(1),
        make_call(2, duration_s=3.5, ttft_s=0.4),
        failed(3),
        make_call(4, feature="chat"),
        unpriced(5, feature=None),
    )
    rows = {r["key"]: r for r in ask(store, "report", by="feature")}
    assert set(rows) == {"summarize", "chat", None}
    summarize = rows["summarize"]
    assert (summarize["calls"], summarize["errors"], summarize["cost_usd"]) == (3, 1, Decimal("0.007"))
    assert (summarize["input_tokens"], summarize["output_tokens"]) == (2000, 200)
    assert summarize["latency_p50_s"] == 1.5
    assert summarize["ttft_p50_s"] == 0.4
    assert rows["chat"]["ttft_p50_s"] is None
    assert (rows[None]["cost_usd"], rows[None]["unpriced_calls"]) == (None, 1)
    (total,) = ask(store, "totals")
    assert (total["calls"], total["errors"], total["cost_usd"]) == (5, 1, Decimal("0.0105"))
    assert (total["untagged_calls"], total["unpriced_calls"]) == (1, 1)


def test_percentiles_are_exact(store: DuckStore) -> None:
    store_calls(store, *[make_call(n, duration_s=float(n)) for n in range(1, 101)])
    (total,) = ask(store, "totals")
    assert total["latency_p50_s"] == pytest.approx(50.5)
    assert total["latency_p95_s"] == pytest.approx(95.05)
    assert total["latency_p99_s"] == pytest.approx(99.01)


def test_money_is_added_exactly(store: DuckStore) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    response = Response(model="gpt-4o-2024-08-06", usage=usage)
    store_calls(store, *[make_call(n, response=response, usage=Usage(1, output_tokens=0)) for n in range(1000)])
    (total,) = ask(store, "totals")
    assert total["cost_usd"] == Decimal("0.0025")


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("model", {"gpt-4o", "nobody-knows-1"}),
        ("provider", {"openai"}),
        ("user", {"u1", None}),
        ("tenant", {"acme", None}),
        ("session", {"s1", None}),
        ("service", {"svc"}),
        ("environment", {"prod"}),
        ("prompt_version", {"v2", None}),
        ("day", {datetime(2026, 11, 10)}),
        ("hour", {datetime(2026, 11, 10, 12)}),
        ("tag:team", {"red", None}),
        ("tag:a/b~c", {"x", None}),
        ("tag:" + HOSTILE, {None}),
    ],
)
def test_every_grouping(by: str, keys: set[Any], store: DuckStore) -> None:
    tagged = make_call(
        1, user_id="u1", tenant="acme", session_id="s1", prompt_version="v2", tags={"team": "red", "a/b~c": "x"}
    )
    store_calls(store, tagged, unpriced(2))
    assert {r["key"] for r in ask(store, "report", by=by)} == keys


def test_a_filter_names_values_and_the_empty_name_stands_for_none(store: DuckStore) -> None:
    store_calls(store, make_call(1), make_call(2, feature="chat"), make_call(3, feature=None), unpriced(4))

    def count(**filters: Any) -> int:
        (total,) = ask(store, "totals", **filters)
        return int(total["calls"])

    assert count(feature="chat") == 1
    assert count(feature=["chat", "summarize"]) == 3
    assert count(feature="") == 1
    assert count(feature=["", "chat"]) == 2
    assert count(model="gpt-4o") == 3
    assert count(model="gpt-4o-2024-08-06") == 3, "the answered model may be named too"
    assert count(feature="chat", model="nobody-knows-1") == 0
    assert count(feature=HOSTILE) == 0
    assert count() == 4


def test_a_period_holds_its_start_and_not_its_end(store: DuckStore) -> None:
    store_calls(store, *[make_call(n, started_at_ns=ns(NOON + timedelta(hours=n))) for n in range(4)])

    def count(since: Any = None, until: Any = None) -> int:
        (total,) = ask(store, "totals", since=since, until=until)
        return int(total["calls"])

    assert count(NOON, NOON + timedelta(hours=2)) == 2
    assert count("2026-11-10T13:00:00Z") == 3
    assert count("2026-11-10T14:00:00+01:00", "2026-11-10T15:00:00Z") == 2
    assert count(until="2026-11-10") == 0


def test_time_is_written_as_people_write_it() -> None:
    now = datetime(2026, 11, 21, 12)
    assert parse_time("7d", now) == datetime(2026, 11, 14, 12)
    assert parse_time("36h", now) == datetime(2026, 11, 20)
    assert parse_time("2w", now) == datetime(2026, 11, 7, 12)
    assert parse_time("2026-11-01", now) == datetime(2026, 11, 1)
    with pytest.raises(QueryError, match="7d, 24h"):
        parse_time("last tuesday", now)


def test_a_series_has_a_point_per_bucket_and_group(store: DuckStore) -> None:
    day = timedelta(days=1)
    store_calls(
        store, *[make_call(n, started_at_ns=ns(NOON + n % 3 * day), feature="a" if n % 2 else "b") for n in range(12)]
    )
    rows = ask(store, "series", by="feature", bucket="day")
    assert len(rows) == 6
    assert {r["at"] for r in rows} == {datetime(2026, 11, d) for d in (10, 11, 12)}
    assert sum(r["cost_usd"] for r in rows) == Decimal("0.042")


def test_latency_over_time_has_gaps_where_nothing_streamed(store: DuckStore) -> None:
    store_calls(store, make_call(1), make_call(2, ttft_s=0.5, started_at_ns=ns(NOON + timedelta(days=1))))
    first, second = ask(store, "latency_series")
    assert (first["ttft_p50_s"], second["ttft_p50_s"]) == (None, 0.5)


def test_facets_errors_coverage_and_calls(store: DuckStore) -> None:
    store_calls(store, make_call(1), failed(2), unpriced(3))
    facets = {(r["facet"], r["value"]): r["calls"] for r in ask(store, "facets")}
    assert facets["feature", "summarize"] == 3
    assert facets["model", "gpt-4o"] == 2
    (error,) = ask(store, "errors")
    assert (error["key"], error["calls"], error["cost_usd"]) == ("rate_limit_exceeded", 1, Decimal(0))
    assert {r["cost_status"] for r in ask(store, "coverage")} == {"exact", "not_billed", "unpriced"}
    assert [r["span_id"] for r in ask(store, "calls", limit=2)] == [f"{3:016x}", f"{2:016x}"]


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        ("nothing", {}, "no question 'nothing'"),
        ("report", {"by": "colour"}, "cannot be grouped by 'colour'"),
        ("report", {"by": "tag:"}, "cannot be grouped"),
        ("report", {"colour": "red"}, "no filter colour"),
        ("series", {"bucket": "eon"}, "no bucket"),
        ("calls", {"limit": 0}, "limit"),
        ("calls", {"order": "span_id; DROP"}, "ordered by"),
        ("totals", {"since": "soon"}, "no time"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(question: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        compile_question(question, options, "duckdb")


@pytest.mark.parametrize("question", [q.name for q in QUESTIONS])
def test_every_question_answers_an_empty_store(question: str, store: DuckStore) -> None:
    rows = ask(store, question)
    assert rows == [] or all(r.get("calls", 0) in (0, None) for r in rows)


@pytest.mark.parametrize("question", [q.name for q in QUESTIONS])
def test_every_question_compiles_for_another_engine_too(question: str) -> None:
    assert "SELECT" in compile_question(question, {"feature": "x", "since": "7d"}, "clickhouse")


def test_the_relation_is_described_as_it_is(store: DuckStore) -> None:
    described = store.query("DESCRIBE calls").rows
    assert [row[0] for row in described] == list(CALLS.columns)
    names = {"VARCHAR": "string", "JSON": "json", "BIGINT": "int64", "INTEGER": "int32", "DOUBLE": "float64",
             "BOOLEAN": "boolean", "TIMESTAMP": "timestamp", "DECIMAL(18,12)": "decimal(18, 12)"}  # fmt: skip
    for name, kind, *_ in described:
        assert CALLS.schema()[name].copy(nullable=True) == ibis.dtype(names[kind]).copy(nullable=True), name


def test_parameters_of_a_question_are_known() -> None:
    assert find_question("series").parameters == ("by", "bucket")
    assert parse_filter({"feature": None}) == parse_filter({})
