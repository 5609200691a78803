"""What an application does with processes, threads and its exit, and what a bad disk does to it: nothing is lost
silently, and nobody waits."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from calling import ANTHROPIC, OPENAI, make_clients
from conftest import recorded_calls

import llmtrace
from llmtrace import lifecycle
from llmtrace.instrument import pipeline
from llmtrace.journal import journal_folder, read_counters, writer
from llmtrace.simulator import Simulator

START = """
    import os, sys, time, threading
    import llmtrace
    llmtrace.instrument()
    import openai
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
    def call(**options):
        return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], **options)
"""


def app(script: str, simulator: Simulator, home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(START) + textwrap.dedent(script), simulator.openai_base_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home)},
    )


def finish(script: str, simulator: Simulator, home: Path) -> tuple[str, str, int]:
    process = app(script, simulator, home)
    out, err = process.communicate(timeout=60)
    return out, err, process.returncode


def journalled(home: Path) -> int:
    return len(recorded_calls(home))


def counted(home: Path) -> tuple[int, dict[str, int]]:
    counters = read_counters(journal_folder(home))
    dropped: dict[str, int] = {}
    for counter in counters:
        for reason, n in counter.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + n
    return sum(c.ended for c in counters), dropped


def test_an_app_that_just_ends_has_written_everything(simulator: Simulator, home: Path) -> None:
    out, err, code = finish("for _ in range(20): call()\nprint('done')", simulator, home)
    assert (out, err, code) == ("done\n", "", 0)
    assert journalled(home) == 20
    assert counted(home) == (20, {})


def test_an_app_that_fails_has_written_everything(simulator: Simulator, home: Path) -> None:
    _, err, code = finish("call()\nraise RuntimeError('theirs')", simulator, home)
    assert code == 1
    assert err.strip().endswith("RuntimeError: theirs")
    assert journalled(home) == 1


def test_many_threads_lose_nothing(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai

    def work(name: str) -> None:
        with llmtrace.feature(name):
            for _ in range(25):
                client.chat.completions.create(**OPENAI)

    threads = [threading.Thread(target=work, args=(f"f{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = recorded_calls(home)
    assert sorted({c.feature for c in calls if c.feature}) == [f"f{i}" for i in range(8)]
    assert len(calls) == len({c.span_id for c in calls}) == 200
    assert sorted(c.response.id or "" for c in calls) == sorted(r.response_id or "" for r in simulator.requests)


def test_forked_children_write_their_own_calls_and_nobody_elses(simulator: Simulator, home: Path) -> None:
    script = """
        call(user="parent before")
        children = []
        for n in range(3):
            pid = os.fork()
            if pid == 0:
                client._client = openai.DefaultHttpxClient()  # sockets are not shared
                for _ in range(4): call(user=f"child {n}")
                sys.exit(0)
            children.append(pid)
        call(user="parent after")
        print([os.waitpid(pid, 0)[1] for pid in children])
    """
    out, err, code = finish(script, simulator, home)
    assert (out, err, code) == ("[0, 0, 0]\n", "", 0)
    calls = recorded_calls(home)
    assert len(calls) == len({c.span_id for c in calls}) == 14
    assert counted(home) == (14, {})
    assert len(read_counters(journal_folder(home))) == 4


def test_a_child_that_is_forked_while_the_first_write_loads_its_modules_writes_its_own(
    simulator: Simulator, home: Path
) -> None:
    script = """
        class Slow:  # on a slow disk
            def find_spec(self, name, path=None, target=None):
                if name == "llmtrace.redaction.redactor":
                    loading.set()
                    time.sleep(1.0)
        loading = threading.Event()
        sys.meta_path.insert(0, Slow())
        call(user="parent")
        assert loading.wait(10.0)
        pid = os.fork()
        if pid == 0:
            client._client = openai.DefaultHttpxClient()
            call(user="child")
            print(llmtrace.flush(5.0))
            sys.stdout.flush()
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
    """
    out, err, code = finish(script, simulator, home)
    assert (out, err, code) == ("True\n0\n", "", 0)
    assert journalled(home) == 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_write_their_calls(method: str, simulator: Simulator, home: Path) -> None:
    program = home.parent / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            import llmtrace
            llmtrace.instrument()
            import openai

            def work(n):
                client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
                with llmtrace.feature(f"job {n}"):
                    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])

            if __name__ == "__main__":
                context = multiprocessing.get_context(sys.argv[2])
                with context.Pool(2) as pool:
                    pool.map(work, range(6))
                    pool.close()
                    pool.join()
                process = context.Process(target=work, args=(6,))
                process.start(); process.join()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(program), simulator.openai_base_url, method],
        capture_output=True,
        text=True,
        timeout=100,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home)},
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert sorted(c.feature or "" for c in recorded_calls(home)) == [f"job {n}" for n in range(7)]


def test_an_open_stream_of_the_parent_is_not_the_childs_to_record(simulator: Simulator, home: Path) -> None:
    script = """
        stream = call(stream=True, stream_options={"include_usage": True})
        next(stream)
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        os.waitpid(pid, 0)
        list(stream)
    """
    _, err, code = finish(script, simulator, home)
    assert (err, code) == ("", 0)
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source) == ("ok", "provider")


def test_a_killed_app_loses_at_most_its_last_second(simulator: Simulator, home: Path) -> None:
    script = """
        for _ in range(30): call()
        time.sleep(1.0)
        print("old", flush=True)
        while True: call()
    """
    process = app(script, simulator, home)
    assert process.stdout is not None
    assert process.stdout.readline() == "old\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert journalled(home) >= 30
    ended, dropped = counted(home)
    assert (ended >= journalled(home), dropped) == (True, {})


def test_a_stream_left_open_at_exit_is_recorded_as_given_up(simulator: Simulator, home: Path) -> None:
    script = """
        stream = call(stream=True, stream_options={"include_usage": True})
        next(stream)
    """
    _, err, code = finish(script, simulator, home)
    assert (err, code) == ("", 0)
    assert [c.status for c in recorded_calls(home)] == ["cancelled"]


def test_calls_made_while_the_interpreter_leaves_break_nothing_and_are_counted(
    simulator: Simulator, home: Path
) -> None:
    script = """
        import atexit
        atexit.register(lambda: (call(), print("after")))
        class Late:
            def __del__(self): call()
        late = Late()
        call()
    """
    out, err, code = finish(script, simulator, home)
    assert (out, code) == ("after\n", 0)
    assert "llmtrace" not in err.replace(str(Path(__file__).parents[2]), "")
    ended, dropped = counted(home)
    assert ended == journalled(home) + sum(dropped.values())
    assert ended >= 2


def test_an_app_without_a_place_to_write_runs_as_ever_and_says_so_once(simulator: Simulator, tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("not a directory")
    out, err, code = finish("for _ in range(50): call()\nprint(llmtrace.flush(0.5))", simulator, home)
    assert (out, code) == ("False\n", 0)
    assert err.count("llmtrace") == 1
    assert "cannot write its journal" in err


HUNG_DISK = """
    import llmtrace.journal.writer as writer
    is_writing = threading.Event()
    class Os:
        def __getattr__(self, name): return getattr(os, name)
        def write(self, fd, data): is_writing.set(); time.sleep(3600); is_writing.clear()
    writer.os = Os()
