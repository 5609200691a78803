"""Apps that ship their journal to a sidecar elsewhere: outages, refusals, ends and forks."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import OPENAI, make_clients
from otlp_receiver import Receiver
from serving import Sidecar, serve

import llmtrace
from llmtrace import shipping
from llmtrace.config import read_settings
from llmtrace.errors import ConfigError
from llmtrace.journal import journal_folder
from llmtrace.journal.cursor import read_cursors
from llmtrace.simulator import Simulator

APP = """
    import os, sys
    import llmtrace
    llmtrace.instrument("app")
    import openai
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
    def call():
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}], max_tokens=20)
    exec(sys.argv[2])
"""


@pytest.fixture
def app_home(tmp_path: Path) -> Path:
    return tmp_path / "app"


@pytest.fixture
def sidecar(home: Path) -> Iterator[Sidecar]:
    with serve(home) as running:
        yield running


def run_app(simulator: Simulator, home: Path, endpoint: str, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(APP), simulator.openai_base_url, textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LLMTRACE_HOME": str(home), "LLMTRACE_ENDPOINT": endpoint, **env},
    )


def shipped(home: Path) -> tuple[int, dict[str, int]]:
    """How many spans of HOME's journal were shipped, and what was not."""
    (progress,) = read_cursors(journal_folder(home)).values()
    return progress.delivered, progress.dropped


