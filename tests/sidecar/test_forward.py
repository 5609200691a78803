"""`llmtrace serve --forward`: spans with their cost at an OTLP backend, through outages and restarts."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from otlp_receiver import Receiver
from samples import make_call
from serving import Sidecar, make_payload, serve

from llmtrace import codec, otlp_bytes, wire
from llmtrace.errors import ConfigError
from llmtrace.model import Origin
from llmtrace.otlp_http import Sender, require_allowed
from llmtrace.pricing import load_book
from llmtrace.rules.reading import parse_rules
from llmtrace.sidecar.forward import with_cost


def wait_for(condition: Any, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


def numbers(receiver: Receiver) -> list[int]:
    return [int(span.span_id, 16) for span in receiver.spans()]


def test_spans_arrive_with_their_cost_and_everything_else_as_it_was(home: Path, receiver: Receiver) -> None:
    with serve(home, "--forward", receiver.url, OTEL_EXPORTER_OTLP_HEADERS="x-api-key=s3cret") as sidecar:
        sidecar.send(make_payload(1))
        wait_for(lambda: numbers(receiver) == [1])
        (delivery,) = sidecar.json("/api/v1/doctor")["deliveries"]
        assert (delivery["to"], delivery["delivered"]) == (f"{receiver.url}/v1/traces", 1)
        text = sidecar.ask("GET", "/metrics")[2].decode()
    assert f'llmtrace_delivered_spans_total{{to="{receiver.url}/v1/traces"}} 1' in text
    ((path, headers, _),) = receiver.requests
    assert (path, headers["x-api-key"], headers["content-encoding"]) == ("/v1/traces", "s3cret", "gzip")
    (span,) = receiver.spans()
    (sent,) = wire.decode(make_payload(1))
    assert span.attributes["gen_ai.usage.cost.amount"] == 0.0035
    assert span.attributes["gen_ai.usage.cost.currency"] == "USD"
    assert span.attributes["gen_ai.usage.cost.source"] == "local"
    assert codec.decode(span) == codec.decode(sent)
    assert (span.resource, span.scope, span.name) == (sent.resource, sent.scope, sent.name)


def test_events_links_and_foreign_spans_pass_unchanged() -> None:
    request = wire.parse(make_payload(1))
    (message,) = request.resource_spans[0].scope_spans[0].spans
    message.events.add(name="retry", time_unix_nano=5)
    message.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    foreign = request.resource_spans[0].scope_spans[0].spans.add(name="GET /", trace_id=b"t" * 16, span_id=b"f" * 8)
    once = with_cost(request.SerializeToString(), load_book())
    priced, other = wire.parse(once).resource_spans[0].scope_spans[0].spans
    assert (priced.events[0].name, priced.links[0].span_id) == ("retry", b"s" * 8)
    assert other == foreign
    assert with_cost(once, load_book()) == once, "a span that has its cost has it once"
    assert with_cost(b"\xff damaged", load_book()) == b"\xff damaged"


def test_a_call_without_a_feature_gets_the_one_that_a_rule_names() -> None:
    rules = parse_rules('[[rules]]\nname = "s"\nfeature = "search"\nroute = "/search*"\n', "llmtrace.toml")
    origin = Origin(route="/search/{q}")
    calls = [make_call(1, origin=origin), make_call(2, origin=origin, feature=None, feature_source=None)]
    payload = otlp_bytes.encode([codec.to_span(call, {}) for call in calls])
    sent = [span.attributes for span in wire.decode(with_cost(payload, load_book(), rules))]
    assert [s["llmtrace.feature"] for s in sent] == ["summarize", "search"]
    assert [s["llmtrace.feature.source"] for s in sent] == ["code", "rule:s"]


def test_a_call_in_another_dialect_gets_its_cost_too() -> None:
    request = wire.parse(make_payload(1))
    scope = request.resource_spans[0].scope_spans[0]
    scope.scope.name = "opentelemetry.instrumentation.openai"
    del scope.spans[0].attributes[:]
    said = {
        "gen_ai.system": "openai",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    }
    wire.set_attributes(scope.spans[0], said)
    (span,) = wire.decode(with_cost(request.SerializeToString(), load_book()))
    assert span.attributes["gen_ai.usage.cost.amount"] == 0.0035
    assert {name: span.attributes[name] for name in said} == said


def test_an_outage_and_restarts_of_both_lose_nothing_and_double_nothing(home: Path, receiver: Receiver) -> None:
    receiver.statuses = [503, 503]
    receiver.answer_headers = {"retry-after": "0.2"}
    with serve(home, "--forward", receiver.url) as sidecar:
        sidecar.send(make_payload(1, 2))
        wait_for(lambda: numbers(receiver) == [1, 2])
    with serve(home) as sidecar:
        sidecar.send(make_payload(3))
    killed = Sidecar(home, "--forward", receiver.url)
    killed.send(make_payload(4))
    wait_for(lambda: numbers(receiver) == [1, 2, 3, 4])
    time.sleep(0.2)
    killed.process.kill()
    killed.process.communicate()
    with serve(home, "--forward", receiver.url) as sidecar:
        sidecar.send(make_payload(5))
        wait_for(lambda: 5 in numbers(receiver))
        assert sidecar.json("/api/v1/doctor")["deliveries"][0]["dropped"] == {}
    assert numbers(receiver) == [1, 2, 3, 4, 5]


def test_a_backend_that_hangs_holds_up_neither_senders_nor_the_end(home: Path, receiver: Receiver) -> None:
    receiver.delay_s = 60
    with serve(home, "--forward", receiver.url) as sidecar:
        for number in range(1, 6):
            assert sidecar.send(make_payload(number))[0] == 200
        assert sidecar.settled(5)["stored"] == 5
        sidecar.stop()
    assert receiver.tries == 0, "it has answered nothing yet"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://[fe80::1]:4318",
        "http://[::ffff:169.254.169.254]/",
        "http://100.100.100.200",
        "http://metadata.google.internal",
        "file:///etc/passwd",
        "localhost:4318",
    ],
)
def test_addresses_that_serve_credentials_are_refused_at_the_start(home: Path, url: str) -> None:
    with pytest.raises(ConfigError):
        require_allowed(url)


def test_the_command_says_why_it_does_not_forward_there(home: Path) -> None:
    arguments = ["serve", "--home", str(home), "--port", "0", "--grpc-port", "0", "--forward", "http://169.254.169.254"]
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", *arguments], capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert "169.254.169.254 is link-local" in done.stderr


def test_an_address_is_looked_at_again_when_it_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmtrace.otlp_http.METADATA_ADDRESSES", frozenset({"127.0.0.1"}))
    answer = Sender(receiver.url.replace("127.0.0.1", "localhost")).send(make_payload(1))
    assert answer.status is None
    assert "spans are not sent there" in answer.reason
    assert receiver.tries == 0


@pytest.mark.parametrize("status", [401, 302])
def test_a_backend_that_refuses_the_headers_or_points_elsewhere_is_told_without_them(
    home: Path, receiver: Receiver, status: int
) -> None:
    receiver.judge = lambda _: status
    receiver.answer_headers = {"location": f"{receiver.url}/elsewhere"}
    sidecar = Sidecar(home, "--forward", receiver.url, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer s3cret")
    sidecar.send(make_payload(1))
    wait_for(lambda: receiver.tries == 1)
    time.sleep(0.3)
    code, errors = sidecar.stop()
    assert code == 0
    assert "takes no spans" in errors
    assert "s3cret" not in errors
    assert receiver.paths == {"/v1/traces"}
