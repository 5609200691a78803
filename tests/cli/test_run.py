"""`llmtrace run -- CMD` and `opentelemetry-instrument`: an app that knows nothing of llmtrace is recorded."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from conftest import recorded_calls

from llmtrace.simulator import Simulator

BIN = Path(sys.executable).parent
APP = """
    import os, sys
    import openai
    def call(model="gpt-4o"):
        client = openai.OpenAI(base_url=os.environ["SIMULATOR"], api_key="k", max_retries=0)
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    return tmp_path / "app"


def write(path: Path, script: str) -> Path:
    path.write_text(textwrap.dedent(APP) + textwrap.dedent(script))
    return path


def environment(simulator: Simulator, home: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOME": str(home.parent),
        "LLMTRACE_HOME": str(home),
        "SIMULATOR": simulator.openai_base_url,
        **more,
    }


def llmtrace_run(
    *command: str, simulator: Simulator, home: Path, options: tuple[str, ...] = (), **more: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmtrace", "run", *options, "--", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(simulator, home, **more.pop("env", {})),
        **more,
    )


def test_a_script_is_recorded_and_its_output_input_and_exit_code_are_its_own(
    simulator: Simulator, folder: Path, home: Path
) -> None:
    script = write(folder / "app.py", "call(); print(input()); print('err', file=sys.stderr); sys.exit(7)")
    done = llmtrace_run("python", str(script), simulator=simulator, home=home, input="hello\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello\n", "err\n")
    (call,) = recorded_calls(home)
    assert (call.request.model, call.usage_source) == ("gpt-4o", "provider")


