"""A response made in the background is billed once, where it was made, whenever and however often it is fetched."""

import itertools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from samples import make_call

from llmtrace import codec, otlp_bytes
from llmtrace.ingest import Ingester
from llmtrace.journal import JournalWriter
from llmtrace.model import Call, Request, Response, Span, Usage
from llmtrace.pricing import load_book
from llmtrace.store.duckdb import DuckStore

RAW = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
DAY = 86_400
# gpt-4o: 1,000 × $2.50 / 1M + 100 × $10 / 1M  (https://developers.openai.com/api/docs/pricing)
PRICE = Decimal("0.003500000000")


class Home:
    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.mkdir(parents=True)
        self.path = folder / "t.duckdb"
        self.writer = JournalWriter(self.journal, "app")
        self.store = DuckStore(self.path)

    def ingest(self, *spans: Span) -> None:
        self.writer.append(otlp_bytes.encode(list(spans)), len(spans))
        Ingester(self.store, self.journal, load_book()).run()

    def rows(self, relation: str = "calls") -> list[dict[str, Any]]:
        return self.store.query(f"SELECT * FROM {relation} ORDER BY started_at, span_id").dicts()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.writer.close()
    made.store.close()


def span(call: Call) -> Span:
    return codec.to_span(call, {"service.name": "svc"})


def made(number: int = 1, response_id: str = "resp_1", **changes: Any) -> Span:
    """The request that makes a response in the background: it is queued, and has no usage."""
    values: dict[str, Any] = {
        "request": Request("openai", "chat", "responses", model="gpt-4o"),
        "response": Response(id=response_id, model="gpt-4o-2024-08-06"),
        "usage": Usage(),
        "usage_source": "missing",
    }
    return span(make_call(number, **{**values, **changes}))


def fetched(number: int, response_id: str = "resp_1", **changes: Any) -> Span:
    """A request that fetches the finished response."""
    response = Response(id=response_id, model="gpt-4o-2024-08-06", finish_reasons=("stop",), usage=RAW)
    values: dict[str, Any] = {
        "request": Request("openai", "fetch_response", "responses.retrieve"),
        "response": response,
        "feature": "poller",
        **changes,
    }
    return span(make_call(number, **values))


def polled(number: int) -> Span:
    """A request that fetches the response before it is finished."""
    response = Response(id="resp_1", model="gpt-4o-2024-08-06")
    return fetched(number, response=response, usage=Usage(), usage_source="missing")


STORY = [made(1), polled(2), fetched(3 + DAY), fetched(4 + DAY)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(STORY)))))
def test_in_any_order_it_is_one_call_with_the_bill_and_the_feature_of_its_making(
    home: Home, order: tuple[int, ...]
) -> None:
    for i in order:
        home.ingest(STORY[i])
    (row,) = home.rows()
    assert (row["feature"], row["operation"]) == ("summarize", "chat")
    assert (row["cost_usd"], row["cost_status"], row["usage_source"]) == (PRICE, "exact", "provider")
    assert (row["input_tokens"], row["output_tokens"], row["finish_reason"]) == (1000, 100, "stop")
    latest = [r for r in home.rows("call_rows") if r["operation"] == "fetch_response"]
    assert {r["duplicate_of"] for r in latest} == {row["span_id"]}


def test_it_all_may_come_at_once(home: Home) -> None:
    home.ingest(*STORY)
    (row,) = home.rows()
    assert (row["cost_usd"], row["cost_status"]) == (PRICE, "exact")


def test_until_it_is_fetched_its_cost_is_unknown_and_says_why(home: Home) -> None:
    home.ingest(made(1), polled(2))
    (row,) = home.rows()
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
    assert "made in the background" in home.rows("calls_all")[0]["cost_reason"]


def test_the_bill_has_the_items_of_the_revision_and_the_history_keeps_what_stood_there(home: Home) -> None:
    home.ingest(made(1))
    home.ingest(fetched(2))
    (row,) = home.store.query("SELECT revision FROM call_rows WHERE operation = 'chat'").rows
    assert row == (2,)
    items = home.store.query("SELECT revision, sum(cost_usd) FROM cost_items GROUP BY 1").rows
    assert items == [(2, PRICE)]
    assert home.store.query("SELECT cost_status, revision FROM call_history").rows == [("unpriced", 1)]


def test_what_is_sent_again_settles_nothing_twice(home: Home) -> None:
    home.ingest(*STORY)
    before = home.rows("calls_all")
    home.ingest(*STORY)
    home.ingest(STORY[0])
    home.ingest(STORY[2])
    assert home.rows("calls_all") == before


