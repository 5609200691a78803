"""Two apps writing, the dashboard open and reports running, all at once and without a sidecar."""

import json
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from llmtrace.simulator import Simulator

SECONDS = 30
APP = """
    import sys, time
    import llmtrace
    llmtrace.instrument(sys.argv[2])
    import openai
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
    end = time.time() + float(sys.argv[3])
    while time.time() < end:
        with llmtrace.feature("work"):
            client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
        time.sleep(0.01)
    print([m for m in ("duckdb", "pyarrow", "ibis", "streamlit") if m in sys.modules])
"""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_apps_a_dashboard_and_reports_share_one_home(home: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home)}

    def start(*command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )

    def report() -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "llmtrace", "report", "--json"], capture_output=True, text=True, env=env, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    with Simulator(seed=7) as simulator:
        apps = [start("-c", textwrap.dedent(APP), simulator.openai_base_url, f"app{i}", str(SECONDS)) for i in range(2)]
        time.sleep(2)
        counts = [report()["total"]["calls"] for _ in range(2)]  # each becomes the owner for a moment
        dashboard = start("-m", "llmtrace", "dashboard", "--no-browser", "--port", "0")
        assert dashboard.stdout is not None
        line = dashboard.stdout.readline()
        assert re.search(r"http://127\.0\.0\.1:\d+", line)
        while any(app.poll() is None for app in apps):
            counts.append(report()["total"]["calls"])  # each asks the dashboard
        outputs = [app.communicate() for app in apps]
        assert outputs == [("[]\n", "")] * 2, "the apps never load a store, and print nothing"
        time.sleep(2)
        final = report()
        dashboard.terminate()
        _, errors = dashboard.communicate(timeout=30)
        after = report()  # owner again, now that the dashboard is gone
        answered = len(simulator.requests)
    print(f"{answered} calls, {len(counts)} reports while they ran")
    assert counts == sorted(counts)
    assert len(set(counts)) > 3, "reports while the apps ran"
    assert final["total"]["calls"] == after["total"]["calls"] == answered
    assert "Traceback" not in errors
