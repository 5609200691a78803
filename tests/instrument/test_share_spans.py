"""`instrument(share_spans=True)`: the app's own OpenTelemetry pipeline gets each call once, with the journal's ids."""

import asyncio
import gc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from calling import ANTHROPIC, OPENAI, PLAIN, STREAMS, make_clients, read, run
from conftest import recorded_calls
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags
from otlp_receiver import Receiver

import llmtrace
from llmtrace.simulator import Fault, Simulator

NATIVE_SCOPE = "com.anthropic.sdk.python"


class App:
    """An application with an OpenTelemetry pipeline of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.exporter = InMemorySpanExporter()
        self.start(TracerProvider())

    def start(self, provider: TracerProvider) -> None:
        self.provider = provider
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # which an app may set once only
        self.tracer = provider.get_tracer("shop")

    def spans(self, scope: str = "llmtrace") -> tuple[ReadableSpan, ...]:
        found = self.exporter.get_finished_spans()
        return tuple(s for s in found if s.instrumentation_scope and s.instrumentation_scope.name == scope)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    running = App(monkeypatch)
    yield running
    running.provider.shutdown()


def ids(span: ReadableSpan) -> tuple[str, str, str | None]:
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


@pytest.mark.parametrize("name", PLAIN)
def test_a_call_is_one_span_there_with_the_journals_ids_and_the_apps_parent(
    name: str, app: App, simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home, share_spans=True)
    with app.tracer.start_as_current_span("POST /checkout") as parent:
        run(name, make_clients(simulator))
    (shared,) = app.spans()
    (call,) = recorded_calls(home)
    assert ids(shared) == (call.trace_id, call.span_id, call.parent_span_id)
    assert call.parent_span_id == f"{parent.get_span_context().span_id:016x}"
    assert [s.name for s in app.exporter.get_finished_spans()] == [shared.name, "POST /checkout"]
    assert (shared.kind, shared.start_time) == (trace.SpanKind.CLIENT, call.started_at_ns)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_one_span_there(name: str, app: App, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, share_spans=True)
    read(name, make_clients(simulator))
    (call,) = recorded_calls(home)
    (shared,) = app.exporter.get_finished_spans()
    assert ids(shared) == (call.trace_id, call.span_id, None)
    assert shared.attributes is not None
    assert shared.attributes["gen_ai.usage.output_tokens"] == call.usage.output_tokens


def test_it_is_there_when_the_call_returns_with_all_its_attributes_and_cost(
    app: App, simulator: Simulator, home: Path
) -> None:
    simulator.answer(text="fine", usage={"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100})
    llmtrace.instrument(home=home, share_spans=True)
    with llmtrace.feature("summarize", user="u1"):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    (shared,) = app.spans()
    assert shared.name == "chat gpt-4o"
    attributes: Any = shared.attributes
    assert attributes["llmtrace.feature"] == "summarize"
    assert attributes["gen_ai.usage.input_tokens"] == 1000
    assert Decimal(attributes["llmtrace.cost.usd"]) == Decimal("0.0035")  # 1,000 × $2.50 / 1M + 100 × $10 / 1M


def test_a_failed_call_is_an_error_there(app: App, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.status(400))
    llmtrace.instrument(home=home, share_spans=True)
    with pytest.raises(openai.BadRequestError):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    (shared,) = app.spans()
    assert shared.status.status_code is StatusCode.ERROR


def test_a_stream_that_is_dropped_is_shared_by_the_next_flush(app: App, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, share_spans=True)
    clients = make_clients(simulator)
    stream = clients.openai.chat.completions.create(**OPENAI, stream=True)
    next(iter(stream))
    del stream
    gc.collect()
    (call,) = recorded_calls(home)
    (shared,) = app.spans()
    assert (ids(shared)[1], call.status) == (call.span_id, "cancelled")


def test_a_trace_that_the_app_does_not_sample_gets_nothing_and_the_journal_everything(
    app: App, simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home, share_spans=True)
    unsampled = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(0))
    with trace.use_span(NonRecordingSpan(unsampled)):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
        make_clients(simulator).anthropic.messages.create(**ANTHROPIC)
    assert app.exporter.get_finished_spans() == ()
    assert [(c.trace_id, c.parent_span_id) for c in recorded_calls(home)] == [(f"{0xABC:032x}", f"{0xDEF:016x}")] * 2


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(TraceIdRatioBased(0.0))])
def test_the_apps_sampler_decides_about_a_trace_that_begins_with_the_call(
    sampler: Any, app: App, simulator: Simulator, home: Path
) -> None:
    app.start(TracerProvider(sampler=sampler))
    llmtrace.instrument(home=home, share_spans=True)
    make_clients(simulator).anthropic.messages.create(**ANTHROPIC)
    assert app.exporter.get_finished_spans() == ()
    assert len(recorded_calls(home)) == 1


def test_without_it_the_apps_pipeline_gets_the_sdks_own_spans_only(app: App, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    make_clients(simulator).anthropic.messages.create(**ANTHROPIC)
    (native,) = app.exporter.get_finished_spans()
    assert native in app.spans(NATIVE_SCOPE)


def test_the_sdks_own_tracing_is_back_after_uninstrument(app: App, simulator: Simulator, home: Path) -> None:
    tracer = vars(anthropic._base_client.BaseClient)["_tracer"]
    client = make_clients(simulator).anthropic
    llmtrace.instrument(home=home, share_spans=True)
    client.messages.create(**ANTHROPIC)
    assert app.spans(NATIVE_SCOPE) == ()
    with pytest.raises(anthropic.NotFoundError):
        client.models.list()  # not a call that is shared
    assert len(app.spans(NATIVE_SCOPE)) == 1
    llmtrace.uninstrument()
    assert vars(anthropic._base_client.BaseClient)["_tracer"] is tracer
    client.messages.create(**ANTHROPIC)
    assert (len(app.spans()), len(app.spans(NATIVE_SCOPE))) == (1, 2)


def test_the_apps_provider_stays_as_it_is(app: App, simulator: Simulator, home: Path) -> None:
    processors = app.provider._active_span_processor._span_processors
    llmtrace.instrument(home=home, share_spans=True, http_spans=True)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert trace.get_tracer_provider() is app.provider
    assert app.provider._active_span_processor._span_processors == processors
    assert [s.name for s in app.exporter.get_finished_spans()] == ["chat gpt-4o"]


def test_an_app_without_a_provider_gets_none(simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    llmtrace.instrument(home=home, share_spans=True)
    make_clients(simulator).anthropic.messages.create(**ANTHROPIC)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    assert len(recorded_calls(home)) == 1


def test_calls_at_once_are_one_span_each(app: App, simulator: Simulator, home: Path) -> None:
    async def many() -> None:
        clients = make_clients(simulator)
        async with clients.anthropic_async, clients.openai_async:
            await asyncio.gather(
                *[clients.anthropic_async.messages.create(**ANTHROPIC) for _ in range(10)],
                *[clients.openai_async.chat.completions.create(**OPENAI) for _ in range(10)],
            )

    llmtrace.instrument(home=home, share_spans=True)
    asyncio.run(many())
    shared = {ids(s)[:2] for s in app.exporter.get_finished_spans()}
    assert shared == {(c.trace_id, c.span_id) for c in recorded_calls(home)}
    assert len(shared) == len(app.exporter.get_finished_spans()) == 20


def test_it_travels_by_the_apps_own_exporter(app: App, simulator: Simulator, receiver: Receiver, home: Path) -> None:
    app.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=receiver.url + "/v1/traces")))
    llmtrace.instrument(home=home, share_spans=True)
    with app.tracer.start_as_current_span("POST /checkout"):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert app.provider.force_flush()
    (call,) = recorded_calls(home)
    arrived = {s.name: s for s in receiver.spans()}
    assert sorted(arrived) == ["POST /checkout", "chat gpt-4o"]
    assert arrived["chat gpt-4o"].span_id == call.span_id
    assert arrived["chat gpt-4o"].parent_span_id == arrived["POST /checkout"].span_id


@pytest.mark.expects_warning
def test_a_processor_that_fails_costs_the_call_nothing(app: App, simulator: Simulator, home: Path) -> None:
    class Broken(SimpleSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise RuntimeError("theirs")

    app.provider.add_span_processor(Broken(app.exporter))
    llmtrace.instrument(home=home, share_spans=True)
    assert make_clients(simulator).openai.chat.completions.create(**OPENAI).choices
    assert len(recorded_calls(home)) == 1


def test_secrets_are_taken_out_of_shared_spans_too(simulator: Simulator, home: Path, app: App) -> None:
    key = "sk-ant-api03-" + "a1B2" * 10
    llmtrace.instrument(home=home, share_spans=True, capture_content=True)
    with llmtrace.feature("support", note=f"uses {key}"):
        make_clients(simulator).openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": f"my key is {key}"}]
        )
    (span,) = app.spans()
    assert key not in str(dict(span.attributes or {}))
    assert dict(span.attributes or {})["llmtrace.tag.note"] == "uses [redacted:key]"
    assert "my key is [redacted:key]" in str(dict(span.attributes or {})["gen_ai.input.messages"])
