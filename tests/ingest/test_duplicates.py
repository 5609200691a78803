"""One call that several instrumentations tell of is billed once, in whatever order their spans arrive."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from foreign_spans import anthropic_sdk, logfire, openinference, openllmetry, otel_new, otel_old
from samples import make_call

from llmtrace import codec, otlp_bytes
from llmtrace.ingest import Ingester, summarise
from llmtrace.journal import CounterFile, JournalWriter, read_counters
from llmtrace.model import Request, Response, Span, Usage
from llmtrace.pricing import load_book
from llmtrace.store.duckdb import DuckStore

PRICE = Decimal("0.0035")


class Home:
    """A journal and a database that can be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.mkdir(parents=True)
        self.path = folder / "t.duckdb"
        self.counter = CounterFile(self.journal, "app", "svc")
        self.writer = JournalWriter(self.journal, "app")
        self.ended = 0
        self.store = DuckStore(self.path)

    def send(self, *spans: Span) -> None:
        """SPANS as they come over the wire, each batch of one scope, and ingested."""
        for scope, group in itertools.groupby(spans, key=lambda s: s.scope):
            batch = list(group)
            self.ended += len(batch)
            self.counter.write(self.ended, {})
            self.writer.append(
                otlp_bytes.encode(batch),
                len(batch),
            )
            assert all(s.scope == scope for s in batch)
        Ingester(self.store, self.journal, load_book()).run()

    def restart(self) -> None:
        self.store.close()
        self.store = DuckStore(self.path)

    def billed(self) -> list[str]:
        rows = self.store.query(
            "SELECT s.scope FROM calls c JOIN spans s USING (trace_id, span_id) ORDER BY c.started_at, c.span_id"
        ).rows
        return [row[0] or "" for row in rows]

    def total(self) -> Any:
        return self.store.query("SELECT sum(cost_usd) FROM calls").rows[0][0]

    def duplicates(self) -> dict[str, str | None]:
        return dict(self.store.query("SELECT span_id, duplicate_of FROM calls_all").rows)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.writer.close()
    made.counter.close()
    made.store.close()


def own(number: int = 1, **changes: Any) -> Span:
    return codec.to_span(make_call(number, **changes), {"service.name": "svc"})


