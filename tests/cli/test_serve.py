"""`llmtrace serve` as a command: how it starts, refuses to, takes over and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serving import in_threads, kill_under_load, make_payload, serve, settled

from llmtrace.store.lock import read_owner


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmtrace", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )


def doctor(home: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(run("doctor", "--home", str(home), "--json").stdout)
    return figures


def test_a_second_sidecar_leaves_at_once_and_names_the_first(home: Path) -> None:
    with serve(home) as first:
        second = run("serve", "--home", str(home), "--port", "0", "--grpc-port", "0")
        assert second.returncode == 3
        assert f"process {first.process.pid}" in second.stderr
        assert first.send(make_payload(1))[0] == 200


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        over_http = run("serve", "--home", str(home), "--port", port, "--grpc-port", "0")
        over_grpc = run("serve", "--home", str(home), "--port", "0", "--grpc-port", port)
    assert (over_http.returncode, over_grpc.returncode) == (3, 3)
    assert f"port {port}" in over_http.stderr
    assert "--port" in over_http.stderr
    assert "--grpc-port" in over_grpc.stderr
    assert read_owner(home / "llmtrace.duckdb") is None, "the database is let go"


def test_beyond_loopback_a_token_is_needed(home: Path) -> None:
    refused = run("serve", "--home", str(home), "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2
    assert "--token" in refused.stderr
    with serve(home, "--host", "0.0.0.0", LLMTRACE_TOKEN="s3cret") as sidecar:
        assert sidecar.send(make_payload(1))[0] == 401
        elsewhere = {"host": "sidecar.example", "authorization": "Bearer s3cret", "content-type": "application/json"}
        assert sidecar.ask("POST", "/v1/traces", b"{}", elsewhere)[0] == 200


def test_without_grpcio_http_goes_on(home: Path, tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ImportError('no grpcio here')")
    sidecar = subprocess.Popen(
        [sys.executable, "-m", "llmtrace", "serve", "--home", str(home), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert sidecar.stdout is not None
    assert sidecar.stdout.readline().startswith("Sidecar: http://127.0.0.1:")
    sidecar.send_signal(signal.SIGTERM)
    _, errors = sidecar.communicate(timeout=30)
    assert sidecar.returncode == 0
    assert "install grpcio" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_under_load_and_everything_acknowledged_is_stored(home: Path, number: int) -> None:
    acknowledged: list[int] = []
    statuses: set[int] = set()
    stopping = threading.Event()
    with serve(home) as sidecar:

        def send(thread: int) -> None:
            for i in range(100_000):
                if stopping.is_set() and sidecar.process.poll() is not None:
                    return
                span = thread * 100_000 + i + 1
                try:
                    status = sidecar.send(make_payload(span))[0]
                except OSError:
                    if stopping.is_set():
                        return
                    raise
                except Exception:  # the connection was closed before it answered
                    assert stopping.is_set()
                    return
                statuses.add(status)
                if status == 200:
                    acknowledged.append(span)

        def stop(thread: int) -> None:
            time.sleep(1.0)
            stopping.set()
            sidecar.process.send_signal(number)

        assert in_threads(5, lambda n: stop(n) if n == 0 else send(n)) == []
        assert sidecar.stop() == (0, "")
    assert statuses <= {200, 503}
    assert acknowledged
    figures = doctor(home)
    stored = json.loads(run("query", "--home", str(home), "SELECT count(*) AS n FROM spans", "--json").stdout)
    assert figures["ended"] == figures["stored"] + sum(figures["dropped"].values())
    assert stored["rows"][0]["n"] >= len(acknowledged)
    assert figures["dropped"] == {}


def test_killed_under_load_every_acknowledged_span_is_stored_once(home: Path) -> None:
    acknowledged = kill_under_load(home, [0.7] * 3)
    with serve(home) as again:
        figures = again.settled(len(acknowledged))
    assert figures["ended"] == figures["stored"] + sum(figures["dropped"].values())
    assert figures["dropped"] == {}, "what was never acknowledged is no loss"
    found = run("query", "--home", str(home), "SELECT span_id, count(*) AS n FROM spans GROUP BY 1", "--json")
    rows = {row["span_id"]: row["n"] for row in json.loads(found.stdout)["rows"]}
    assert [n for n in acknowledged if rows.get(f"{n:016x}") != 1] == []
    assert set(rows.values()) == {1}


def test_commands_ask_a_sidecar_and_own_the_database_without_one(home: Path) -> None:
    with serve(home) as sidecar:
        sidecar.send(make_payload(1, 2))
        sidecar.settled(2)
        assert doctor(home)["owner"]["pid"] == sidecar.process.pid
        report = json.loads(run("report", "--home", str(home), "--json").stdout)
        assert report["total"]["calls"] == 2
    assert doctor(home)["owner"] is None
    assert json.loads(run("report", "--home", str(home), "--json").stdout)["total"]["calls"] == 2


def test_it_waits_for_a_command_that_owns_the_database(home: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from llmtrace.owner import Owner
        owner = Owner(Path(sys.argv[1]), None, "report").open()
        print("held", flush=True)
        time.sleep(3)
        owner.close()
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(home)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with serve(home) as sidecar:
        assert sidecar.send(make_payload(1))[0] == 200
    holder.communicate()
    assert settled(lambda: doctor(home), 1)["stored"] == 1


@pytest.mark.soak
def test_reports_run_while_it_starts_and_stops_and_none_fails(home: Path) -> None:
    failures: list[str] = []
    done = threading.Event()

    def report(thread: int) -> None:
        while not done.is_set():
            answer = run("report", "--home", str(home), "--json")
            if answer.returncode != 0:
                failures.append(answer.stderr)

    def restart(thread: int) -> None:
        try:
            for number in range(1, 4):
                with serve(home) as sidecar:
                    assert sidecar.send(make_payload(number))[0] == 200
                    time.sleep(0.5)
        finally:
            done.set()

    assert in_threads(3, lambda n: restart(n) if n == 0 else report(n)) == []
    assert failures == []
    assert json.loads(run("report", "--home", str(home), "--json").stdout)["total"]["calls"] == 3
