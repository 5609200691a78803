"""What real servers and runtimes do with processes and threads: each call of every worker is stored once, and where a
process is killed the loss is counted to the last call."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from applications import Application, free_port, get
from serving import serve

from llmtrace.simulator import Simulator

ASGI = """
    import asyncio, sys
    async_client = openai.AsyncOpenAI(base_url=BASE_URL, api_key="k", max_retries=0)

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                if message["type"] == "lifespan.shutdown" and "LAST" in os.environ:
                    ask("last")
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        with llmtrace.feature("page"):
            options = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
            await asyncio.gather(*(async_client.chat.completions.create(**options) for _ in "ab"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
SERVERS = {
    "uvicorn": ("uvicorn", "site_app:app", "--log-level", "warning", "--port", "{port}"),
    "uvicorn workers": ("uvicorn", "site_app:app", "--log-level", "warning", "--workers", "2", "--port", "{port}"),
    "gunicorn uvicorn": ("gunicorn", "site_app:app", "-k", "uvicorn.workers.UvicornWorker", "-w", "2", "-b",
                         "127.0.0.1:{port}"),
    "gunicorn uvicorn preload": ("gunicorn", "site_app:app", "-k", "uvicorn.workers.UvicornWorker", "-w", "2",
                                 "--preload", "-b", "127.0.0.1:{port}"),
    "hypercorn": ("hypercorn", "site_app:app", "-b", "127.0.0.1:{port}"),
    "granian": ("python", "-m", "granian", "--interface", "asgi", "--port", "{port}", "site_app:app"),
}  # fmt: skip


# What asks each of them to finish first; with gunicorn, an interrupt kills its workers.
STOPS = {name: (signal.SIGTERM,) if "gunicorn" in name else (signal.SIGTERM, signal.SIGINT) for name in SERVERS}


@pytest.mark.parametrize(("server", "stop"), [(name, stop) for name, stops in STOPS.items() for stop in stops])
def test_an_asgi_server_that_is_stopped_has_written_everything(
    server: str, stop: int, home: Path, tmp_path: Path, simulator: Simulator
) -> None:
    app, port = Application(tmp_path / "app", home, simulator, site_app=ASGI), free_port()
    app.env["LAST"] = "1"
    with app.serving(port, *(word.format(port=port) for word in SERVERS[server]), stop=stop):
        for _ in range(10):
            get(port, "/")
    found = app.require_all_stored()
    assert sum(row["feature"] == "page" for row in found.rows) == 20
    assert {row["feature"] for row in found.rows} == {"page", None}, "the call of the lifespan's end is there too"


WSGI = """
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/kill":
            import signal, threading
            for _ in range(7): ask()
            os.kill(os.getpid(), signal.SIGKILL)
        ask()
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [False, True])
def test_gunicorn_workers_that_are_recycled_have_written_everything(
    kind: str, preload: bool, home: Path, tmp_path: Path, simulator: Simulator
) -> None:
    app, port = Application(tmp_path / "app", home, simulator, site_app=WSGI), free_port()
    options = ["--max-requests", "5", "-w", "2", "-k", kind, *(["--preload"] if preload else [])]
    with app.serving(port, "gunicorn", *options, "-b", f"127.0.0.1:{port}", "site_app:app"):
        workers = {get(port, "/") for _ in range(24)}
    assert len(workers) > 2 or kind == "gevent", "it lets go of its workers when it gets to it"
    assert len({row["process"] for row in app.require_all_stored().rows}) == len(workers)


def test_preloaded_workers_write_two_hundred_calls_once(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, site_app=WSGI), free_port()
    command = ("gunicorn", "-w", "2", "--preload", "-b", f"127.0.0.1:{port}", "site_app:app")
    with app.serving(port, *command), ThreadPoolExecutor(8) as pool:
        workers = set(pool.map(lambda _: get(port, "/"), range(200)))
    assert len(workers) == 2
    found = app.require_all_stored()
    assert (len(found.rows), len({row["process"] for row in found.rows})) == (200, 2)


def test_what_a_killed_worker_had_not_written_is_counted(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app, port = Application(tmp_path / "app", home, simulator, site_app=WSGI), free_port()
    with app.serving(port, "gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", "site_app:app"):
        for _ in range(3):
            with pytest.raises(OSError, match=r".*"):
                get(port, "/kill")
        get(port, "/")
    found = app.outcome()
    assert len(simulator.requests) == 22
    assert found.summary.ended == 22
    assert found.summary.stored == len(found.rows) == 22 - found.summary.dropped.get("process_died", 0)
    assert (found.summary.pending, set(found.summary.dropped) <= {"process_died"}) == (0, True)


def test_what_ended_is_known_at_any_moment(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app = Application(tmp_path / "app", home, simulator, endless="""
        import threading
        def work():
            while True: ask()
        for _ in range(3): threading.Thread(target=work, daemon=True).start()
        work()
    """)  # fmt: skip
    with app.running("python", "endless.py") as process:
        while len(simulator.requests) < 200:
            time.sleep(0.01)
        process.kill()
        process.wait()
    time.sleep(0.2)  # the server may answer what nobody waits for any more
    found = app.outcome()
    answered = len([r for r in simulator.requests if r.status == 200])
    # Each of the four threads had at most one call under way.
    assert answered - 4 <= found.summary.ended <= answered
    assert found.summary.ended == found.summary.stored + found.summary.dropped.get("process_died", 0)


CELERY = """
    from celery import Celery
    FOLDER = os.path.dirname(os.path.abspath(__file__))
    os.makedirs(os.path.join(FOLDER, "queue"), exist_ok=True)
    app = Celery("work", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": os.path.join(FOLDER, "queue"), "data_folder_out": os.path.join(FOLDER, "queue"),
        "control_folder": os.path.join(FOLDER, "queue"),
    }
    app.conf.worker_max_tasks_per_child = 1
    @app.task
    def work(n): ask(str(n))
"""


def test_celery_children_that_end_after_each_task_have_written_everything(
    home: Path, tmp_path: Path, simulator: Simulator
) -> None:
    app = Application(tmp_path / "app", home, simulator, work=CELERY, send="""
        import work
        for n in range(6): work.work.delay(n)
    """)  # fmt: skip
    app.run("python", "send.py")
    with app.running("celery", "-A", "work", "worker", "-c", "2", "-l", "warning") as worker:
        deadline = time.monotonic() + 60
        while len(simulator.requests) < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        worker.terminate()
        assert worker.wait(30) == 0, app.log()
    assert len(app.require_all_stored().rows) == 6


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_that_starts_to_record_in_a_pool_has_written_everything(
    method: str, home: Path, tmp_path: Path, simulator: Simulator
) -> None:
    app = Application(tmp_path / "app", home, simulator, late="")
    (app.folder / "pool.py").write_text(
        "import multiprocessing, sys\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "def work(n):\n    import late\n    return late.ask(str(n)).id\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[1])\n"
        "    with ProcessPoolExecutor(2, mp_context=context) as pool:\n"
        "        assert len(set(pool.map(work, range(6)))) == 6\n"
    )
    app.run("python", "pool.py", method)
    assert len(app.require_all_stored().rows) == 6


@pytest.mark.parametrize("first", ["gevent", "llmtrace"])
def test_gevent(first: str, home: Path, tmp_path: Path, simulator: Simulator) -> None:
    patch = "from gevent import monkey; monkey.patch_all()\n"
    work = """
import gevent, gevent.pool
def work(n):
    with llmtrace.feature(f"green {n % 3}"):
        return ask(str(n)).id
pool = gevent.pool.Pool(10)
assert len(set(pool.map(work, range(99)))) == 99
list(ask(stream=True))
assert llmtrace.flush(10)
"""
    app = Application(tmp_path / "app", home, simulator)
    start = "import llmtrace\nllmtrace.instrument()\n"
    client = """
import os, openai
client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key="k", max_retries=0)
def ask(user="u", **options):
    messages = [{"role": "user", "content": "hi"}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, user=user, **options)
"""
    parts = [patch, start] if first == "gevent" else [start, patch]
    (app.folder / "green.py").write_text("".join([*parts, client, work]))
    app.run("python", "green.py", timeout_s=60)
    found = app.require_all_stored()
    counted = {name: sum(row["feature"] == name for row in found.rows) for name in ("green 0", "green 1", "green 2")}
    assert counted == {"green 0": 33, "green 1": 33, "green 2": 33}


def test_a_notebook(home: Path, tmp_path: Path, simulator: Simulator) -> None:
    app = Application(tmp_path / "app", home, simulator, book="""
        import nbformat
        from nbclient import NotebookClient
        cells = [
            "import os, openai, llmtrace; llmtrace.instrument()",
            "client = openai.OpenAI(base_url=os.environ['BASE_URL'], api_key='k')\\n"
            "asynchronous = openai.AsyncOpenAI(base_url=os.environ['BASE_URL'], api_key='k')\\n"
            "options = dict(model='gpt-4o', messages=[{'role': 'user', 'content': 'hi'}])",
            "client.chat.completions.create(**options).id",
            "with llmtrace.feature('cell'):\\n    print((await asynchronous.chat.completions.create(**options)).id)",
            "client.chat.completions.create(**options).id",
        ]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
        NotebookClient(notebook, timeout=60).execute()
        assert not any(out.output_type == "error" for cell in notebook.cells for out in cell.outputs)
    """)  # fmt: skip
    app.run("python", "book.py")
    found = app.require_all_stored()
    assert [row["feature"] for row in found.rows] == [None, "cell", None]
    assert found.origins("module") == {"__main__": 3}
    assert found.origins("command") == {"python -m ipykernel_launcher": 3}


FROZEN = """
    import asyncio, signal, sys, time

    @llmtrace.flush_after
    def handler(event):
        with llmtrace.feature("sync"): return ask().id

    @llmtrace.flush_after(timeout=5.0)
    async def later(event):
        with llmtrace.feature("async"): return ask().id

    @llmtrace.flush_after
    def failing(event):
        ask()
        raise RuntimeError("theirs")

    handler(1)
    asyncio.run(later(1))
    try: failing(1)
    except RuntimeError as err: assert str(err) == "theirs"
    os.kill(os.getpid(), signal.SIGKILL)  # the runtime never lets it run again
"""


@pytest.mark.parametrize("ships", [False, True])
def test_a_runtime_that_freezes_after_each_request(
    ships: bool, home: Path, tmp_path: Path, simulator: Simulator
) -> None:
    app = Application(tmp_path / "app", tmp_path / "instance", simulator, frozen=FROZEN)
    if not ships:
        with app.running("python", "frozen.py") as process:
            assert process.wait(60) == -signal.SIGKILL, app.log()
        assert [row["feature"] for row in app.require_all_stored().rows] == ["sync", "async", None]
        return
    with serve(home) as sidecar:
        app.env["LLMTRACE_ENDPOINT"] = sidecar.url
        with app.running("python", "frozen.py") as process:
            assert process.wait(60) == -signal.SIGKILL, app.log()
        assert sidecar.settled(3)["stored"] == 3
