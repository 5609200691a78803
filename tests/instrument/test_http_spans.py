"""`instrument(http_spans=True)`: a span per HTTP attempt below the call's, and a request that shows nothing of it."""

import asyncio
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from calling import ANTHROPIC, ASYNC_STREAMS, OPENAI, PLAIN, STREAMS, closing, make_clients, read, run
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from otlp_receiver import Receiver

import llmtrace
from llmtrace import wire
from llmtrace.ingest import Ingester, summarise
from llmtrace.journal import Record, journal_folder, list_segments, read_counters, read_segment
from llmtrace.model import Span
from llmtrace.pricing import load_book
from llmtrace.simulator import Fault, Simulator
from llmtrace.store.duckdb import DuckStore


def recorded_spans(home: Path) -> list[Span]:
    assert llmtrace.flush(5.0)
    records = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0)]
    return [span for r in records if isinstance(r, Record) for span in wire.decode(r.payload)]


def split(home: Path) -> tuple[list[Span], list[Span]]:
    """The spans of calls, and those of attempts."""
    spans = recorded_spans(home)
    calls = [s for s in spans if "gen_ai.operation.name" in s.attributes]
    return calls, [s for s in spans if "gen_ai.operation.name" not in s.attributes]


@pytest.mark.parametrize("name", PLAIN)
def test_an_attempt_is_a_child_of_its_call(name: str, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument("shop", home=home, http_spans=True)
    run(name, make_clients(simulator))
    (call,), (attempt,) = split(home)
    assert (attempt.trace_id, attempt.parent_span_id) == (call.trace_id, call.span_id)
    assert call.start_ns <= attempt.start_ns <= attempt.end_ns
    assert (attempt.name, attempt.kind, attempt.status_code) == ("POST", 3, 0)
    assert attempt.resource["service.name"] == "shop"
    url = simulator.openai_base_url if "openai" in name else simulator.anthropic_base_url
    assert str(attempt.attributes["url.full"]).startswith(url)
    assert attempt.attributes["http.request.method"] == "POST"
    assert attempt.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize("name", [*STREAMS, *ASYNC_STREAMS])
def test_a_stream_has_one_attempt(name: str, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, http_spans=True)
    assert read(name, make_clients(simulator)) > 3
    (call,), (attempt,) = split(home)
    assert attempt.parent_span_id == call.span_id


def test_each_retry_is_an_attempt_with_its_status_and_number(simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.status(429, retry_after_s=0.01))
    simulator.fault(Fault.status(503, retry_after_s=0.01))
    llmtrace.instrument(home=home, http_spans=True)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    (call,), attempts = split(home)
    assert call.attributes["llmtrace.attempts"] == 3
    assert {a.parent_span_id for a in attempts} == {call.span_id}
    shown = [
        (a.attributes["http.response.status_code"], a.attributes.get("http.request.resend_count")) for a in attempts
    ]
    assert shown == [(429, None), (503, 1), (200, 2)]
    assert [(a.status_code, a.attributes.get("error.type")) for a in attempts] == [(2, "429"), (2, "503"), (0, None)]


def test_a_connection_that_fails_raises_what_it_raised_and_is_told(home: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise error

    import httpx2

    error = httpx2.ConnectError("no route")
    client = openai.OpenAI(
        base_url="http://127.0.0.1:9/v1",
        api_key="k",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(refuse)),  # type: ignore[arg-type]
    )
    llmtrace.instrument(home=home, http_spans=True)
    with pytest.raises(openai.APIConnectionError) as caught:
        client.chat.completions.create(**OPENAI)
    assert caught.value.__cause__ is error
    _, (attempt,) = split(home)
    assert (attempt.status_code, attempt.attributes["error.type"]) == (2, "httpx2.ConnectError")


def test_a_legacy_httpx_client_is_traced_too(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, http_spans=True)
    with httpx.Client() as http:
        client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", http_client=http)
        client.chat.completions.create(**OPENAI)
    assert len(split(home)[1]) == 1


@pytest.fixture
def app_span() -> Iterator[None]:
    """The app's own span and baggage around the test, under the default propagators."""
    token = context.attach(baggage.set_baggage("secret", "tenant-7"))
    with TracerProvider().get_tracer("app").start_as_current_span("app"):
        yield
    context.detach(token)


@pytest.mark.usefixtures("app_span")
@pytest.mark.parametrize("name", ["openai create", "openai async create", "anthropic create", "anthropic async create"])
def test_no_header_tells_the_provider(name: str, home: Path) -> None:
    def headers(simulator: Simulator) -> list[tuple[str, str]]:
        run(name, make_clients(simulator))
        (request,) = simulator.requests
        return [(k, v) for k, v in request.headers.items() if k not in ("host", "idempotency-key", "traceparent")]

    with Simulator(seed=7) as bare, Simulator(seed=7) as traced:
        expected = headers(bare)
        llmtrace.instrument(home=home, http_spans=True)
        assert headers(traced) == expected
        sent = [dict(r.headers).get("traceparent") for s in (bare, traced) for r in s.requests]
    # The Anthropic SDK sends the app's context itself, with llmtrace or without: never a span of llmtrace's.
    own = {s.span_id for s in recorded_spans(home)}
    assert not any(own & set(header.split("-")) for header in sent if header)


def test_the_transport_runs_in_the_callers_context(simulator: Simulator, home: Path) -> None:
    import httpx2

    seen = []

    class Transport(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            seen.append(trace.get_current_span())
            return super().handle_request(request)

    llmtrace.instrument(home=home, http_spans=True)
    with (
        httpx2.Client(transport=Transport()) as http,
        openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", http_client=http) as client,
        TracerProvider().get_tracer("app").start_as_current_span("app") as span,
    ):
        client.chat.completions.create(**OPENAI)
    assert seen == [span]


@pytest.mark.expects_warning
def test_an_error_of_the_instrumentation_costs_the_call_nothing(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a propagator is broken")

    monkeypatch.setattr(propagate.get_global_textmap(), "inject", fail)
    llmtrace.instrument(home=home, http_spans=True)
    clients = make_clients(simulator)
    assert clients.openai.chat.completions.create(**OPENAI).choices
    assert asyncio.run(closing(clients, lambda: clients.openai_async.chat.completions.create(**OPENAI))).choices
    assert len(simulator.requests) == 2
    assert len(split(home)[0]) == 2


def test_the_apps_random_numbers_stay_the_same(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, http_spans=True)
    client = make_clients(simulator, max_retries=0).openai
    client.chat.completions.create(**OPENAI)
    random.seed(11)
    state = random.getstate()
    client.chat.completions.create(**OPENAI)
    assert random.getstate() == state


def test_a_shared_client_is_traced_for_calls_only_and_as_before_afterwards(simulator: Simulator, home: Path) -> None:
    import httpx2

    with httpx2.Client() as http:
        client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k", http_client=http)
        llmtrace.instrument(home=home, http_spans=True)
        client.chat.completions.create(**OPENAI)
        http.get(simulator.openai_base_url + "/models")
        assert len(split(home)[1]) == 1
        llmtrace.uninstrument()
        assert "handle_request" not in vars(http._transport)
        client.chat.completions.create(**OPENAI)
        assert [len(part) for part in split(home)] == [1, 1]
        llmtrace.instrument(home=home)
        client.chat.completions.create(**OPENAI)
    assert [len(part) for part in split(home)] == [2, 2]


def test_attempts_are_stored_exported_and_accounted_for(simulator: Simulator, home: Path, receiver: Receiver) -> None:
    simulator.fault(Fault.status(500), times=1)
    llmtrace.instrument(home=home, otlp=receiver.url, http_spans=True)
    make_clients(simulator).anthropic.messages.create(**ANTHROPIC)
    assert llmtrace.flush(10.0)
    exported = {(s.name, s.span_id, s.parent_span_id) for s in receiver.spans()}
    (call,), attempts = split(home)
    assert exported == {(s.name, s.span_id, s.parent_span_id) for s in [call, *attempts]}
    store = DuckStore(home / "test.duckdb")
    ingester = Ingester(store, journal_folder(home), load_book())
    ingester.run()
    rows = store.query("SELECT name, parent_span_id FROM spans").rows
    assert sorted(rows) == sorted([(call.name, None), ("POST", call.span_id), ("POST", call.span_id)])
    assert store.query("SELECT count(*) FROM calls").rows == [(1,)]
    summary = summarise(ingester.processes, read_counters(journal_folder(home)))
    store.close()
    assert (summary.ended, summary.stored, summary.pending, summary.dropped) == (3, 3, 0, {})


@pytest.mark.expects_warning
def test_without_the_package_there_is_one_warning_and_the_calls(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.httpx", None)
    monkeypatch.delitem(sys.modules, "llmtrace.instrument.http_spans", raising=False)
    llmtrace.instrument(home=home, http_spans=True)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert [len(part) for part in split(home)] == [1, 0]
    assert [r.getMessage() for r in caplog.records if r.name == "llmtrace"] == [
        'llmtrace records no HTTP attempts: run `pip install "llmtrace-sidecar[http]"`'
    ]


def test_the_environment_asks_for_attempts_too(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMTRACE_HTTP_SPANS", "true")
    llmtrace.instrument(home=home)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert len(split(home)[1]) == 1


def test_a_key_in_a_captured_header_is_not_recorded(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST", ".*")
    llmtrace.instrument(home=home, http_spans=True)
    client: Callable[..., Any] = anthropic.Anthropic
    client(base_url=simulator.anthropic_base_url, api_key="sk-secret").messages.create(**ANTHROPIC)
    assert not any("sk-secret" in repr(span) for span in recorded_spans(home))


def test_a_forked_child_traces_its_own_attempts(simulator: Simulator, home: Path) -> None:
    script = """
        import os, sys
        import llmtrace
        llmtrace.instrument(http_spans=True)
        import openai
        def call():
            with openai.OpenAI(base_url=sys.argv[1], api_key="k") as client:
                client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        call()
        child = os.fork()
        call()
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), simulator.openai_base_url],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls, attempts = split(home)
    assert {a.parent_span_id for a in attempts} == {c.span_id for c in calls}
    assert (len(calls), len(attempts)) == (3, 3)
