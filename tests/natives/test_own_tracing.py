"""Mistral's SDK traces itself where an app asks for it: nothing of it stands twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mistralai.client import Mistral
from natives.reading import read_bodies
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from replaying import ROW_HEADER, serve, stored

import llmtrace

ROWS = {row.id: row for row, _ in read_bodies()}
ASKED: Any = [{"role": "user", "content": "Where do the pelicans sleep"}]


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setenv("MISTRAL_SDK_TELEMETRY", "global")
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # which an app may set once only
    yield exporter
    provider.shutdown()


def call(address: str, name: str) -> None:
    client: Any = Mistral(api_key="k", server_url=address)
    headers = {ROW_HEADER: name}
    if name.endswith("stream"):
        list(client.chat.stream(model="mistral-small-latest", messages=ASKED, http_headers=headers))
    else:
        client.chat.complete(model="mistral-small-latest", messages=ASKED, http_headers=headers)
    client.sdk_configuration.client.close()


def scopes(exporter: InMemorySpanExporter) -> list[str]:
    return [s.instrumentation_scope.name for s in exporter.get_finished_spans() if s.instrumentation_scope]


@pytest.mark.parametrize("name", ["mistral-plain", "mistral-stream"])
def test_a_shared_call_is_one_span_in_the_apps_pipeline(name: str, exporter: InMemorySpanExporter, home: Path) -> None:
    with serve(ROWS) as address:
        call(address, name)
        assert scopes(exporter) == ["mistralai_sdk_tracer"]
        exporter.clear()
        llmtrace.instrument(home=home, share_spans=True)
        call(address, name)
    assert [len(calls) for calls in stored(home).values()] == [1]
    assert scopes(exporter) == ["llmtrace"]


@pytest.mark.parametrize("name", ["mistral-plain", "mistral-stream"])
def test_a_call_that_is_not_shared_leaves_the_sdks_span_as_it_is(
    name: str, exporter: InMemorySpanExporter, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with serve(ROWS) as address:
        call(address, name)
    assert scopes(exporter) == ["mistralai_sdk_tracer"]
    (found,) = (c for calls in stored(home).values() for c in calls)
    assert (found["status"], found["input_tokens"], found["output_tokens"]) == ("ok", 24, 6)


def test_without_instrument_the_sdk_traces_itself_again(exporter: InMemorySpanExporter, home: Path) -> None:
    llmtrace.instrument(home=home, share_spans=True)
    llmtrace.uninstrument()
    with serve(ROWS) as address:
        call(address, "mistral-plain")
    assert scopes(exporter) == ["mistralai_sdk_tracer"]
