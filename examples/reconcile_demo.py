"""Reconcile with the bill: of a hundred calls, llmtrace saw 93; the bill tells, and so does `llmtrace reconcile`.

Two services ask the same model. Only the shop is instrumented. The simulator is the provider: it answers both, and
bills both to their projects.

    python examples/reconcile_demo.py
"""

import datetime
import os
import subprocess
import sys
import tempfile

import openai

import llmtrace
from llmtrace.simulator import Simulator


def ask(url: str, project: str, times: int) -> None:
    """What both services do: the same question, TIMES times."""
    with openai.OpenAI(base_url=url, api_key="simulated", project=project) as client:
        for _ in range(times):
            client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": "Which of our lamps suits a reading corner, and why?"}],
            )


def reconcile(simulator: Simulator, home: str, today: datetime.date) -> int:
    """Run the command as you would, with the provider's address replaced by the simulator's."""
    period = ["--since", str(today), "--until", str(today + datetime.timedelta(days=2))]
    command = ["reconcile", "--provider", "openai", *period, "--home", home]
    print("$ llmtrace", *command[:-2], flush=True)
    keys = {"OPENAI_ADMIN_KEY": "sk-admin-simulated", "LLMTRACE_OPENAI_ADMIN_URL": simulator.openai_base_url}
    return subprocess.run([sys.executable, "-m", "llmtrace", *command], env={**os.environ, **keys}).returncode


def main() -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    with Simulator(seed=7) as simulator, tempfile.TemporaryDirectory() as home:
        llmtrace.instrument("shop", home=home)
        ask(simulator.openai_base_url, "proj_shop", 93)
        # The other service: a process of its own, which nobody instrumented.
        subprocess.run([sys.executable, __file__, simulator.openai_base_url], check=True)
        llmtrace.flush()
        code = reconcile(simulator, home, today)
        print(f"exit code: {code}")
        llmtrace.shutdown()


if __name__ == "__main__":
    if sys.argv[1:]:
        ask(sys.argv[1], "proj_search", 7)
    else:
        main()
