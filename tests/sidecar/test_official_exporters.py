"""OpenTelemetry's own exporters as clients of a sidecar."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from serving import Sidecar, make_payload, serve, settled

from llmtrace import wire
from llmtrace.sidecar.grpc_receiver import GrpcReceiver
from llmtrace.sidecar.intake import Intake

TOKEN = "0123456789abcdef"
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


@pytest.fixture
def sidecar(home: Path) -> Iterator[Sidecar]:
    with serve(home, "--token", TOKEN) as running:
        yield running


def make_exporter(sidecar: Sidecar, kind: str, token: str = TOKEN) -> SpanExporter:
    if kind == "grpc":
        return GrpcExporter(
            endpoint=sidecar.grpc,
            insecure=True,
            headers={"authorization": f"Bearer {token}"},
            compression=grpc.Compression.Gzip,
        )
    return HttpExporter(
        endpoint=f"{sidecar.url}/v1/traces",
        headers={"authorization": f"Bearer {token}"},
        compression=Compression.Gzip if kind == "http gzip" else Compression.NoCompression,
    )


@pytest.mark.parametrize("kind", ["grpc", "http", "http gzip"])
def test_an_official_exporter_delivers_spans_that_become_calls(sidecar: Sidecar, kind: str) -> None:
    exporter = make_exporter(sidecar, kind)
    provider = TracerProvider(resource=Resource.create({"service.name": kind}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("work"), tracer.start_as_current_span("chat gpt-4o") as span:
        span.set_attributes(CALL)
    provider.shutdown()
    shown = {"authorization": f"Bearer {TOKEN}"}
    figures = settled(lambda: json.loads(sidecar.ask("GET", "/api/v1/doctor", None, shown)[2]), 2)
    assert (figures["stored"], figures["store"]["spans"], figures["store"]["calls"]) == (2, 2, 1)
    report: dict[str, Any] = json.loads(sidecar.ask("GET", "/api/v1/report?by=service", None, shown)[2])
    assert [(r["key"], r["cost_usd"]) for r in report["rows"]] == [(kind, "0.003500000000")]


def test_grpc_without_the_token_is_unauthenticated(sidecar: Sidecar) -> None:
    with grpc.insecure_channel(sidecar.grpc) as channel, pytest.raises(grpc.RpcError) as refusal:
        TraceServiceStub(channel).Export(wire.parse(make_payload(1)), timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_grpc_rejects_only_the_bad_span(sidecar: Sidecar) -> None:
    request = wire.parse(make_payload(1, 2))
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    with grpc.insecure_channel(sidecar.grpc) as channel:
        answer = TraceServiceStub(channel).Export(request, timeout=10, metadata=(("authorization", f"Bearer {TOKEN}"),))
    assert answer.partial_success.rejected_spans == 1
    assert "16 bytes" in answer.partial_success.error_message


def test_grpc_with_too_many_spans_is_not_to_be_tried_again(sidecar: Sidecar) -> None:
    with grpc.insecure_channel(sidecar.grpc) as channel, pytest.raises(grpc.RpcError) as refusal:
        TraceServiceStub(channel).Export(
            wire.parse(make_payload(*range(1, 10_002))), timeout=10, metadata=(("authorization", f"Bearer {TOKEN}"),)
        )
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_intake_that_stops_is_unavailable_over_grpc_with_a_time_to_come_again(home: Path) -> None:
    intake = Intake(home)
    intake.refuse()
    receiver = GrpcReceiver(intake, "127.0.0.1", 0, None)
    receiver.start()
    with grpc.insecure_channel(f"127.0.0.1:{receiver.port}") as channel, pytest.raises(grpc.RpcError) as refusal:
        TraceServiceStub(channel).Export(wire.parse(make_payload(1)), timeout=10)
    receiver.stop()
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
    details = dict(refusal.value.trailing_metadata())
    status = Status.FromString(details["grpc-status-details-bin"])
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 5


def test_an_exporter_with_a_wrong_token_is_told(sidecar: Sidecar, caplog: pytest.LogCaptureFixture) -> None:
    exporter = make_exporter(sidecar, "http", token="wrong")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with caplog.at_level(logging.ERROR):
        provider.get_tracer("app").start_span("work").end()
    provider.shutdown()
    assert "401" in caplog.text
