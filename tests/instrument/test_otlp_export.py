"""Spans on to an OTLP backend: a real receiver on loopback, spoken to by OpenTelemetry's own exporter."""

import subprocess
import sys
import textwrap
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from calling import make_clients
from conftest import recorded_calls
from otlp_receiver import Receiver

import llmtrace
from llmtrace import wire
from llmtrace.journal import journal_folder, read_counters
from llmtrace.otlp_export import traces_endpoint
from llmtrace.simulator import Fault, Simulator

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def call(simulator: Simulator) -> None:
    simulator.answer(text="fine", usage=USAGE)
    with llmtrace.feature("summarize", user="u1"):
        make_clients(simulator).openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
        )


def test_a_call_arrives_with_its_cost(simulator: Simulator, receiver: Receiver, home: Path) -> None:
    llmtrace.instrument("shop", home=home, otlp=receiver.url)
    call(simulator)
    assert llmtrace.flush(10.0)
    (span,) = receiver.spans()
    attributes = span.attributes
    assert receiver.requests[0][0] == "/v1/traces"
    assert (span.name, span.kind, span.scope) == ("chat gpt-4o", 3, "llmtrace")
    assert span.resource["service.name"] == "shop"
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.usage.input_tokens"] == 1000
    assert attributes["llmtrace.feature"] == "summarize"
    # 1,000 × $2.50 / 1M + 100 × $10 / 1M
    assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(0.0035)
    assert attributes["gen_ai.usage.cost.currency"] == "USD"
    assert attributes["gen_ai.usage.cost.source"] == "local"
    assert Decimal(str(attributes["llmtrace.cost.usd"])) == Decimal("0.0035")
    assert attributes["llmtrace.cost.status"] == "exact"
    (recorded,) = recorded_calls(home)
    assert (recorded.trace_id, recorded.span_id) == (span.trace_id, span.span_id)


def test_a_call_without_a_feature_arrives_with_the_one_that_a_rule_names(
    simulator: Simulator, receiver: Receiver, home: Path
) -> None:
    home.mkdir()
    (home / "llmtrace.toml").write_text('[[rules]]\nfeature = "tests of {1}"\ntest = "*::*"\n')
    llmtrace.instrument(home=home, otlp=receiver.url)
    call(simulator)
    make_clients(simulator).openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    assert llmtrace.flush(10.0)
    named = {str(s.attributes["llmtrace.feature"]): s.attributes["llmtrace.feature.source"] for s in receiver.spans()}
    assert named == {"summarize": "code", "tests of tests/instrument/test_otlp_export.py": "rule"}


def test_an_unpriced_call_arrives_without_an_amount(simulator: Simulator, receiver: Receiver, home: Path) -> None:
    llmtrace.instrument(home=home, otlp=receiver.url)
    make_clients(simulator).openai.chat.completions.create(
        model="nobody-knows-1", messages=[{"role": "user", "content": "hi"}]
    )
    assert llmtrace.flush(10.0)
    (span,) = receiver.spans()
    assert span.attributes["llmtrace.cost.status"] == "unpriced"
    assert not any(name.startswith("gen_ai.usage.cost") for name in span.attributes)


def test_a_failed_call_arrives_as_an_error(simulator: Simulator, receiver: Receiver, home: Path) -> None:
    simulator.fault(Fault.status(400))
    llmtrace.instrument(home=home, otlp=receiver.url)
    with pytest.raises(Exception, match="400"):
        call(simulator)
    assert llmtrace.flush(10.0)
    (span,) = receiver.spans()
    assert (span.status_code, span.attributes["llmtrace.cost.status"]) == (2, "not_billed")


def test_opentelemetrys_variables_are_honoured(
    simulator: Simulator, receiver: Receiver, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    llmtrace.instrument(home=home)
    call(simulator)
    assert llmtrace.flush(10.0)
    path, headers, _ = receiver.requests[0]
    assert (path, headers["x-tenant"], headers["content-encoding"]) == ("/v1/traces", "acme", "gzip")


def test_opentelemetrys_variable_for_no_exporter_is_honoured(
    simulator: Simulator, receiver: Receiver, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    llmtrace.instrument(home=home)
    call(simulator)
    assert llmtrace.flush(10.0)
    assert receiver.requests == []
    assert len(recorded_calls(home)) == 1


def test_a_backend_that_is_busy_gets_the_spans_later(simulator: Simulator, receiver: Receiver, home: Path) -> None:
    receiver.statuses = [503, 503]
    llmtrace.instrument(home=home, otlp=receiver.url)
    call(simulator)
    assert llmtrace.flush(20.0)
    assert len(receiver.spans()) == 1


@pytest.mark.expects_warning
def test_a_backend_that_refuses_is_counted_and_costs_the_journal_nothing(
    simulator: Simulator, receiver: Receiver, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmtrace.otlp_export.TRIES", 1)
    receiver.statuses = [400] * 10
    llmtrace.instrument(home=home, otlp=receiver.url)
    call(simulator)
    while not receiver.tries:  # a refusal counts whether it came before the flush or while it waits
        time.sleep(0.01)
    assert llmtrace.flush(10.0) is False
    assert len(recorded_calls_without_export(home)) == 1
    call(simulator)
    llmtrace.flush(10.0)
    (counter,) = read_counters(journal_folder(home))
    assert (counter.ended, counter.dropped, counter.export_dropped) == (2, {}, 1)


def recorded_calls_without_export(home: Path) -> list[Any]:
    from llmtrace.journal import Record, list_segments, read_segment

    found = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0) if isinstance(r, Record)]
    return [span for record in found for span in wire.decode(record.payload)]


@pytest.mark.parametrize("backend", ["refusing", "hung"])
def test_a_dead_backend_delays_neither_flush_nor_exit(
    backend: str, simulator: Simulator, receiver: Receiver, home: Path
) -> None:
    receiver.delay_s = 60.0
    script = """
        import atexit, sys
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
        import llmtrace

        said = []  # by OpenTelemetry's exporter, which tries for as long as it is told to below
        class Exporter(trace_exporter.OTLPSpanExporter):
            def export(self, spans):
                result = super().export(spans)
                said.append(result)
                return result
        trace_exporter.OTLPSpanExporter = Exporter
        atexit.register(lambda: print(said))  # the last to be run
        llmtrace.instrument(otlp=sys.argv[2])
        import openai
        client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
        for _ in range(10):
            client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        print(llmtrace.flush(0.5), said)
    """
    address = receiver.url if backend == "hung" else "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), simulator.openai_base_url, address],
        capture_output=True,
        text=True,
        timeout=100,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "LLMTRACE_HOME": str(home),
            "OTEL_EXPORTER_OTLP_TIMEOUT": "40",
        },
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "False []\n[]\n", "the first delivery of all was still under way"
    assert len(recorded_calls_without_export(home)) == 10


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://host:4318", "http://host:4318/v1/traces"),
        ("http://host:4318/", "http://host:4318/v1/traces"),
        ("https://host/otlp/v1/traces", "https://host/otlp/v1/traces"),
    ],
)
def test_an_address_without_a_path_gets_otlps(address: str, expected: str) -> None:
    assert traces_endpoint(address) == expected
