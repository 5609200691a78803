"""An app killed at random moments, fifty times: what ended more than a second before is in the database, once."""

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmtrace.journal import journal_folder, read_counters
from llmtrace.simulator import LoggedRequest, Simulator

KILLS = 50
APP = """
    import sys, threading
    import llmtrace
    llmtrace.instrument("app")
    import openai, anthropic
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
    messages = [{"role": "user", "content": "hello there"}]
    print("up", flush=True)
    def plain():
        while True:
            with llmtrace.feature("plain"):
                client.chat.completions.create(model="gpt-4o-mini", messages=messages, max_tokens=20)
    def streamed():
        while True:
            with llmtrace.feature("streamed"):
                for _ in client.chat.completions.create(
                    model="gpt-4o", messages=messages, max_tokens=20, stream=True,
                    stream_options={"include_usage": True},
                ): pass
    threading.Thread(target=plain, daemon=True).start()
    streamed()
"""


def command(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", *arguments, "--json", "--home", str(home)], capture_output=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def missing(home: Path, response_ids: list[str]) -> list[str]:
    """Those of RESPONSE_IDS that no call has."""
    gone = []
    for start in range(0, len(response_ids), 1000):
        listed = ", ".join(f"('{i}')" for i in response_ids[start : start + 1000])
        sql = f"SELECT id FROM (VALUES {listed}) AS due(id) WHERE id NOT IN (SELECT response_id FROM calls)"
        gone += [row["id"] for row in command(home, "query", sql)["rows"]]
    return gone


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_fifty_kills_lose_nothing_older_than_a_second(home: Path) -> None:
    rng = random.Random(20261121)
    due: list[LoggedRequest] = []
    answered = 0
    with Simulator(seed=7, latency_s=0.005) as simulator:
        for _ in range(KILLS):
            simulator.clear_requests()
            app = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(APP), simulator.openai_base_url],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home)},
            )
            assert app.stdout is not None
            app.stdout.readline()
            time.sleep(rng.uniform(0.1, 2.6))
            killed_at = datetime.now(UTC)
            app.send_signal(signal.SIGKILL)
            app.communicate()
            simulator.settle()
            done = [r for r in simulator.requests if r.usage_delivered and r.finished_at is not None]
            answered += len(done)
            # The app ends a call a moment after the last byte was sent.
            due += [r for r in done if r.finished_at and r.finished_at < killed_at - timedelta(seconds=1.1)]
    # Before anything reads the journal: the counters of the dead are deleted once their figures are stored.
    ended = sum(c.ended for c in read_counters(journal_folder(home)))
    twice = "SELECT response_id, count(*) AS n FROM calls GROUP BY 1 HAVING n > 1"
    assert command(home, "query", twice)["rows"] == []
    assert missing(home, [r.response_id for r in due if r.response_id]) == []
    doctor = command(home, "doctor")
    in_query = command(home, "query", "SELECT count(*) AS n FROM calls")["rows"][0]["n"]
    print(f"kills {KILLS}, answered {answered}, due {len(due)}, stored {doctor['stored']}, dropped {doctor['dropped']}")
    assert doctor["ended"] == ended
    assert doctor["ended"] == doctor["stored"] + doctor["pending"] + sum(doctor["dropped"].values())
    assert (doctor["pending"], doctor["stored"]) == (0, in_query)
    assert set(doctor["dropped"]) <= {"process_died"}
    assert len(due) <= doctor["stored"] <= doctor["ended"] <= answered + 2 * KILLS