def wait_for(condition: Any, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


def test_a_short_script_has_shipped_everything_when_it_is_over(
    simulator: Simulator, app_home: Path, sidecar: Sidecar
) -> None:
    done = run_app(simulator, app_home, sidecar.url, "for _ in range(5): call()")
    assert (done.returncode, done.stderr) == (0, "")
    assert shipped(app_home) == (5, {})
    figures = sidecar.settled(5)
    assert (figures["ended"], figures["stored"], figures["store"]["calls"]) == (5, 5, 5)
    report = sidecar.json("/api/v1/report?by=service")
    assert [(row["key"], row["calls"]) for row in report["rows"]] == [("app", 5)]
    assert report["total"]["unpriced_calls"] == 0


def test_what_was_left_behind_is_shipped_by_the_next_process(
    simulator: Simulator, app_home: Path, sidecar: Sidecar
) -> None:
    down = "http://127.0.0.1:9"
    first = run_app(simulator, app_home, down, "call(); call()")
    killed = run_app(
        simulator, app_home, down, "import signal, time; call(); time.sleep(1); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert (first.returncode, first.stderr, killed.returncode) == (0, "", -9)
    last = run_app(simulator, app_home, sidecar.url, "call()")
    assert (last.returncode, last.stderr) == (0, "")
    assert sidecar.settled(4)["stored"] == 4


def test_an_app_outlives_restarts_of_its_sidecar_and_nothing_is_lost_or_doubled(
    simulator: Simulator, app_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmtrace.delivery.FIRST_WAIT_S", 0.1)
    monkeypatch.setattr("llmtrace.delivery.LONGEST_WAIT_S", 0.2)
    first = Sidecar(home)
    llmtrace.instrument(home=app_home, endpoint=first.url)
    client = make_clients(simulator).openai
    for n in range(12):
        client.chat.completions.create(**OPENAI)
        if n == 3:
            assert llmtrace.flush(10)
            first.process.kill()
            first.process.communicate()
        if n == 7:
            assert not llmtrace.flush(1), "nobody took it"
    with serve(home, "--port", str(first.port)) as second:
        wait_for(lambda: shipped(app_home)[0] == 12)
        assert llmtrace.flush(10)
        figures = second.settled(12)
    assert (figures["stored"], figures["store"]["calls"], figures["ended"]) == (12, 12, 12)
    assert shipped(app_home) == (12, {})


@pytest.mark.expects_warning
def test_a_wrong_token_is_told_once_and_the_spans_wait(
    simulator: Simulator, app_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLMTRACE_TOKEN", "wrong")
    with serve(home, "--token", "right") as sidecar:
        llmtrace.instrument(home=app_home, endpoint=sidecar.url)
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
        for _ in range(3):
            assert not llmtrace.flush(5)
        told = [r.message for r in caplog.records if r.name == "llmtrace"]
        assert len(told) == 1
        assert "LLMTRACE_TOKEN" in told[0]
        assert "wrong" not in told[0]
        llmtrace.shutdown()
        done = run_app(simulator, app_home, sidecar.url, "call()", LLMTRACE_TOKEN="right")
        assert done.stderr == ""
        assert shipped(app_home) == (2, {})


def test_a_busy_sidecar_is_waited_for_as_long_as_it_asks(
    simulator: Simulator, app_home: Path, receiver: Receiver
) -> None:
    receiver.statuses = [429, 503, 429]
    receiver.answer_headers = {"retry-after": "0.1"}
    llmtrace.instrument(home=app_home, endpoint=receiver.url)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    wait_for(lambda: len(receiver.spans()) == 1)
    assert llmtrace.flush(5)
    assert (receiver.tries, shipped(app_home)) == (4, (1, {}))


def test_an_answer_that_was_lost_is_sent_again_and_stored_once(
    simulator: Simulator, app_home: Path, sidecar: Sidecar
) -> None:
    assert run_app(simulator, app_home, sidecar.url, "call(); call()").returncode == 0
    for path in journal_folder(app_home).glob("*.cursor"):
        path.unlink()
    assert run_app(simulator, app_home, sidecar.url, "call()").returncode == 0
    figures = sidecar.settled(3)
    assert (figures["stored"], figures["store"]["calls"], figures["dropped"]) == (3, 3, {"duplicate": 2})
    assert figures["ended"] == 5


@pytest.mark.parametrize("delay_s", [0.0, 30.0])
def test_an_exit_is_not_held_up_by_a_sidecar_that_is_gone_or_hangs(
    simulator: Simulator, app_home: Path, receiver: Receiver, delay_s: float
) -> None:
    receiver.delay_s = delay_s
    endpoint = receiver.url if delay_s else "http://127.0.0.1:9"
    # What is registered first runs last: after llmtrace has closed.
    timed = "import atexit, time; began = []; atexit.register(lambda: print(time.monotonic() - began[0]))\n"
    program = timed + textwrap.dedent(APP).replace("exec(sys.argv[2])", "call(); began.append(time.monotonic())")
    done = subprocess.run(
        [sys.executable, "-c", program, simulator.openai_base_url],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LLMTRACE_HOME": str(app_home), "LLMTRACE_ENDPOINT": endpoint},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) < 15.0  # no wait for an answer that takes 30 s


def test_forked_children_ship_what_they_did_once(simulator: Simulator, app_home: Path, sidecar: Sidecar) -> None:
    code = """
        call()
        llmtrace.flush(5)
        children = []
        for _ in range(3):
            pid = os.fork()
            if pid == 0:
                client = openai.OpenAI(base_url=sys.argv[1], api_key="k")  # not the parent's connections
                call(); call()
                llmtrace.flush(5)
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
    """
    done = run_app(simulator, app_home, sidecar.url, code)
    assert done.returncode == 0, done.stderr
    figures = sidecar.settled(7)
    assert (figures["stored"], figures["ended"], figures["store"]["calls"]) == (7, 7, 7)
    assert shipped(app_home) == (7, {})


def test_one_process_of_a_home_ships_for_all_and_another_takes_over(
    simulator: Simulator, app_home: Path, sidecar: Sidecar
) -> None:
    code = "import time; call(); print('up', flush=True); sys.stdin.readline(); call()"
    apps = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(APP), simulator.openai_base_url, code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LLMTRACE_HOME": str(app_home), "LLMTRACE_ENDPOINT": sidecar.url},
        )
        for _ in range(3)
    ]
    for app in apps:
        assert app.stdout is not None
        app.stdout.readline()
    wait_for(lambda: shipped(app_home)[0] == 3)
    apps[0].kill()
    for app in apps:
        app.communicate("\n", timeout=30)
    figures = sidecar.settled(5)
    assert (figures["stored"], figures["dropped"]) == (5, {})


def test_a_sidecar_of_the_same_home_is_not_fed_with_what_it_received(
    simulator: Simulator, home: Path, sidecar: Sidecar
) -> None:
    for _ in range(2):
        assert run_app(simulator, home, sidecar.url, "call()").returncode == 0
    figures = sidecar.settled(2)
    assert figures["store"]["calls"] == 2
    assert figures["ended"] == 4, "each was written by the app and received once, and that was that"
    assert figures["dropped"] == {"duplicate": 2}


def test_a_home_without_a_database_forgets_what_is_shipped_and_old(
    simulator: Simulator, app_home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "TIDY_INTERVAL_S", 0.0)
    assert run_app(simulator, app_home, "", "call()").returncode == 0
    (old,) = journal_folder(app_home).glob("*.segment")
    os.utime(old, (time.time() - 100_000,) * 2)
    llmtrace.instrument(home=app_home, endpoint=receiver.url)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    wait_for(lambda: not old.exists())
    assert len(receiver.spans()) >= 1
    wait_for(lambda: len(list(journal_folder(app_home).glob("*.counter"))) == 1)
    llmtrace.shutdown()
    assert len(receiver.spans()) == 2


def test_an_endpoint_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="endpoint='sidecar:4318'"):
        read_settings(endpoint="sidecar:4318")


def test_shipping_loads_nothing_heavy_before_the_first_call(app_home: Path) -> None:
    code = """
        import sys, llmtrace
        llmtrace.instrument(endpoint="http://127.0.0.1:9")
        print(sorted({"duckdb", "pyarrow", "pandas", "starlette", "grpc", "httpx", "requests"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "LLMTRACE_HOME": str(app_home)},
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
