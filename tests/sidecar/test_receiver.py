"""OTLP over HTTP, into a sidecar that runs as a process of its own."""

import base64
import gzip
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from serving import PROTOBUF, Sidecar, in_threads, make_payload, make_spans, serve

from llmtrace import wire
from llmtrace.journal import Record, journal_folder, list_segments, read_segment

JSON = "application/json"


@pytest.fixture
def sidecar(home: Path) -> Iterator[Sidecar]:
    with serve(home) as running:
        yield running


def as_json(payload: bytes) -> dict[str, Any]:
    """PAYLOAD as OTLP's JSON: protobuf's, with ids in hex."""
    document: dict[str, Any] = MessageToDict(wire.parse(payload))
    for group in document["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64decode(span[name]).hex()
    return document


def in_journal(home: Path) -> list[str]:
    """The span ids of all records on disk."""
    return [
        span.span_id
        for segment in list_segments(journal_folder(home))
        for record in read_segment(segment, 0)
        if isinstance(record, Record)
        for span in wire.decode(record.payload)
    ]


def test_protobuf_is_on_disk_when_it_is_acknowledged_and_becomes_calls(sidecar: Sidecar) -> None:
    status, headers, body = sidecar.send(make_payload(1, 2, 3))
    assert len(in_journal(sidecar.home)) == 3, "it is on disk before the answer"
    assert (status, headers["content-type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(body) == ExportTraceServiceResponse()
    assert sidecar.settled(3)["stored"] == 3
    (row,) = sidecar.json("/api/v1/report?by=service&since=2026-11-01")["rows"]
    assert (row["key"], row["calls"], row["cost_usd"]) == ("remote", 3, "0.010500000000")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_compressed_bodies_are_read(sidecar: Sidecar, encoding: str) -> None:
    import zlib

    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[encoding]
    assert sidecar.send(pack(make_payload(1)), content_encoding=encoding)[0] == 200
    assert len(in_journal(sidecar.home)) == 1


def test_json_stores_what_protobuf_stores(sidecar: Sidecar) -> None:
    status, headers, body = sidecar.send(json.dumps(as_json(make_payload(1))).encode(), JSON)
    assert (status, headers["content-type"], json.loads(body)) == (200, JSON, {})
    (segment,) = list_segments(journal_folder(sidecar.home))
    (record,) = read_segment(segment, 0)
    assert isinstance(record, Record)
    assert list(wire.decode(record.payload)) == make_spans(1)


def test_only_the_bad_span_is_rejected_and_it_is_counted(sidecar: Sidecar) -> None:
    request = wire.parse(make_payload(1, 2, 3))
    request.resource_spans[0].scope_spans[0].spans[1].span_id = b"short"
    answer = ExportTraceServiceResponse.FromString(sidecar.send(request.SerializeToString())[2])
    assert answer.partial_success.rejected_spans == 1
    assert "8 bytes" in answer.partial_success.error_message
    document = as_json(make_payload(4, 5))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["startTimeUnixNano"] = "yesterday"
    partial = json.loads(sidecar.send(json.dumps(document).encode(), JSON)[2])["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    figures = sidecar.settled(3)
    assert (figures["ended"], figures["stored"], figures["dropped"]) == (5, 3, {"rejected": 2})


def test_a_request_that_is_sent_twice_is_stored_once_and_the_account_says_so(sidecar: Sidecar) -> None:
    for _ in range(2):
        assert sidecar.send(make_payload(1, 2))[0] == 200
        sidecar.settled(2)
    figures = sidecar.settled(2)
    assert (figures["ended"], figures["stored"], figures["dropped"]) == (4, 2, {"duplicate": 2})
    assert figures["store"]["spans"] == 2
    sidecar.stop()
    with serve(sidecar.home) as again:
        figures = again.settled(2)
    assert (figures["ended"], figures["stored"], figures["dropped"]) == (4, 2, {"duplicate": 2})


def test_an_empty_request_is_fine_and_leaves_nothing(sidecar: Sidecar) -> None:
    assert sidecar.send(b"")[0] == 200
    assert sidecar.send(b"{}", JSON)[0] == 200
    assert in_journal(sidecar.home) == []


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status"),
    [
        (b"\xff\xff not protobuf", PROTOBUF, {}, 400),
        (b"{", JSON, {}, 400),
        (b"[]", JSON, {}, 400),
        (b'{"resourceSpans": {"a": 1}}', JSON, {}, 400),
        (b"\xff\xfe", JSON, {}, 400),
        (b'{"resourceSpans": ' + b"[" * 100_000, JSON, {}, 400),
        (b"not gzip", PROTOBUF, {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 1000)[:-9], PROTOBUF, {"content-encoding": "gzip"}, 400),
        (b"", "text/plain", {}, 415),
        (b"", "", {}, 415),
        (b"", PROTOBUF, {"content-encoding": "br"}, 415),
        (b"", PROTOBUF, {"host": "evil.example"}, 421),
        (b"", PROTOBUF, {"origin": "https://evil.example"}, 403),
    ],
    ids=[
        "bad protobuf",
        "cut json",
        "list",
        "wrong json",
        "bad utf-8",
        "deep json",
        "bad gzip",
        "cut gzip",
        "text",
        "no type",
        "bad encoding",
        "bad host",
        "bad origin",
    ],
)
def test_what_cannot_be_taken_is_refused_in_the_encoding_it_was_sent_in(
    sidecar: Sidecar, body: bytes, kind: str, headers: dict[str, str], status: int
) -> None:
    answer = sidecar.ask("POST", "/v1/traces", body, {"content-type": kind, **headers})
    assert answer[0] == status
    if kind == JSON:
        assert json.loads(answer[2])["message"]
    else:
        assert Status.FromString(answer[2]).message
    assert sidecar.send(make_payload(1))[0] == 200, "the next one is taken"


def test_deeply_nested_attributes_are_a_bad_request(sidecar: Sidecar) -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(300):
        value = {"arrayValue": {"values": [value]}}
    document = as_json(make_payload(1, 2))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] = [{"key": "deep", "value": value}]
    answer = sidecar.send(json.dumps(document).encode(), JSON)
    assert json.loads(answer[2])["partialSuccess"]["rejectedSpans"] == "1"
    nested = b""
    for _ in range(2000):  # AnyValue.array_value.values, each inside the other
        inner = b"\x0a" + _varint(len(nested)) + nested
        nested = b"\x2a" + _varint(len(inner)) + inner
    pair = b"\x0a\x01k\x12" + _varint(len(nested)) + nested
    resource = b"\x0a" + _varint(len(pair)) + pair
    group = b"\x0a" + _varint(len(resource)) + resource
    assert sidecar.send(b"\x0a" + _varint(len(group)) + group)[0] == 400


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def test_a_gzip_bomb_is_413_and_costs_little_memory(sidecar: Sidecar) -> None:
    bomb = gzip.compress(bytes(1024 * 1024)) * 1024
    before = _peak_memory_kib(sidecar)
    assert [sidecar.send(bomb, content_encoding="gzip")[0] for _ in range(3)] == [413] * 3
    assert _peak_memory_kib(sidecar) - before < 256 * 1024
    assert sidecar.send(make_payload(1))[0] == 200


def _peak_memory_kib(sidecar: Sidecar) -> int:
    status = Path(f"/proc/{sidecar.process.pid}/status")
    if not status.exists():
        # Where there is no /proc, what it holds now is the best that can be had.
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(sidecar.process.pid)]))
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])