def test_a_module_is_recorded(simulator: Simulator, folder: Path, home: Path) -> None:
    write(folder / "shop.py", "call()")
    done = llmtrace_run("python", "-m", "shop", simulator=simulator, home=home, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(recorded_calls(home)) == 1


def test_options_say_who_calls_and_where_it_is_kept(simulator: Simulator, folder: Path, home: Path) -> None:
    script = write(folder / "app.py", "call()")
    options = ("--service-name", "shop", "--feature", "nightly", "--home", "elsewhere", "--capture-content")
    llmtrace_run("python", str(script), "--home", "theirs", simulator=simulator, home=home, options=options, cwd=folder)
    assert not home.exists()
    (call,) = recorded_calls(folder / "elsewhere")
    assert (call.feature, call.feature_source) == ("nightly", "environment")
    assert call.content is not None


def test_processes_below_are_recorded_too(simulator: Simulator, folder: Path, home: Path) -> None:
    script = write(
        folder / "app.py",
        """
        import multiprocessing, subprocess
        if __name__ == "__main__":
            if sys.argv[1:] == ["child"]:
                call("gpt-4o-mini")
                sys.exit()
            for method in ("spawn", "fork", "forkserver"):
                process = multiprocessing.get_context(method).Process(target=call)
                process.start()
                process.join()
                assert process.exitcode == 0
            subprocess.run([sys.executable, __file__, "child"], check=True)
            subprocess.run(["sh", "-c", f"{sys.executable} {__file__} child"], check=True)
        """,
    )
    done = llmtrace_run("python", str(script), simulator=simulator, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(c.request.model or "" for c in recorded_calls(home)) == ["gpt-4o"] * 3 + ["gpt-4o-mini"] * 2


def test_the_process_shows_nothing_of_it(simulator: Simulator, folder: Path, home: Path) -> None:
    script = folder / "app.py"
    script.write_text(
        "import json, os, signal, sys\n"
        "mask = os.umask(0)\n"
        "ignored = [s.name for s in signal.Signals if signal.getsignal(s) is signal.SIG_IGN]\n"
        "print(json.dumps([mask, ignored, sys.argv, sys.path, sorted(os.listdir('/proc/self/fd'))]))\n"
    )
    bare = subprocess.run(
        [sys.executable, str(script), "--flag", "a b"],
        capture_output=True,
        text=True,
        env=environment(simulator, home),
        check=True,
    )
    done = llmtrace_run(sys.executable, str(script), "--flag", "a b", simulator=simulator, home=home)
    assert done.stdout == bare.stdout
    shell = "trap '' TERM 2>/dev/null; yes | head -n 1; echo ${PIPESTATUS:-none}"
    assert llmtrace_run("bash", "-c", shell, simulator=simulator, home=home).stdout == "y\n141\n"
    assert not home.exists()


def test_the_sitecustomize_that_was_there_still_runs_and_pythonpath_is_kept(
    simulator: Simulator, folder: Path, home: Path
) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "sitecustomize.py").write_text("import sys; sys.their_own = __file__\n")
    (folder / "lib" / "theirs.py").write_text("")
    script = write(
        folder / "app.py", "import theirs, sitecustomize; call(); print(sys.their_own, sitecustomize.__file__)"
    )
    done = llmtrace_run("python", str(script), simulator=simulator, home=home, env={"PYTHONPATH": str(folder / "lib")})
    own = str(folder / "lib" / "sitecustomize.py")
    assert (done.stdout, done.stderr) == (f"{own} {own}\n", "")
    assert len(recorded_calls(home)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_signals_reach_the_app(number: signal.Signals, simulator: Simulator, folder: Path, home: Path) -> None:
    script = write(folder / "app.py", "import time; call(); print('ready', flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtrace", "run", "--", "python", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(simulator, home),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(30) == -number
    process.stdout.close()


def test_what_cannot_be_run_is_said(simulator: Simulator, folder: Path, home: Path) -> None:
    done = llmtrace_run("no-such-command", simulator=simulator, home=home)
    assert (done.returncode, done.stderr) == (3, "llmtrace: cannot run 'no-such-command': No such file or directory\n")
    assert llmtrace_run(simulator=simulator, home=home).returncode == 2


def test_an_interpreter_without_llmtrace_says_so_and_runs(simulator: Simulator, folder: Path, home: Path) -> None:
    script = folder / "app.py"
    script.write_text("import subprocess, sys; print('fine', flush=True)\nif len(sys.argv) < 2:\n"
                      "    subprocess.run([sys.executable, '-s', __file__, 'child'], check=True)\n")  # fmt: skip
    blocked = folder / "blocked" / "llmtrace"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('no such thing here')\n")
    env = environment(simulator, home, PYTHONPATH=str(blocked.parent))
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path = [p for p in sys.path if 'blocked' not in p]\n"
         "from llmtrace.cli import main; main(sys.argv[1:])", "run", "--", "python", str(script)],
        capture_output=True, text=True, env={**env, "PYTHONPATH": ""}, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("fine\nfine\n", "")
    done = subprocess.run(
        [sys.executable, "-c", "import sys, os; os.environ['PYTHONPATH'] = sys.argv.pop(1)\n"
         "from llmtrace.cli import main; main(sys.argv[1:])", str(blocked.parent), "run", "--", "python", str(script)],
        capture_output=True, text=True, env=environment(simulator, home), check=True,
    )  # fmt: skip
    assert done.stdout == "fine\nfine\n"
    (line,) = done.stderr.splitlines()  # from the command itself, not from its child
    assert "no such thing here" in line


def wait_for(url: str) -> bytes:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url) as response:
                body: bytes = response.read()
                return body
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


SERVERS = {
    "gunicorn": ("gunicorn", "--workers", "2", "--bind", "127.0.0.1:{port}", "web:wsgi"),
    "gunicorn preloaded": ("gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:{port}", "web:wsgi"),
    "uvicorn": ("uvicorn", "--port", "{port}", "web:asgi"),
    "uvicorn workers": ("uvicorn", "--workers", "2", "--port", "{port}", "web:asgi"),
}


@pytest.mark.parametrize("server", SERVERS)
def test_workers_of_a_server_are_recorded(server: str, simulator: Simulator, folder: Path, home: Path) -> None:
    write(
        folder / "web.py",
        """
        def wsgi(environ, start_response):
            start_response("200 OK", [("content-type", "text/plain")])
            return [call().choices[0].message.content.encode()]

        async def asgi(scope, receive, send):
            if scope["type"] == "http":
                body = call().choices[0].message.content.encode()
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": body})
        """,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in SERVERS[server]]
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtrace", "run", "--", "python", "-m", *command],
        cwd=folder,
        env=environment(simulator, home),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert wait_for(f"http://127.0.0.1:{port}/")
        deadline = time.monotonic() + 10  # uvicorn kills itself in the end, a fifth of a second of calls with it
        while not recorded_calls(home) and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM)
    assert len(recorded_calls(home)) == 1


def test_opentelemetry_instrument_finds_llmtrace(simulator: Simulator, folder: Path, home: Path) -> None:
    script = write(folder / "app.py", "call()")
    run = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", run, "--service_name", "shop", "python", str(script)],
        capture_output=True,
        text=True,
        env=environment(simulator, home),
        cwd=folder,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(recorded_calls(home)) == 1


def test_opentelemetrys_list_of_what_not_to_instrument_is_honoured(
    simulator: Simulator, folder: Path, home: Path
) -> None:
    script = write(folder / "app.py", "call()")
    run = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    subprocess.run(
        [sys.executable, "-c", run, "python", str(script)],
        env=environment(simulator, home, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="llmtrace"),
        cwd=folder,
        check=True,
    )
    assert not home.exists()


def test_both_at_once_record_a_call_once(simulator: Simulator, folder: Path, home: Path) -> None:
    script = write(folder / "app.py", "call()")
    otel = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    done = llmtrace_run("python", "-c", otel, "python", str(script), simulator=simulator, home=home, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(recorded_calls(home)) == 1