def test_a_response_with_usage_of_its_own_is_not_changed_by_a_fetch(home: Home) -> None:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    response = Response(id="resp_1", model="gpt-4o-2024-08-06", finish_reasons=("stop",), usage=usage)
    home.ingest(made(1, response=response, usage=Usage(1000, output_tokens=100), usage_source="provider"))
    home.ingest(fetched(2))
    (row,) = home.rows()
    assert row["cost_usd"] == PRICE
    assert home.store.query("SELECT revision FROM call_rows WHERE operation = 'chat'").rows == [(1,)]


def test_a_fetch_of_a_response_that_was_made_elsewhere_has_its_tokens_and_no_bill(home: Home) -> None:
    home.ingest(fetched(1))
    (row,) = home.rows()
    assert (row["cost_usd"], row["cost_status"], row["input_tokens"]) == (Decimal(0), "not_billed", 1000)


def test_responses_of_other_ids_stay_apart(home: Home) -> None:
    home.ingest(made(1), made(2, "resp_2"))
    home.ingest(fetched(3, "resp_2"))
    assert [(r["response_id"], r["cost_status"]) for r in home.rows()] == [("resp_1", "unpriced"), ("resp_2", "exact")]


def test_a_response_that_failed_in_the_background_is_an_error(home: Home) -> None:
    home.ingest(made(1))
    home.ingest(fetched(2, status="error", error_type="server_error"))
    (row,) = home.rows()
    assert (row["status"], row["error_type"]) == ("error", "server_error")


# --- what goes on, and tells more each time ---------------------------------------------------------------------------


def session(number: int, tokens: int, endpoint: str = "sessions", **changes: Any) -> Span:
    """A request that tells of a managed agent's session which has used TOKENS so far; 0: it tells no usage."""
    usage = {"session": {"input_tokens": tokens, "output_tokens": 0}} if tokens else None
    operation = "fetch_response" if endpoint.endswith(".retrieve") else "invoke_agent"
    values: dict[str, Any] = {
        "request": Request("anthropic", operation, endpoint),
        "response": Response(id="sesn_1", model="claude-opus-5", usage=usage),
        "usage": Usage(tokens, output_tokens=0) if tokens else Usage(),
        "usage_source": "provider" if tokens else "missing",
        **changes,
    }
    return span(make_call(number, **values))


def told(number: int, tokens: int, **changes: Any) -> Span:
    return session(number, tokens, "sessions.retrieve", feature="poller", **changes)


# claude-opus-5: $5 / 1M input tokens  (https://platform.claude.com/docs/en/about-claude/pricing)
SESSION = [session(1, 0), told(2, 1000), told(3, 5000), told(4, 5000), told(5, 0)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(SESSION)))))
def test_a_session_is_one_call_that_has_cost_what_was_told_last_of_it(home: Home, order: tuple[int, ...]) -> None:
    for i in order:
        home.ingest(SESSION[i])
    (row,) = home.rows()
    assert (row["feature"], row["input_tokens"], row["cost_usd"]) == ("summarize", 5000, Decimal("0.025"))


def test_a_session_that_tells_nothing_new_is_not_priced_again(home: Home) -> None:
    home.ingest(session(1, 1000))
    for number, tokens in enumerate((1000, 5000, 5000, 5000), 2):
        home.ingest(told(number, tokens))
    (row,) = home.rows()
    assert row["cost_usd"] == Decimal("0.025")
    assert home.store.query("SELECT revision FROM call_rows WHERE operation = 'invoke_agent'").rows == [(2,)]


def test_whoever_leaves_a_session_while_it_goes_on_does_not_end_it(home: Home) -> None:
    home.ingest(session(1, 0), told(2, 1000, status="cancelled"))
    (row,) = home.rows()
    assert (row["status"], row["input_tokens"]) == ("ok", 1000)


def test_until_something_is_told_of_a_session_its_cost_is_unknown_and_says_why(home: Home) -> None:
    home.ingest(session(1, 0))
    (row,) = home.rows("calls_all")
    assert (row["cost_status"], row["cost_reason"]) == (
        "unpriced",
        "what it started tells its usage when it is fetched later",
    )


@pytest.mark.parametrize("endpoint", ["threads.runs", "evals.runs", "fine_tuning.jobs", "videos"])
def test_every_kind_of_work_is_billed_where_it_was_started(home: Home, endpoint: str) -> None:
    home.ingest(made(1, request=Request("openai", "invoke_agent", endpoint, model="gpt-4o")))
    home.ingest(fetched(2, request=Request("openai", "fetch_response", f"{endpoint}.retrieve")))
    (row,) = home.rows()
    assert (row["operation"], row["cost_usd"], row["cost_status"]) == ("invoke_agent", PRICE, "exact")
