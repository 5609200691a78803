"""A dashboard that owns the database, and a sidecar that starts and wants it."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from llmtrace.dashboard.launch import OwnSource
from serving import PROTOBUF, Sidecar, make_payload, serve

from llmtrace.client import Client
from llmtrace.owner import Owner
from llmtrace.sidecar.loop import OwnerLoop
from llmtrace.store.lock import read_owner


@pytest.fixture
def dashboard(home: Path) -> Iterator[str]:
    running = subprocess.Popen(
        [sys.executable, "-m", "llmtrace", "dashboard", "--no-browser", "--port", "0", "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert running.stdout is not None
    yield running.stdout.readline().partition(": ")[2].partition(" ")[0]
    assert running.poll() is None, "the dashboard goes on"
    running.terminate()
    running.communicate(timeout=30)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as err:
        return err.code


def test_a_dashboard_lets_a_sidecar_have_the_database_and_goes_on(dashboard: str, home: Path) -> None:
    held = read_owner(home / "llmtrace.duckdb")
    assert held is not None
    assert (held.kind, held.url) == ("dashboard", dashboard)
    send = urllib.request.Request(f"{dashboard}/v1/traces", make_payload(2), {"content-type": PROTOBUF})
    with urllib.request.urlopen(send, timeout=10) as answer:
        assert answer.status == 200, "it receives OTLP itself"
    with serve(home) as sidecar:
        assert sidecar.send(make_payload(1))[0] == 200
        assert sidecar.settled(2)["owner"]["kind"] == "serve"
        assert status(dashboard) == 200
        assert status(f"{dashboard}/health") == 200
    assert status(dashboard) == 200


def test_pages_are_answered_before_during_and_after_the_hand_over(home: Path) -> None:
    loop = OwnerLoop(Owner(home, None, "dashboard").open(), yields_to="serve")
    pages = OwnSource(loop, Client(home, None, None, None, "dashboard"))
    loop.start()
    answers = [pages.rows("totals", {}).dicts()[0]["calls"]]
    sidecar = Sidecar(home)
    assert sidecar.send(make_payload(1, 2))[0] == 200
    deadline = time.monotonic() + 20
    while answers[-1] != 2:
        assert time.monotonic() < deadline
        answers.append(pages.rows("totals", {}).dicts()[0]["calls"])
    assert loop.has_yielded
    assert pages.health()["owner"]["pid"] == sidecar.process.pid
    assert loop.problems() == []
    assert sidecar.stop() == (0, "")
    assert pages.rows("totals", {}).dicts()[0]["calls"] == 2
    loop.stop()


def test_a_command_that_asks_for_the_database_does_not_get_it_from_a_dashboard(home: Path) -> None:
    loop = OwnerLoop(Owner(home, None, "dashboard").open(), yields_to="serve")
    loop.start()
    asking = Owner(home, None, "report")
    for _ in range(20):
        assert not asking.try_open()
        time.sleep(0.05)
    assert not loop.has_yielded
    loop.stop()