# They share the trace of their number but not the span.
EVERYONE = [
    own(),
    otel_new(span_id="a" * 16),
    otel_old(span_id="b" * 16),
    openllmetry(span_id="c" * 16),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_our_own_row_is_billed_whatever_the_order_of_arrival(home: Home, order: Sequence[int]) -> None:
    for index in order:
        home.send(EVERYONE[index])
    assert home.billed() == ["llmtrace"]
    assert home.total() == PRICE
    mine = EVERYONE[0].span_id
    assert home.duplicates() == {mine: None, "a" * 16: mine, "b" * 16: mine, "c" * 16: mine}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_restart_between_arrivals_changes_nothing(home: Home, order: Sequence[int]) -> None:
    for index in order:
        home.send(EVERYONE[index])
        home.restart()
    assert (home.billed(), home.total()) == (["llmtrace"], PRICE)


def test_they_may_all_come_in_one_batch(home: Home) -> None:
    home.send(*EVERYONE)
    assert (home.billed(), home.total()) == (["llmtrace"], PRICE)
    assert home.store.query("SELECT count(*) FROM spans").rows == [(4,)]
    assert home.store.query("SELECT count(*) FROM calls_all").rows == [(4,)]


@pytest.mark.parametrize("first", [0, 1])
def test_without_ours_the_row_that_knows_most_is_billed(home: Home, first: int) -> None:
    rich = otel_new(span_id="a" * 16, attributes={"openai.response.service_tier": "default", "user.id": "u1"})
    poor = otel_old(span_id="b" * 16)
    home.send((rich, poor)[first])
    home.send((rich, poor)[1 - first])
    assert home.billed() == ["opentelemetry.instrumentation.genai.openai"]
    assert home.duplicates()["b" * 16] == "a" * 16


def test_a_cost_that_is_certain_beats_one_that_is_not(home: Home) -> None:
    said = {"gen_ai.provider.name": "anthropic", "gen_ai.response.id": "msg_1", "user.id": "u1", "session.id": "s1"}
    doubtful = otel_new(span_id="a" * 16, attributes={**said, "gen_ai.usage.cache_write.input_tokens": 500})
    home.send(doubtful)
    home.send(anthropic_sdk())
    assert home.billed() == ["com.anthropic.sdk.python"]


def test_an_id_that_one_scope_repeats_is_two_calls(home: Home) -> None:
    cached = Response(id="chatcmpl-same", model="gpt-4o-2024-08-06", usage={"prompt_tokens": 1, "completion_tokens": 1})
    home.send(own(1, response=cached), own(2, response=cached))
    home.send(*(otel_new(n, attributes={"gen_ai.response.id": "chatcmpl-same"}) for n in (1, 2)))
    assert home.billed() == ["llmtrace", "llmtrace"]
    marks = home.duplicates()
    assert (marks[f"{0xF0001:016x}"], marks[f"{0xF0002:016x}"]) == (f"{1:016x}", f"{2:016x}")


def test_what_one_scope_saw_more_often_stays_billed(home: Home) -> None:
    said = {"gen_ai.response.id": "chatcmpl-1"}
    home.send(otel_new(1, attributes=said), otel_new(5, attributes=said))
    home.send(own(1))
    assert sorted(home.billed()) == ["llmtrace", "opentelemetry.instrumentation.genai.openai"]
    assert home.duplicates()[f"{0xF0005:016x}"] is None


def test_another_providers_same_id_is_another_call(home: Home) -> None:
    home.send(own(1), otel_new(1, attributes={"gen_ai.provider.name": "groq"}))
    assert len(home.billed()) == 2


def test_the_sdks_span_of_a_failed_call_is_known_by_the_request(home: Home) -> None:
    failed = own(
        1,
        request=Request("anthropic", "chat", "messages", model="claude-sonnet-4-6"),
        response=Response(),
        usage=Usage(),
        usage_source="missing",
        status="error",
        error_type="overloaded_error",
        http_status=529,
        request_id="req_1",
    )
    nothing = dict.fromkeys(k for k in anthropic_sdk().attributes if "usage" in k or "response" in k or "stop" in k)
    native = anthropic_sdk(1, attributes={**nothing, "http.response.status_code": 529}, status_code=2)
    home.send(native)
    home.send(failed)
    assert home.billed() == ["llmtrace"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_wrapper_without_an_id_is_known_by_its_child(home: Home, order: Sequence[int]) -> None:
    scope = "openinference.instrumentation.langchain"
    chain = openinference(1, scope=scope, span_id="c" * 16)
    native = otel_new(1, span_id="a" * 16, parent_span_id="c" * 16)
    spans = [chain, native, own(1, parent_span_id="a" * 16)]
    for index in order:
        home.send(spans[index])
        home.restart()
    assert home.billed() == ["llmtrace"]
    assert set(home.duplicates().values()) == {None, f"{1:016x}"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_wrapper_that_nothing_ties_is_known_by_its_time_and_numbers(home: Home, order: Sequence[int]) -> None:
    scope = "openinference.instrumentation.langchain"
    mine = own(1)
    wide = {"start_ns": mine.start_ns - 10**7, "end_ns": mine.end_ns + 10**7, "parent_span_id": "d" * 16}
    wrapper = openinference(1, scope=scope, span_id="c" * 16, trace_id="e" * 32, **wide)
    later = openinference(9, scope=scope, span_id="f" * 16, trace_id="e" * 32)
    spans = [wrapper, mine, later]
    for index in order:
        home.send(spans[index])
        home.restart()
    assert home.billed() == ["llmtrace", scope]
    assert home.duplicates() == {mine.span_id: None, "c" * 16: mine.span_id, "f" * 16: None}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_wrapper_is_known_through_a_row_that_is_itself_a_second_sighting(home: Home, order: Sequence[int]) -> None:
    mine = own(1, parent_span_id="a" * 16)
    unsaid = {"llm.response_id": None, "gen_ai.response.id": None}
    around = {"start_ns": mine.start_ns - 10**6, "end_ns": mine.end_ns + 10**6}
    native = openinference(1, span_id="a" * 16, attributes=unsaid, **around)
    wide = {"start_ns": mine.start_ns - 10**7, "end_ns": mine.end_ns + 10**7, "parent_span_id": "d" * 16}
    scope = "openinference.instrumentation.langchain"
    wrapper = openinference(1, scope=scope, span_id="c" * 16, trace_id="e" * 32, attributes=unsaid, **wide)
    spans = [wrapper, native, mine]
    for index in order:
        home.send(spans[index])
        home.restart()
    assert home.billed() == ["llmtrace"]
    assert home.duplicates() == {mine.span_id: None, "a" * 16: mine.span_id, "c" * 16: mine.span_id}


def test_a_wrapper_that_tried_twice_costs_what_the_two_tries_cost(home: Home) -> None:
    wrapper = openinference(1, scope="openinference.instrumentation.langchain", span_id="c" * 16)
    tries = [otel_new(n, trace_id=wrapper.trace_id, parent_span_id="c" * 16) for n in (1, 2)]
    home.send(*tries, wrapper)
    assert home.total() == 2 * PRICE
    assert home.duplicates()["c" * 16] == tries[0].span_id


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_wrapper_with_the_totals_and_the_last_id_of_its_steps_is_not_billed(home: Home, order: Sequence[int]) -> None:
    totals = {"gen_ai.response.id": "chatcmpl-2", "gen_ai.usage.input_tokens": 2000, "gen_ai.usage.output_tokens": 200}
    rich = {"user.id": "u1", "session.id": "s1", "llmtrace.feature": "search"}
    wrapper = otel_new(1, scope="some.framework", span_id="c" * 16, attributes={**totals, **rich})
    steps = [otel_new(n, trace_id=wrapper.trace_id, parent_span_id="c" * 16) for n in (1, 2)]
    spans = [wrapper, *steps]
    for index in order:
        home.send(spans[index])
    assert home.total() == 2 * PRICE
    assert home.duplicates()["c" * 16] == steps[1].span_id


def test_a_child_of_another_kind_is_another_call(home: Home) -> None:
    home.send(openinference(1, scope="openinference.instrumentation.langchain", span_id="c" * 16))
    said = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}
    home.send(otel_new(1, parent_span_id="c" * 16, attributes=said))
    assert len(home.billed()) == 2


def test_the_account_counts_spans_not_bills(home: Home) -> None:
    home.send(*EVERYONE)
    figures = summarise(home.store.progress().processes, read_counters(home.journal))
    assert (figures.ended, figures.stored, figures.dropped) == (4, 4, {})


def test_many_calls_seen_twice_in_mixed_batches(home: Home) -> None:
    numbers = range(1, 150)
    home.send(*(own(n) for n in numbers if n % 3))
    home.send(*(otel_new(n) for n in numbers))
    home.send(*(own(n) for n in numbers if n % 3 == 0))
    assert home.billed() == ["llmtrace"] * 149
    assert home.total() == 149 * PRICE


def test_a_call_that_follows_at_once_and_costs_the_same_takes_nobodys_wrapper_away(home: Home) -> None:
    scope = "openinference.instrumentation.langchain"
    mine = own(1)
    wide = {"start_ns": mine.start_ns - 10**7, "end_ns": mine.end_ns + 10**7, "parent_span_id": "d" * 16}
    wrapper = openinference(1, scope=scope, span_id="c" * 16, trace_id="e" * 32, **wide)
    took_ns = mine.end_ns - mine.start_ns
    next_start_ns = wide["end_ns"] + 10**7
    again = replace(own(2), start_ns=next_start_ns, end_ns=next_start_ns + took_ns)
    home.send(mine, wrapper)
    home.send(again)
    assert home.billed() == ["llmtrace", "llmtrace"]
    assert home.duplicates()["c" * 16] == mine.span_id


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_report_of_a_stream_is_known_by_its_time_and_numbers(home: Home, order: Sequence[int]) -> None:
    mine = own(1)
    nothing = {"gen_ai.response.id": None, "gen_ai.response.finish_reasons": None}
    unsaid = {"gen_ai.usage.input_tokens": None, "gen_ai.usage.output_tokens": None}
    opening = logfire(1, span_id="a" * 16, attributes={**nothing, **unsaid})
    ended = {"start_ns": mine.end_ns + 5 * 10**6, "end_ns": mine.end_ns + 5 * 10**6}
    said = {**nothing, "logfire.span_type": "log", "duration": 1.2}
    report = logfire(1, span_id="b" * 16, trace_id="e" * 32, attributes=said, **ended)
    spans = [mine, opening, report]
    for index in order:
        home.send(spans[index])
    assert (home.billed(), home.total()) == (["llmtrace"], PRICE)
    assert home.duplicates() == {mine.span_id: None, "b" * 16: mine.span_id}


@pytest.mark.parametrize("comes_first", ["agent", "calls"])
def test_an_agent_that_repeats_the_usage_of_its_calls_costs_nothing_more(home: Home, comes_first: str) -> None:
    calls = [otel_new(n, trace_id=f"{1:032x}", parent_span_id=f"{0xABC:016x}") for n in (1, 2, 3)]
    said = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.response.id": None,
        "gen_ai.usage.input_tokens": 3000,
        "gen_ai.usage.output_tokens": 300,
    }
    agent = otel_new(1, scope="some.agents", span_id=f"{0xABC:016x}", attributes=said)
    home.send(*([agent, *calls] if comes_first == "agent" else [*calls, agent]))
    assert home.total() == 3 * PRICE
