"""An OTLP/HTTP backend on loopback, for tests."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import served
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from llmtrace import wire
from llmtrace.model import Span


@dataclass
class Receiver:
    """An OTLP/HTTP backend: answers `statuses` in turn, then as it `judge`s, which is 200."""

    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    delay_s: float = 0.0
    answer_headers: dict[str, str] = field(default_factory=dict)
    judge: Callable[[list[Span]], int] = lambda spans: 200
    tries: int = 0
    paths: set[str] = field(default_factory=set)
    url: str = ""

    def spans(self) -> list[Span]:
        return [span for _, _, body in self.requests for span in wire.decode(body)]


@contextmanager
def receive() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """What follows a redirect asks like this."""
            state.paths.add(self.path)
            self.send_error(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            time.sleep(state.delay_s)
            state.tries += 1
            state.paths.add(self.path)
            status = state.statuses.pop(0) if state.statuses else state.judge(list(wire.decode(body)))
            if status == 200:
                ExportTraceServiceRequest.FromString(body)
                state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            for name, value in state.answer_headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with served(Handler) as state.url:
        yield state