def test_a_body_that_is_too_long_is_413_whether_it_says_so_or_not(sidecar: Sidecar) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=30)
    connection.putrequest("POST", "/v1/traces")
    connection.putheader("content-type", PROTOBUF)
    connection.putheader("content-length", str(17 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    chunks = (bytes(1024 * 1024) for _ in range(17))
    connection = http.client.HTTPConnection("127.0.0.1", sidecar.port, timeout=30)
    connection.request("POST", "/v1/traces", chunks, {"content-type": PROTOBUF}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_more_spans_than_a_request_may_hold_are_413(sidecar: Sidecar) -> None:
    status, _, body = sidecar.send(make_payload(*range(1, 10_002)))
    assert status == 413
    assert "10000 spans" in Status.FromString(body).message
    assert in_journal(sidecar.home) == []


def test_many_senders_share_a_wait_for_the_disk_and_nothing_is_lost(sidecar: Sidecar) -> None:
    def send(number: int) -> None:
        for i in range(25):
            assert sidecar.send(make_payload(number * 1000 + i + 1))[0] == 200

    assert in_threads(16, send) == []
    figures = sidecar.settled(400)
    assert (figures["ended"], figures["stored"], figures["store"]["spans"], figures["dropped"]) == (400, 400, 400, {})
    text = sidecar.ask("GET", "/metrics")[2].decode()
    metrics = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert metrics["llmtrace_received_spans_total"] == metrics["llmtrace_spans_stored_total"] == "400"
    assert int(metrics["llmtrace_journal_syncs_total"]) < 400


def test_a_token_is_needed_where_one_is_set_and_local_commands_find_it(home: Path) -> None:
    import llmtrace

    with serve(home, "--token", "s3cret") as sidecar:
        assert sidecar.send(make_payload(1))[0] == 401
        assert Status.FromString(sidecar.send(make_payload(1), authorization="Bearer wrong")[2]).code == 16
        assert sidecar.ask("GET", "/metrics")[0] == 401
        assert sidecar.ask("GET", "/health")[0] == 200
        assert sidecar.send(make_payload(1), authorization="Bearer s3cret")[0] == 200
        deadline = time.monotonic() + 10
        client = llmtrace.connect(home=home)
        while client.ask("totals").column("calls").to_pylist() != [1]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (home / "serve.token").stat().st_mode & 0o777 == 0o600
    assert not (home / "serve.token").exists()


def test_half_open_requests_hold_up_nobody(sidecar: Sidecar) -> None:
    lines = [b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\n", b""]
    opened = []
    for i in range(150):
        opened.append(socket.create_connection(("127.0.0.1", sidecar.port)))
        opened[-1].sendall(lines[i % 2])
    assert sidecar.send(make_payload(1))[0] == 200
    for connection in opened:
        connection.close()


@pytest.mark.soak
def test_connections_without_a_request_are_closed(sidecar: Sidecar) -> None:
    head = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
    slow_header = socket.create_connection(("127.0.0.1", sidecar.port))
    slow_header.sendall(head)
    slow_body = socket.create_connection(("127.0.0.1", sidecar.port))
    slow_body.sendall(head + b"content-length: 1000\r\n\r\nx")
    slow_sql = socket.create_connection(("127.0.0.1", sidecar.port))
    slow_sql.sendall(
        b"POST /api/v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
    )
    for connection in (slow_header, slow_body, slow_sql):
        connection.settimeout(60)
    assert slow_header.recv(1000) == b"", "closed without an answer"
    assert slow_body.recv(1000).startswith(b"HTTP/1.1 408")
    assert slow_sql.recv(1000).startswith(b"HTTP/1.1 408")
    slow_sql.close()
    slow_header.close()
    slow_body.close()
