"""A sidecar killed under load, while apps ship to it and die themselves: nothing is lost, nothing is doubled."""

import json
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serving import Sidecar, kill_under_load, serve, settled

import llmtrace
from llmtrace.journal import journal_folder, read_counters
from llmtrace.journal.cursor import read_cursors
from llmtrace.simulator import Simulator

APP = """
    import os, sys, time
    import llmtrace
    llmtrace.instrument("app")
    import openai
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
    print("up", flush=True)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}], max_tokens=20)
        time.sleep(0.02)
    llmtrace.flush(5)
"""


def doctor(home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", "doctor", "--home", str(home), "--json"], capture_output=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def query(home: Path, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = llmtrace.connect(home=home).sql(sql).to_pylist()
    return rows


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_twenty_kills_of_a_sidecar_lose_no_acknowledged_span(home: Path) -> None:
    rng = random.Random(20261121)
    acknowledged = kill_under_load(home, [rng.uniform(0.2, 1.5) for _ in range(20)])
    figures = settled(lambda: doctor(home), len(acknowledged))
    assert figures["ended"] == figures["stored"] + sum(figures["dropped"].values())
    assert figures["dropped"] == {}
    ids = ", ".join(f"('{n:016x}')" for n in acknowledged)
    missing = f"SELECT count(*) AS n FROM (VALUES {ids}) due(id) WHERE id NOT IN (SELECT span_id FROM spans)"
    twice = "SELECT count(*) AS n FROM (SELECT span_id FROM spans GROUP BY 1 HAVING count(*) > 1)"
    print(f"acknowledged {len(acknowledged)}, stored {figures['stored']}")
    assert (query(home, missing)[0]["n"], query(home, twice)[0]["n"]) == (0, 0)
    assert figures["stored"] >= len(acknowledged) > 0


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_apps_that_die_ship_to_a_sidecar_that_dies_and_every_call_arrives_once(home: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    app_home = tmp_path / "app"
    first = Sidecar(home)
    port = first.port
    over = threading.Event()
    with Simulator(seed=7) as simulator:

        def start_app(seconds: float) -> "subprocess.Popen[str]":
            app = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(APP), simulator.openai_base_url, str(seconds)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "LLMTRACE_HOME": str(app_home), "LLMTRACE_ENDPOINT": first.url},
            )
            assert app.stdout is not None
            app.stdout.readline()
            return app

        def run_sidecars() -> None:
            running = first
            while not over.is_set():
                over.wait(rng.uniform(1, 4))
                running.process.kill()
                running.process.communicate()
                over.wait(rng.uniform(0, 2))
                running = Sidecar(home, "--port", str(port))
            assert running.stop()[0] == 0

        sidecars = threading.Thread(target=run_sidecars)
        sidecars.start()
        try:
            for _ in range(8):
                doomed, other = start_app(30), start_app(3)
                time.sleep(rng.uniform(1.5, 3))
                doomed.kill()
                doomed.communicate()
                _, errors = other.communicate(timeout=60)
                assert (other.returncode, errors) == (0, "")
        finally:
            over.set()
            sidecars.join()
    with serve(home, "--port", str(port)) as sidecar:
        last = start_last(app_home, sidecar.url)
        assert last.returncode == 0, last.stderr
        written = doctor(app_home)["stored"]
        figures = sidecar.settled(written, 60)
    (progress,) = read_cursors(journal_folder(app_home)).values()
    died = sum(c.ended for c in read_counters(journal_folder(app_home))) - written
    print(f"written {written}, died in memory {died}, delivered {progress.delivered}, received {figures}")
    assert (progress.delivered, progress.dropped) == (written, {})
    assert figures["stored"] == figures["store"]["calls"] == written
    assert set(figures["dropped"]) <= {"duplicate"}
    assert figures["ended"] == figures["stored"] + sum(figures["dropped"].values())


def start_last(app_home: Path, url: str) -> "subprocess.CompletedProcess[str]":
    """A process that makes no call, and ships what the others left."""
    code = """
        import time
        from pathlib import Path
        import llmtrace, sys
        from llmtrace.journal import journal_folder, list_segments
        from llmtrace.journal.cursor import has_passed, read_cursors
        llmtrace.instrument("last")
        folder = journal_folder(Path(sys.argv[1]))
        deadline = time.monotonic() + 90
        while not all(has_passed(c, s) for c in read_cursors(folder).values() for s in list_segments(folder)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(app_home)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "LLMTRACE_HOME": str(app_home), "LLMTRACE_ENDPOINT": url},
    )
