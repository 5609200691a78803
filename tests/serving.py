"""`llmtrace serve` as a process of its own, for tests, and clients that send what no exporter would."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samples import make_call

from llmtrace import codec, otlp_bytes
from llmtrace.model import Span

PROTOBUF = "application/x-protobuf"


class Sidecar:
    """A running sidecar. `url` is where it answers, `grpc` where it does so over gRPC."""

    def __init__(self, home: Path, *options: str, **env: str) -> None:
        self.home = home
        arguments = ["serve", "--home", str(home), "--port", "0", "--grpc-port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llmtrace", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LLMTRACE_TOKEN": "", **env},
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().partition(": ")[2].partition(" ")[0]
        if not self.url:
            raise RuntimeError(f"serve did not start: {self.process.communicate()}")
        self.port = int(self.url.rpartition(":")[2])
        self.grpc = self.process.stdout.readline().partition(": ")[2].strip()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def send(self, body: bytes, kind: str = PROTOBUF, **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/traces", body, {"content-type": kind, **named})

    def json(self, path: str, **headers: str) -> Any:
        return json.loads(self.ask("GET", path, None, headers)[2])

    def settled(self, stored: int, timeout_s: float = 20) -> dict[str, Any]:
        """The figures of `doctor`, once STORED spans are stored and none is pending."""
        return settled(lambda: self.json("/api/v1/doctor"), stored, timeout_s)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


def settled(doctor: Any, stored: int, timeout_s: float = 20) -> dict[str, Any]:
    """The figures that DOCTOR returns, once STORED spans are stored and none is pending, or time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        figures: dict[str, Any] = doctor()
        if (figures["stored"] >= stored and figures["pending"] == 0) or time.monotonic() > deadline:
            return figures
        time.sleep(0.05)


@contextmanager
def serve(home: Path, *options: str, **env: str) -> Iterator[Sidecar]:
    """A sidecar of HOME; it must stop cleanly."""
    running = Sidecar(home, *options, **env)
    try:
        yield running
    finally:
        was_running = running.process.poll() is None
        status, errors = running.stop()
        if was_running:
            assert (status, errors) == (0, "")


def make_spans(*numbers: int, service: str = "remote") -> list[Span]:
    return [codec.to_span(make_call(n), {"service.name": service}) for n in numbers]


def make_payload(*numbers: int) -> bytes:
    return otlp_bytes.encode(make_spans(*numbers))


def in_threads(count: int, work: Any) -> list[BaseException]:
    """Run WORK(number) in COUNT threads; what they raised."""
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as err:
            raised.append(err)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def kill_under_load(home: Path, delays_s: Sequence[float]) -> list[int]:
    """The numbers of the spans that sidecars of HOME acknowledged: each is killed DELAYS_S after it started."""
    acknowledged: list[int] = []
    for round_number, delay_s in enumerate(delays_s):
        sidecar = Sidecar(home)

        def send(thread: int, sidecar: Sidecar = sidecar, base: int = round_number * 10_000_000) -> None:
            for i in range(100_000):
                span = base + thread * 100_000 + i + 1
                try:
                    if sidecar.send(make_payload(span))[0] == 200:
                        acknowledged.append(span)
                except Exception:
                    return

        def kill(delay_s: float = delay_s, sidecar: Sidecar = sidecar) -> None:
            time.sleep(delay_s)
            sidecar.process.kill()

        assert in_threads(5, lambda n, kill=kill, send=send: kill() if n == 0 else send(n)) == []
        sidecar.process.communicate()
    return acknowledged
