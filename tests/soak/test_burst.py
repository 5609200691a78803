"""Fifty thousand calls at once while the sidecar stands still: each arrives later, or is counted as dropped."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from serving import serve

CALLS = 50_000
APP = """
    import sys, threading
    sys.path.insert(0, sys.argv[1])
    import canned, llmtrace
    llmtrace.instrument("app")
    from calling import OPENAI
    client = canned.make_openai(canned.answering(canned.CHAT))
    def work(count):
        for _ in range(count): client.chat.completions.create(**OPENAI)
    threads = [threading.Thread(target=work, args=(int(sys.argv[2]) // 4,)) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    print("asked", flush=True)
    sys.stdin.readline()
    print(llmtrace.flush(120))
"""


def doctor(home: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "llmtrace", "doctor", "--home", str(home), "--json"], capture_output=True, check=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fifty_thousand_calls_at_once_are_stored_or_counted(home: Path, tmp_path: Path) -> None:
    app_home = tmp_path / "app"
    with serve(home) as sidecar:
        sidecar.process.send_signal(signal.SIGSTOP)
        app = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(APP), str(Path(__file__).parents[1]), str(CALLS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LLMTRACE_HOME": str(app_home), "LLMTRACE_ENDPOINT": sidecar.url},
        )
        assert app.stdout is not None
        assert app.stdout.readline() == "asked\n"
        sidecar.process.send_signal(signal.SIGCONT)
        out, errors = app.communicate("\n", timeout=300)
        assert (out, app.returncode) == ("True\n", 0), errors
        written = doctor(app_home)
        lost = sum(written["dropped"].values())
        assert (written["ended"], written["stored"] + lost, written["pending"]) == (CALLS, CALLS, 0)
        assert set(written["dropped"]) <= {"queue_full"}
        received = sidecar.settled(CALLS - lost, 120)
    print(f"stored {received['stored']}, dropped {written['dropped']}")
    assert received["stored"] == received["store"]["calls"] == CALLS - lost
