"""What failed, was cancelled or was tried again, asked of a real store."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import NOON, make_call

from llmtrace import codec
from llmtrace.analytics import compile_question
from llmtrace.model import Attempt, Call, Cost, Response, Usage
from llmtrace.pricing import load_book, price_call
from llmtrace.store.base import Batch, PricedCall
from llmtrace.store.duckdb import DuckStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def keep(store: DuckStore, *calls: Call, **costs: Cost) -> None:
    spans = [(codec.to_span(c, {}), "p") for c in calls]
    priced = [PricedCall(c, costs.get(c.feature or "", price_call(load_book(), c)), "svc", "prod") for c in calls]
    store.commit(Batch(spans, priced))


def ask(store: DuckStore, question: str, **options: Any) -> list[dict[str, Any]]:
    return store.query(compile_question(question, options, store.dialect)).dicts()


def failed(number: int, **changes: Any) -> Call:
    values: dict[str, Any] = {
        "status": "error", "http_status": 429, "error_type": "rate_limit_exceeded", "usage": Usage(),
        "usage_source": "missing", "response": Response(),
    }  # fmt: skip
    return make_call(number, **{**values, **changes})


def test_failed_and_cancelled_calls_are_counted_apart(store: DuckStore) -> None:
    keep(store, make_call(1), failed(2), make_call(3, status="cancelled"), failed(4, feature="chat"))
    rows = {row["key"]: row for row in ask(store, "failures", by="feature")}
    assert (rows["summarize"]["calls"], rows["summarize"]["errors"], rows["summarize"]["cancelled"]) == (3, 1, 1)
    assert (rows["chat"]["errors"], rows["chat"]["cancelled"]) == (1, 0)
    assert rows["chat"]["last_failed_at"] == NOON.replace(second=4)
    (total,) = ask(store, "failure_totals")
    assert (total["calls"], total["errors"], total["cancelled"]) == (4, 2, 1)


def test_what_cancelled_and_failed_calls_cost_is_known_or_said_to_be_unknown(store: DuckStore) -> None:
    keep(
        store,
        make_call(1, status="cancelled"),
        make_call(2, status="cancelled", feature="lost"),
        make_call(3),
        lost=Cost("unpriced", None),
    )
    (total,) = ask(store, "failure_totals")
    assert (total["wasted_usd"], total["unknown_cost_calls"]) == (Decimal("0.0035"), 1)
    rows = {row["key"]: row for row in ask(store, "failures")}
    assert (rows["lost"]["wasted_usd"], rows["lost"]["unknown_cost_calls"]) == (None, 1)


def test_attempts_and_waits_are_added(store: DuckStore) -> None:
    again = (Attempt("429", 0.5), Attempt("503", 1.5), Attempt("200"))
    keep(store, make_call(1, attempts=again), make_call(2, attempts=(Attempt("200"),)), make_call(3))
    (total,) = ask(store, "failure_totals")
    assert (total["retried"], total["extra_attempts"], total["retry_wait_s"]) == (1, 2, 2.0)
    (day,) = ask(store, "outcomes")
    assert (day["calls"], day["retried"], day["retry_wait_s"]) == (3, 1, 2.0)


def test_a_call_priced_anew_waits_no_longer_than_it_did(store: DuckStore) -> None:
    keep(store, make_call(1, attempts=(Attempt("429", 0.5), Attempt("200"))))
    store._connection.execute("INSERT INTO call_history FROM call_rows")
    assert ask(store, "failure_totals")[0]["retry_wait_s"] == 0.5
    assert ask(store, "failure_totals")[0]["calls"] == 1


@pytest.mark.parametrize(("by", "keys"), [("http_status", {"429", "500"}), ("error", {"rate_limit_exceeded", "boom"})])
def test_failures_are_grouped_by_what_the_provider_said(by: str, keys: set[str], store: DuckStore) -> None:
    keep(store, failed(1), failed(2, http_status=500, error_type="boom"), failed(3))
    rows = {row["key"]: row["errors"] for row in ask(store, "failures", by=by)}
    assert set(rows) == keys and sorted(rows.values()) == [1, 2]


def test_kinds_of_failure_are_told_by_model_with_the_last_of_each(store: DuckStore) -> None:
    keep(store, failed(1), failed(2), make_call(3, status="cancelled"), make_call(4))
    first, second = ask(store, "failure_types")
    assert (first["status"], first["error_type"], first["http_status"], first["calls"]) == (
        "error", "rate_limit_exceeded", 429, 2,
    )  # fmt: skip
    assert first["last_at"] == NOON.replace(second=2)
    assert (second["status"], second["cost_usd"], second["unknown_cost_calls"]) == ("cancelled", Decimal("0.0035"), 0)


def test_calls_are_filtered_by_their_error(store: DuckStore) -> None:
    keep(store, failed(1), failed(2, error_type="boom"), make_call(3))
    assert ask(store, "calls_found", error="boom")[0]["calls"] == 1
    assert ask(store, "calls_found", error=["boom", ""])[0]["calls"] == 2
