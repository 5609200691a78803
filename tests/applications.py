"""Applications as people run them, under their own servers, for tests; and what came of their calls."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from llmtrace.ingest import Summary
from llmtrace.owner import Owner
from llmtrace.simulator import Simulator

# What pip writes for a command of a package.
SCRIPT = """
import sys
from importlib.metadata import entry_points
if __name__ == "__main__":
    sys.exit(next(iter(entry_points(group="console_scripts", name="{name}"))).load()())
"""
# What each application begins with: `ask` makes a call, whose user tells it from the others.
START = """
    import os
    import llmtrace
    llmtrace.instrument()
    import openai
    BASE_URL = os.environ["BASE_URL"]
    client = openai.OpenAI(base_url=BASE_URL, api_key="k", max_retries=0)
    client.chat.completions  # loaded now, which takes seconds on a busy machine
    def ask(user="u", **options):
        messages = [{"role": "user", "content": "hi"}]
        return client.chat.completions.create(model="gpt-4o", messages=messages, user=user, **options)
"""
# A worker that gunicorn asks to leave before it listens to signals of its own does not hear it, and is killed later.
GUNICORN = """
    def post_worker_init(worker):
        worker.log.info("Worker booted")
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@dataclass
class Outcome:
    """What is stored of an application's calls, and what it cost in records."""

    rows: list[dict[str, Any]]
    summary: Summary

    def origins(self, name: str) -> Counter[str | None]:
        """How many calls came from each origin of the kind NAME."""
        return Counter(row[name] for row in self.rows)


class Application:
    """Files in a folder, run by a command there, that calls a simulator."""

    def __init__(self, folder: Path, home: Path, simulator: Simulator, **files: str) -> None:
        """Write FILES, by module name, each after `START`."""
        self.folder, self.home, self.simulator = folder, home, simulator
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(START) + textwrap.dedent(text))
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "LLMTRACE_HOME": str(home),
            "BASE_URL": simulator.openai_base_url,
            "PYTHONPATH": str(folder),
            "PYTHONWARNINGS": "ignore",
            "OPENAI_API_KEY": "k",
        }

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Run COMMAND, whose first word is `python` or an installed package's command."""
        script = self.folder / "bin" / command[0]
        (self.folder / "gunicorn.conf.py").write_text(textwrap.dedent(GUNICORN))  # found by its name
        if command[0] != "python":
            script.parent.mkdir(exist_ok=True)
            script.write_text(SCRIPT.format(name=command[0]))
        words = command[1:] if command[0] == "python" else (str(script), *command[1:])
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def run(self, *command: str, timeout_s: float = 100) -> str:
        """Run COMMAND to its end, which must be a good one; what it said."""
        process = self.start(*command)
        try:
            assert process.wait(timeout_s) == 0, self.log()
        finally:
            _kill(process)
        return self.log()

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """COMMAND runs while the block does; the block ends it."""
        process = self.start(*command)
        try:
            yield process
        finally:
            _kill(process)

    @contextmanager
    def serving(self, port: int, *command: str, stop: int = signal.SIGTERM) -> Iterator["subprocess.Popen[str]"]:
        """COMMAND listens on PORT while the block runs, and is asked to leave with the signal STOP."""
        process = self.start(*command)
        try:
            _wait_for(port, process, self)
            yield process
            if command[0] == "gunicorn":
                said = [int(n) for word, n in pairwise(command) if word in ("-w", "--workers")]
                self._wait_for_workers(said[0] if said else 1)
            process.send_signal(stop)
            process.wait(30)
        finally:
            _kill(process)

    def _wait_for_workers(self, workers: int) -> None:
        """Wait until WORKERS of gunicorn's are ready, and none is about to leave for another to take its place."""
        for _ in range(600):
            log = self.log()
            begun, ready = log.count("Booting worker"), log.count("Worker booted")
            leaving, left = log.count("Autorestarting worker"), log.count("Worker exiting")
            if begun == ready and begun - left >= workers and leaving <= left:
                return
            time.sleep(0.1)
        raise AssertionError(log)

    def log(self) -> str:
        """What the application said."""
        return (self.folder / "log").read_text()

    def outcome(self) -> Outcome:
        """What is stored, once it is read; the application has ended."""
        owner = Owner(self.home, None, "test").open()
        try:
            while not owner.ingest().is_done:
                pass
            places = ", ".join(
                f"json_extract_string(s.attributes, '$.\"llmtrace.origin.{name}\"') AS {name}"
                for name in ("route", "task", "command", "test", "module", "function")
            )
            rows = owner.store.query(  # type: ignore[union-attr]
                f"SELECT c.*, s.process, {places} FROM calls c JOIN spans s USING (trace_id, span_id) "
                "ORDER BY c.started_at",
                limit=None,
            ).dicts()
            return Outcome(rows, owner.account())
        finally:
            owner.close()

    def require_all_stored(self) -> Outcome:
        """What is stored: each answered call once, and nothing else; all are accounted for."""
        found = self.outcome()
        answered = Counter(r.response_id for r in self.simulator.requests if r.response_id)
        stored = Counter(row["response_id"] for row in found.rows if row["response_id"])
        assert stored == answered, (stored - answered, answered - stored, found.summary, self.log())
        assert max(answered.values(), default=1) == 1
        summary = found.summary
        assert (summary.ended, summary.pending, summary.dropped) == (summary.stored, 0, {}), self.log()
        return found


def get(port: int, path: str, timeout_s: float = 30) -> str:
    """The body that PATH answers with."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout_s) as response:
        body: bytes = response.read()
        return body.decode()


def _wait_for(port: int, process: "subprocess.Popen[str]", app: Application) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, app.log()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(app.log())


def _kill(process: "subprocess.Popen[str]") -> None:
    """End PROCESS and whatever it started, which are a session of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
