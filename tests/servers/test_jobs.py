"""Queues, commands, tests and scripts: each call is stored once, with what it was made by."""

import subprocess
import sys
from pathlib import Path

import pytest
from applications import Application, free_port

from llmtrace.simulator import Simulator

CELERY = """
    from celery import Celery

    FOLDER = os.path.dirname(os.path.abspath(__file__))
    for name in ("queue", "control", "results"):
        os.makedirs(os.path.join(FOLDER, name), exist_ok=True)
    app = Celery("work", broker="filesystem://", backend="file://" + os.path.join(FOLDER, "results"))
    app.conf.broker_transport_options = {
        "data_folder_in": os.path.join(FOLDER, "queue"),
        "data_folder_out": os.path.join(FOLDER, "queue"),
        "control_folder": os.path.join(FOLDER, "control"),
    }

    @app.task(name="mail.summarize")
    def summarize(n): return ask(str(n)).id

    @app.task
    def classify(n):
        with llmtrace.feature("triage"): return ask(str(n)).id
"""
SEND = """
    import sys, time
    import work
    results = [task.delay(n) for n in range(8) for task in (work.summarize, work.classify)]
    print(len([r.get(timeout=60) for r in results]))
"""


@pytest.mark.parametrize("pool", [["prefork", "-c", "2"], ["threads", "-c", "3"], ["solo"], ["gevent", "-c", "4"]])
def test_celery_workers(pool: list[str], home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app = Application(tmp_path / "app", home, simulator, work=CELERY, send=SEND)
    with app.running("celery", "-A", "work", "worker", "--pool", *pool, "-l", "warning") as worker:
        sender = [sys.executable, "send.py"]
        sent = subprocess.run(sender, cwd=app.folder, env=app.env, capture_output=True, text=True, check=False)
        assert (sent.stdout, sent.returncode) == ("16\n", 0), sent.stderr + app.log()
        worker.terminate()
        assert worker.wait(30) == 0, app.log()
    found = app.require_all_stored()
    assert found.origins("task") == {"mail.summarize": 8, "work.classify": 8}
    assert {(row["task"], row["feature"]) for row in found.rows} == {
        ("mail.summarize", None),
        ("work.classify", "triage"),
    }


RQ = """
    from redis import Redis
    from rq import Queue
    queue = Queue(connection=Redis(port=int(os.environ["REDIS_PORT"])))
    def summarize(n): return ask(str(n)).id
"""


# The server is a stand-in for Redis, which now and then does not answer a busy machine.
@pytest.mark.soak
def test_rq_workers(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    from threading import Thread

    from fakeredis import TcpFakeServer

    port = free_port()
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        app = Application(tmp_path / "app", home, simulator, jobs=RQ, send="""
            import jobs
            for n in range(6): jobs.queue.enqueue(jobs.summarize, n)
        """)  # fmt: skip
        app.env["REDIS_PORT"] = str(port)
        app.run("python", "send.py")
        app.run("rq", "worker", "--burst", "--url", f"redis://127.0.0.1:{port}")
    finally:
        server.shutdown()
        server.server_close()
    assert app.require_all_stored().origins("task") == {"jobs.summarize": 6}


COMMANDS = """
    import click

    @click.group()
    def cli(): pass

    @cli.group()
    def mail(): pass

    @mail.command()
    def digest(): ask()

    @cli.command()
    def sync():
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(ask, "abc"))

    if __name__ == "__main__":
        cli()
"""


def test_click_commands(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app = Application(tmp_path / "app", home, simulator, tool=COMMANDS)
    app.run("python", "tool.py", "mail", "digest")
    app.run("python", "-m", "tool", "mail", "digest")
    app.run("python", "tool.py", "sync")
    found = app.require_all_stored()
    # Click's context is a thread's own: in a pool, the process's command is what is known.
    assert found.origins("command") == {"tool.py mail digest": 2, "tool.py": 3}


def test_scripts_packages_and_functions(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    package = tmp_path / "app" / "nightly"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("from lib import Report\nReport().run()\n")
    app = Application(tmp_path / "app", home, simulator, lib="""
        class Report:
            def run(self): return (lambda: ask())()
    """, script="""
        from lib import Report
        Report().run()
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
    """)  # fmt: skip
    app.run("python", "script.py")
    app.run("python", "-W", "ignore", "-m", "nightly")
    app.run("python", "-c", "import lib; lib.Report().run()")
    found = app.require_all_stored()
    assert found.origins("command") == {"script.py": 2, "python -m nightly": 1, "python -c": 1}
    assert [(row["module"], row["function"]) for row in found.rows] == [
        ("lib", "ask"),
        ("__main__", None),
        ("lib", "ask"),
        ("lib", "ask"),
    ]


def test_pytest_nodes(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app = Application(tmp_path / "app", home, simulator, test_eval="""
        import pytest

        @pytest.fixture
        def warm(): ask()

        @pytest.mark.parametrize("n", [1, 2])
        def test_answer(n): ask()

        class TestMore:
            def test_again(self, warm): ask()
    """)  # fmt: skip
    app.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_eval.py")
    found = app.require_all_stored()
    assert found.origins("test") == {
        "test_eval.py::test_answer[1]": 1,
        "test_eval.py::test_answer[2]": 1,
        "test_eval.py::TestMore::test_again": 2,
    }
    assert found.origins("command") == {"python -m pytest": 4}
