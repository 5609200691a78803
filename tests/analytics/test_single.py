"""Pages of calls, and all that is known of one, asked of a real store."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import ibis
import pytest
from samples import make_call

from llmtrace import codec
from llmtrace.analytics import compile_question
from llmtrace.analytics.relations import CALLS_ALL, CONTENTS, COST_ITEMS, SPANS
from llmtrace.errors import QueryError
from llmtrace.model import Attempt, Call, Content, Cost, Request, Response
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


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["span_id"], 16) for row in rows]


def test_pages_hold_every_call_once_latest_first(store: DuckStore) -> None:
    keep(store, *(make_call(n) for n in range(1, 24)))
    pages = [ids(ask(store, "calls_page", limit=10, offset=offset)) for offset in (0, 10, 20)]
    assert [len(page) for page in pages] == [10, 10, 3]
    assert [*chain(*pages)] == list(range(23, 0, -1))


def test_pages_hold_every_call_once_where_all_are_equal_in_what_they_are_ordered_by(store: DuckStore) -> None:
    keep(store, *(make_call(n) for n in range(1, 24)))
    pages = [ids(ask(store, "calls_page", limit="8", offset=str(at), order="cost_usd")) for at in (0, 8, 16)]
    assert sorted([*chain(*pages)]) == list(range(1, 24))


def test_calls_are_ordered_either_way_and_unknown_values_come_last(store: DuckStore) -> None:
    unknown = Request("openai", "chat", "chat.completions", model="nobody-knows-1")
    unpriced = make_call(3, request=unknown, response=Response())
    usage = {"prompt_tokens": 1000, "completion_tokens": 5000, "total_tokens": 6000}
    usual = make_call(2)
    dear = replace(usual, response=replace(usual.response, usage=usage), usage=replace(usual.usage, output_tokens=5000))
    keep(store, make_call(1), dear, unpriced)
    assert ids(ask(store, "calls_page", order="cost_usd")) == [2, 1, 3]
    assert ids(ask(store, "calls_page", order="cost_usd", ascending="true")) == [1, 2, 3]


def test_what_was_found_is_counted_and_added(store: DuckStore) -> None:
    keep(store, *(make_call(n, duration_s=float(n)) for n in range(1, 6)))
    (found,) = ask(store, "calls_found", min_duration_s="3")
    assert (found["calls"], found["cost_usd"], found["unpriced_calls"]) == (3, Decimal("0.0105"), 0)
    assert ids(ask(store, "calls_page", min_duration_s=3)) == [5, 4, 3]
    assert ask(store, "calls_found", min_cost_usd="0.0035")[0]["calls"] == 5
    assert ask(store, "calls_found", min_cost_usd="0.003500000001")[0]["calls"] == 0


@pytest.mark.parametrize("text", ["CHATCMPL-7", "user-7", "session-7", f"{7:032x}", "-7 "])
def test_any_id_is_searched_as_it_is_written(store: DuckStore, text: str) -> None:
    keep(store, *(make_call(n, user_id=f"User-{n}", session_id=f"session-{n}") for n in range(1, 10)))
    assert ids(ask(store, "calls_page", search=text)) == [7]
    assert ask(store, "calls_found", search=text)[0]["calls"] == 1


@pytest.mark.parametrize("text", ["%", "_", "' OR 1=1 --", "\\"])
def test_a_search_has_no_signs_of_its_own(store: DuckStore, text: str) -> None:
    keep(store, make_call(1), make_call(2, user_id=f"a{text}b"))
    assert ids(ask(store, "calls_page", search=text)) == [2]


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"offset": -1}, {"order": "tags"}, {"min_cost_usd": "x"},
        {"min_duration_s": "nan"},
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        compile_question("calls_page", options, "duckdb")


def test_one_call_is_shown_whole(store: DuckStore) -> None:
    attempts = (Attempt("429", 0.5), Attempt("503", 1.5), Attempt("200"))
    keep(
        store, make_call(1), make_call(2, attempts=attempts, request_id="req-2", rate_limits={"requests.remaining": 3})
    )
    (call,) = ask(store, "call", span_id=f"{2:016x}")
    assert (call["request_id"], call["endpoint"], call["retry_wait_s"]) == ("req-2", "chat.completions", 2.0)
    assert (call["attempts"], call["revision"], call["duplicate_of"]) == (3, 1, None)
    items = ask(store, "cost_items", span_id=f"{2:016x}", trace_id=f"{2:032x}")
    assert sum(item["cost_usd"] for item in items) == call["cost_usd"] == Decimal("0.0035")
    assert all(item["source_url"].startswith("https://") for item in items)
    (span,) = ask(store, "span", span_id=f"{2:016x}")
    assert '"llmtrace.attempt.outcomes":["429","503","200"]' in span["attributes"]
    assert ask(store, "content", span_id=f"{2:016x}") == []


def test_only_the_latest_price_is_shown(store: DuckStore) -> None:
    first = make_call(1)
    keep(store, first)
    repriced = PricedCall(first, Cost("unpriced", None, reason="no price any more"), "svc", "prod")
    connection = store._connection
    connection.execute("INSERT INTO call_history FROM call_rows")
    connection.execute("UPDATE call_rows SET revision = 2, cost_usd = NULL, cost_status = 'unpriced', cost_reason = ?",
                       [repriced.cost.reason])  # fmt: skip
    (call,) = ask(store, "call", span_id=first.span_id)
    assert (call["revision"], call["cost_usd"], call["cost_reason"]) == (2, None, "no price any more")
    assert ask(store, "cost_items", span_id=first.span_id) == []


def test_captured_content_belongs_to_its_call(store: DuckStore) -> None:
    keep(store, make_call(1, content=Content(input_messages='[{"role":"user"}]')), make_call(2))
    assert ask(store, "content", span_id=f"{1:016x}")[0]["input_messages"] == '[{"role":"user"}]'
    assert ask(store, "content", span_id=f"{2:016x}") == []


def test_of_two_spans_with_one_id_the_trace_decides(store: DuckStore) -> None:
    keep(store, make_call(1, feature="a"), make_call(1, trace_id=f"{2:032x}", feature="b"))
    assert ask(store, "call", span_id=f"{1:016x}", trace_id=f"{1:032x}")[0]["feature"] == "a"
    assert ask(store, "call", span_id=f"{1:016x}", trace_id=f"{2:032x}")[0]["feature"] == "b"
    assert ask(store, "call", span_id="f" * 16) == []


KINDS = {"VARCHAR": "string", "JSON": "json", "BIGINT": "int64", "INTEGER": "int32", "TINYINT": "int8",
         "DOUBLE": "float64", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp"}  # fmt: skip


@pytest.mark.parametrize("relation", [CALLS_ALL, SPANS, COST_ITEMS, CONTENTS], ids=lambda r: r.get_name())
def test_the_relations_are_described_as_they_are(relation: Any, store: DuckStore) -> None:
    stored = {name: kind for name, kind, *_ in store.query(f"DESCRIBE {relation.get_name()}").rows}
    for name, kind in relation.schema().items():
        assert ibis.dtype(KINDS.get(stored[name], stored[name].lower())) == kind, name
