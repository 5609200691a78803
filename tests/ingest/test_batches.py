"""Results, the request that submitted their batch, and what was told of it in between come together in any order."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import NOON, make_call, ns

from llmtrace import codec, otlp_bytes, semconv
from llmtrace.analytics.filters import Filter
from llmtrace.batch import BatchState, encode_state
from llmtrace.ingest import Ingester
from llmtrace.ingest.reprice import reprice
from llmtrace.journal import JournalWriter
from llmtrace.model import BatchRequest, Call, Request, Response, Span, Usage
from llmtrace.pricing import load_book
from llmtrace.store.duckdb import DuckStore

# gpt-4o in a batch: 1,000 × $1.25 / 1M + 100 × $5 / 1M  (https://developers.openai.com/api/docs/pricing)
PRICE = Decimal("0.001750000000")
CREATED_S = ns(NOON) / 1e9
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


class Home:
    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.mkdir(parents=True)
        self.writer = JournalWriter(self.journal, "app")
        self.store = DuckStore(folder / "t.duckdb")

    def ingest(self, *spans: Span) -> None:
        self.writer.append(otlp_bytes.encode(list(spans)), len(spans))
        Ingester(self.store, self.journal, load_book()).run()

    def rows(self, relation: str = "calls") -> list[dict[str, Any]]:
        return self.store.query(f"SELECT * FROM {relation} ORDER BY 1, 2").dicts()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def state(**changes: Any) -> BatchState:
    told: dict[str, Any] = {"status": "validating", "created_at_s": CREATED_S, "endpoint": "/v1/chat/completions"}
    return BatchState(**{"id": "batch_1", **told, **changes})


def told_by(call: Call, step: str, found: BatchState) -> Span:
    span = codec.to_span(call, {"service.name": "submitter", "deployment.environment.name": "prod"})
    attributes = {k: v for k, v in span.attributes.items() if k != semconv.OPERATION_NAME}
    return replace(span, name=f"{step}_batch", attributes={**attributes, **encode_state(found, step)})


def submitted(number: int = 1, **changes: Any) -> Span:
    call = make_call(
        number,
        request=Request("openai", "create_batch", "batches.create"),
        response=Response(),
        usage=Usage(),
        usage_source="missing",
        **{"feature": "nightly", "user_id": "u1", "tags": {"team": "search"}, **changes},
    )
    return told_by(call, "create", state(requests=2, models=("gpt-4o",)))


def polled(number: int = 2, **changes: Any) -> Span:
    call = make_call(number, request=Request("openai", "retrieve_batch", "batches.retrieve"), feature=None)
    found = state(**{"status": "completed", "requests": 2, "succeeded": 2, "files": ("file-1",), **changes})
    return told_by(call, "retrieve", found)


def result(number: int, *, batch_id: str | None = None, started_at_ns: int | None = None, **changes: Any) -> Span:
    """A result that a process read which knew the file, and the batch only where BATCH_ID is given."""
    response = Response(id=f"chatcmpl-{number}", model="gpt-4o-2024-08-06", finish_reasons=("stop",), usage=USAGE)
    values: dict[str, Any] = {
        "request": Request("openai", "chat", "chat.completions"),
        "response": response,
        "feature": "reader",
        "duration_s": 0.0,
        "batch": BatchRequest(batch_id, f"r{number}", "file-1"),
        **changes,
    }
    if started_at_ns is not None:
        values["started_at_ns"] = started_at_ns
    return codec.to_span(make_call(number, **values), {"service.name": "reader"})


STORY = [submitted(1), polled(2), result(3), result(4)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(STORY)))))
def test_in_any_order_results_belong_to_whoever_submitted(home: Home, order: tuple[int, ...]) -> None:
    for i in order:
        home.ingest(STORY[i])
    found = home.rows()
    assert {
        (r["feature"], r["user_id"], json.loads(r["tags"])["team"], r["service"], r["environment"]) for r in found
    } == {("nightly", "u1", "search", "submitter", "prod")}
    assert [(r["batch_id"], r["request_model"], r["cost_usd"], r["cost_status"]) for r in found] == [
        ("batch_1", "gpt-4o", PRICE, "exact")
    ] * 2
    (batch,) = home.rows("batches")
    assert (batch["requests"], batch["results"], batch["pending"], batch["cost_usd"]) == (2, 2, 0, 2 * PRICE)


def test_it_all_may_come_at_once(home: Home) -> None:
    home.ingest(*reversed(STORY))
    assert [(r["feature"], r["cost_usd"]) for r in home.rows()] == [("nightly", PRICE)] * 2
    assert home.rows("call_history") == []


def test_a_late_attribution_is_a_revision_and_the_history_keeps_what_stood_there(home: Home) -> None:
    for span in reversed(STORY):
        home.ingest(span)
    assert {r["feature"] for r in home.rows("call_history")} == {"reader"}
    items = home.store.query("SELECT sum(i.cost_usd) FROM cost_items i SEMI JOIN call_rows c USING (span_id, revision)")
    assert items.rows == [(2 * PRICE,)]


def test_what_is_told_again_changes_nothing(home: Home) -> None:
    home.ingest(*STORY)
    before = home.rows("calls_all")
    home.ingest(*STORY)
    home.ingest(polled(9))
    assert home.rows("calls_all") == before


def test_a_result_that_is_read_again_at_another_time_is_the_same_call(home: Home) -> None:
    home.ingest(result(3, started_at_ns=ns(datetime(2026, 11, 18))))
    home.ingest(result(3, started_at_ns=ns(datetime(2026, 11, 2))))
    assert len(home.rows()) == 1


def test_results_of_a_batch_that_nobody_told_of_are_the_readers(home: Home) -> None:
    home.ingest(result(3))
    (row,) = home.rows()
    assert (row["feature"], row["service"], row["batch_id"], row["duration_s"]) == ("reader", "reader", None, None)
    assert (row["cost_usd"], row["cost_status"]) == (PRICE, "exact")


def test_batches_of_other_ids_and_providers_stay_apart(home: Home) -> None:
    other = replace(submitted(5), attributes={**submitted(5).attributes, semconv.PROVIDER_NAME: "azure.ai.openai"})
    home.ingest(other, result(3, batch_id="batch_1"), result(4, batch_id="batch_2"))
    assert {r["feature"] for r in home.rows()} == {"reader"}


def test_a_result_is_priced_by_the_time_at_which_its_batch_was_created(home: Home) -> None:
    # gpt-5.6-sol in a batch: $2.50 and $15 a million until 2026-08-21, $2 and $10 from then on.
    def cost(read_at: datetime, created_at: datetime, number: int) -> str:
        id_ = f"batch_{number}"
        created = encode_state(state(id=id_, created_at_s=ns(created_at) / 1e9), "create")
        response = Response(id=f"c-{number}", model="gpt-5.6-sol", finish_reasons=("stop",), usage=USAGE)
        home.ingest(replace(submitted(number), attributes={**submitted(number).attributes, **created}))
        home.ingest(result(number + 50, batch_id=id_, started_at_ns=ns(read_at), response=response))
        return str(next(r["cost_usd"] for r in home.rows() if r["batch_id"] == id_))

    before, after = datetime(2026, 8, 20), datetime(2026, 8, 22)
    assert cost(after, before, 1) == "0.004000000000"  # 1,000 × 2.5 / 1M + 100 × 15 / 1M
    assert cost(after, after, 2) == "0.003000000000"  # 1,000 × 2 / 1M + 100 × 10 / 1M


def test_pricing_anew_keeps_to_whom_a_result_belongs(home: Home) -> None:
    home.ingest(*STORY)
    home.store._connection.execute("UPDATE call_rows SET cost_usd = 1")
    answer = reprice(home.store, load_book(), Filter(), _Turn(), is_dry=False)
    assert (answer["calls"], answer["changed"]) == (2, 2)
    assert [(r["feature"], r["batch_id"], r["service"], r["cost_usd"]) for r in home.rows()] == [
        ("nightly", "batch_1", "submitter", PRICE)
    ] * 2


class _Turn:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass
