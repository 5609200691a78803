"""The end of a process, and forks of one that has seen much: no word on stderr, no waiting, each call accounted for."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import recorded_calls
from otlp_receiver import Receiver

from llmtrace.journal import journal_folder, read_counters
from llmtrace.simulator import Simulator

START = """
    import atexit, os, sys, threading, time
    left_at = []
    atexit.register(lambda: left_at and print(time.monotonic() - left_at[0]))  # the last to be run
    import llmtrace
    if os.environ["TRACED"] == "1":
        llmtrace.instrument(otlp=os.environ.get("OTLP"), endpoint=os.environ.get("SIDECAR"))
    import openai, anthropic
    MESSAGES = [{"role": "user", "content": "hi"}]
    clients = {"openai": openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0),
               "anthropic": anthropic.Anthropic(base_url=sys.argv[2], api_key="k", max_retries=0)}
    clients["openai"].chat.completions, clients["anthropic"].messages  # loaded now
    def call(sdk="openai", **options):
        if sdk == "openai":
            return clients[sdk].chat.completions.create(model="gpt-4o", messages=MESSAGES, **options)
        return clients[sdk].messages.create(model="claude-sonnet-4-6", messages=MESSAGES, max_tokens=9, **options)
"""


def run(
    script: str, simulator: Simulator, home: Path, *, is_traced: bool = True, **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            *(sys.executable, "-c", textwrap.dedent(START) + textwrap.dedent(script)),
            *(simulator.openai_base_url, simulator.anthropic_base_url),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "LLMTRACE_HOME": str(home), "TRACED": str(int(is_traced)), **env},
    )


def accounted(home: Path) -> tuple[int, int]:
    """How many calls ended, and how many of them were dropped."""
    counters = read_counters(journal_folder(home)) if home.exists() else []
    return sum(c.ended for c in counters), sum(n for c in counters for n in c.dropped.values())


ADDRESS = re.compile(r"0x[0-9a-f]+")
LATE = {
    "atexit": "atexit.register(lambda: print(type(call(SDK)).__name__))",
    "a stream at exit": "atexit.register(lambda: print(len(list(call(SDK, stream=True))) > 2))",
    "__del__": """
        class Late:
            def __del__(self): print(type(call(SDK)).__name__)
        late = Late()
    """,
    "a thread at exit": """
        def late():
            threading.main_thread().join()
            print(type(call(SDK)).__name__)
        threading.Thread(target=late).start()
    """,
}


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
@pytest.mark.parametrize("late", LATE)
def test_a_first_call_at_the_very_end_is_as_without_llmtrace(
    late: str, sdk: str, simulator: Simulator, home: Path
) -> None:
    script = textwrap.dedent(LATE[late]).replace("SDK", repr(sdk))
    bare = run(script, simulator, home, is_traced=False)
    traced = run(script, simulator, home)
    assert (traced.stdout, traced.returncode) == (bare.stdout, bare.returncode)
    assert ADDRESS.sub("", traced.stderr) == ADDRESS.sub("", bare.stderr)
    assert traced.returncode == 0
    answered = sum(request.status == 200 for request in simulator.requests) // 2
    ended, dropped = accounted(home)
    assert ended - dropped == len(recorded_calls(home)) if home.exists() else answered == 0
    assert ended <= 1


def test_forks_after_many_beginnings_and_ends_say_nothing(simulator: Simulator, home: Path, receiver: Receiver) -> None:
    script = """
        import gc
        for n in range(3):
            llmtrace.shutdown(); llmtrace.instrument(otlp=os.environ["OTLP"], endpoint=os.environ["SIDECAR"])
            call(); llmtrace.flush()
        llmtrace.shutdown()
        gc.collect()
        for n in range(2):
            if n: llmtrace.instrument(otlp=os.environ["OTLP"])
            pid = os.fork()
            if pid == 0:
                clients["openai"]._client = openai.DefaultHttpxClient()
                call()
                sys.exit(0)
            print(os.waitpid(pid, 0)[1])
    """
    done = run(script, simulator, home, OTLP=receiver.url, SIDECAR=receiver.url)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n0\n", "", 0)
    assert len(recorded_calls(home)) == 4


@pytest.mark.parametrize("way", ["OTLP", "SIDECAR"])
@pytest.mark.parametrize("state", ["refuses", "hangs"])
@pytest.mark.parametrize("calls", [10, pytest.param(3000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_an_exit_waits_two_seconds_at_most_however_much_is_waiting(
    calls: int, state: str, way: str, simulator: Simulator, home: Path, receiver: Receiver
) -> None:
    receiver.delay_s = 30.0
    address = receiver.url if state == "hangs" else "http://127.0.0.1:9"
    script = f"""
        import warnings; warnings.simplefilter("ignore")
        for _ in range({calls}): call()
        left_at.append(time.monotonic())
    """
    done = run(script, simulator, home, **{way: address})
    assert done.returncode == 0
    assert len([line for line in done.stderr.splitlines() if line]) <= 1, "one warning that it does not get through"
    assert float(done.stdout) < 2.5
    ended, dropped = accounted(home)
    assert (ended, len(recorded_calls(home)) + dropped) == (calls, calls)


NEIGHBOURS = """
    import logging, json
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry import trace
    import http.client, requests
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    HTTPXClientInstrumentor().instrument()
    # As the instrumentations of requests and urllib3 do, which look for the same key.
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled
    tracer, send = trace.get_tracer("requests"), requests.Session.send
    def traced(session, request, **options):
        if not is_instrumentation_enabled(): return send(session, request, **options)
        with tracer.start_as_current_span("POST", attributes={"url.full": request.url}):
            return send(session, request, **options)
    requests.Session.send = traced
    logged = []
    class Root(logging.Handler):
        def emit(self, record):
            logged.append(record.name)
            call()  # what exports logs may well be traced itself
    logging.getLogger().addHandler(Root()); logging.getLogger().setLevel(logging.DEBUG)
"""


def test_what_is_sent_and_logged_by_llmtrace_is_not_traced_in_turn(
    simulator: Simulator, home: Path, receiver: Receiver
) -> None:
    receiver.statuses = [503, 503]
    receiver.answer_headers = {"retry-after": "0.1"}
    script = textwrap.dedent(NEIGHBOURS) + textwrap.dedent(
        """
        logging.getLogger().handlers.clear()
        for _ in range(5): call()
        requests.get(sys.argv[1])
        llmtrace.flush(10)
        urls = [str((s.attributes or {}).get("url.full") or (s.attributes or {}).get("http.url"))
                for s in exporter.get_finished_spans()]
        print(json.dumps(urls))
        """
    )
    done = run(script, simulator, home, OTLP=receiver.url, SIDECAR=receiver.url)
    assert done.returncode == 0, done.stderr
    urls = json.loads(done.stdout)
    assert [url for url in urls if url.startswith(receiver.url)] == []
    assert receiver.requests, "it was sent"
    assert len([url for url in urls if url.startswith(simulator.url)]) >= 1, "the app's own requests are traced"


@pytest.mark.soak
@pytest.mark.timeout(200)
@pytest.mark.parametrize("way", ["OTLP", "SIDECAR"])
def test_a_logger_that_calls_a_model_makes_no_loop_of_a_sidecar_that_is_gone(
    way: str, simulator: Simulator, home: Path
) -> None:
    script = textwrap.dedent(NEIGHBOURS) + textwrap.dedent(
        """
        logging.getLogger("openai").propagate = logging.getLogger("httpcore2").propagate = False
        logging.getLogger("httpx2").propagate = logging.getLogger("httpcore").propagate = False
        call()
        spent, began = time.process_time(), time.monotonic()
        time.sleep(85)  # it is told of after a minute at most, and not again within the next
        print(json.dumps([logged.count("llmtrace"), (time.process_time() - spent) / (time.monotonic() - began)]))
        """
    )
    done = run(script, simulator, home, **{way: "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stderr
    lines, share = json.loads(done.stdout)
    assert lines == 1
    assert share < 0.01
    assert len(simulator.requests) < 10