"""


def test_a_hung_disk_delays_neither_calls_nor_flush_nor_exit(simulator: Simulator, home: Path) -> None:
    script = textwrap.dedent(HUNG_DISK) + textwrap.dedent(
        """
            import atexit
            llmtrace.shutdown()
            atexit.register(lambda: print(is_writing.is_set()))  # the last to be run, as it comes before llmtrace's
            llmtrace.instrument()
            call()
            is_writing.wait()
            for _ in range(30): call()
            print(llmtrace.flush(0.3), is_writing.is_set())
            """
    )
    out, _, code = finish(script, simulator, home)
    assert (out, code) == ("False True\nTrue\n", 0), "the first write of all is still under way"
    assert len(simulator.requests) == 31


def test_what_does_not_fit_the_queue_is_dropped_and_counted(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "QUEUE_SPANS", 10)
    is_broken = True
    real = os.write

    def write(fd: int, data: Any) -> int:
        if is_broken:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(writer.os, "write", write)
    monkeypatch.setattr(pipeline, "log_error", lambda message: None)
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    for _ in range(25):
        client.chat.completions.create(**OPENAI)
    assert llmtrace.flush(0.5) is False
    is_broken = False
    calls = recorded_calls(home)
    assert len(calls) in (10, 11), "the disk came back, and what was kept was written; the thread may hold one more"
    assert llmtrace.flush()
    assert counted(home) == (25, {"queue_full": 25 - len(calls)})


def test_content_goes_before_usage_where_memory_is_short(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "QUEUE_BYTES", 20_000)
    llmtrace.instrument(home=home, capture_content=True)
    monkeypatch.setattr(pipeline, "FLUSH_INTERVAL_S", 5.0)
    client = make_clients(simulator).openai
    for _ in range(12):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x" * 3000}])
    calls = recorded_calls(home)
    assert len(calls) == 12
    assert all(c.usage_source == "provider" for c in calls)
    kept = [c for c in calls if c.content is not None]
    assert 0 < len(kept) < 12


def test_ten_thousand_open_streams_would_be_let_go_with_their_responses(simulator: Simulator, home: Path) -> None:
    import gc

    from llmtrace.instrument.invocation import Invocation

    others = [o for o in gc.get_objects() if isinstance(o, Invocation)]  # of other tests; kept, so that ids are too
    llmtrace.instrument(home=home)
    client = make_clients(simulator).anthropic
    for _ in range(50):
        next(iter(client.messages.create(**ANTHROPIC, stream=True)))
    for _ in range(50):
        list(client.messages.create(**ANTHROPIC, stream=True))
    assert len(recorded_calls(home)) == 100
    gc.collect()
    known = {id(o) for o in others}
    assert [o for o in gc.get_objects() if isinstance(o, Invocation) and id(o) not in known] == []


def test_the_figures_are_kept_exactly_under_garbage_collection(simulator: Simulator, home: Path) -> None:
    import gc

    llmtrace.instrument(home=home)
    client = make_clients(simulator).anthropic
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(30):
            client.messages.create(**ANTHROPIC, stream=True)
    finally:
        gc.set_threshold(*before)
    gc.collect()
    assert len(recorded_calls(home)) == 30
    capture = lifecycle._capture
    assert capture is not None
    assert capture.pipeline.ended == 30


def test_a_second_thread_of_ours_never_starts(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    client.chat.completions.create(**OPENAI)
    llmtrace.flush()
    ours = [t for t in threading.enumerate() if t.name.startswith("llmtrace") and "simulator" not in t.name]
    assert [(t.name, t.daemon) for t in ours] == [("llmtrace-journal", True)]
    assert llmtrace.flush()
