import gc
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from calling import ANTHROPIC, OPENAI, make_clients
from conftest import recorded_calls

import llmtrace
from llmtrace import lifecycle
from llmtrace.journal import journal_folder, list_segments, read_counters
from llmtrace.simulator import Simulator


def run_script(script: str, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run SCRIPT in a fresh interpreter, as an application of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LLMTRACE_HOME": str(home), **environment},
        check=False,
    )


def originals() -> list[Any]:
    return [
        vars(getattr(module._base_client, owner))[name]
        for module in (openai, anthropic)
        for owner, name in [
            ("SyncAPIClient", "request"),
            ("AsyncAPIClient", "request"),
            ("SyncAPIClient", "_process_response"),
            ("BaseClient", "_process_response_data"),
            ("BaseClient", "_build_request"),
        ]
    ]


def test_uninstrument_puts_the_original_functions_back(home: Path) -> None:
    before = originals()
    llmtrace.instrument(home=home)
    assert all(a is not b for a, b in zip(before, originals(), strict=True))
    llmtrace.uninstrument()
    assert all(a is b for a, b in zip(before, originals(), strict=True))


def test_what_is_closed_already_is_not_waited_for_at_exit(home: Path) -> None:
    llmtrace.instrument(home=home)
    capture = lifecycle._capture
    assert capture is not None
    assert llmtrace.shutdown()
    # Its thread is gone: whoever waited for that would wait for a day.
    assert capture.pipeline.flush(86_400.0)
    assert capture.close(86_400.0)


def test_however_often_it_is_switched_on_a_call_is_one_span(simulator: Simulator, home: Path) -> None:
    clients = make_clients(simulator)
    for _ in range(5):
        llmtrace.instrument(home=home)
    for _ in range(5):
        llmtrace.uninstrument()
    clients.openai.chat.completions.create(**OPENAI)
    assert recorded_calls(home) == []
    llmtrace.instrument(home=home)
    clients.openai.chat.completions.create(**OPENAI)
    assert len(recorded_calls(home)) == 1


def test_what_was_bound_before_is_recorded_all_the_same(simulator: Simulator, home: Path) -> None:
    create = make_clients(simulator).openai.chat.completions.create
    llmtrace.instrument(home=home)
    create(**OPENAI)
    assert len(recorded_calls(home)) == 1


def test_a_stream_opened_before_uninstrument_is_still_recorded(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    stream = make_clients(simulator).anthropic.messages.create(**ANTHROPIC, stream=True)
    llmtrace.uninstrument()
    list(stream)
    assert [c.usage_source for c in recorded_calls(home)] == ["provider"]


def test_shutdown_ends_and_instrument_starts_anew(simulator: Simulator, home: Path) -> None:
    clients = make_clients(simulator)
    llmtrace.instrument(home=home)
    clients.openai.chat.completions.create(**OPENAI)
    assert llmtrace.shutdown()
    clients.openai.chat.completions.create(**OPENAI)
    llmtrace.instrument(home=home)
    clients.anthropic.messages.create(**ANTHROPIC)
    assert [c.request.provider for c in recorded_calls(home)] == ["openai", "anthropic"]
    assert len(list_segments(journal_folder(home))) == 2


def test_only_the_named_sdks_are_patched(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, providers=["anthropic"])
    clients = make_clients(simulator)
    clients.openai.chat.completions.create(**OPENAI)
    clients.anthropic.messages.create(**ANTHROPIC)
    assert [c.request.provider for c in recorded_calls(home)] == ["anthropic"]


@pytest.mark.parametrize("variable", ["LLMTRACE_DISABLED", "OTEL_SDK_DISABLED"])
def test_the_environment_switches_it_off(
    variable: str, simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "true")
    before = originals()
    llmtrace.instrument(home=home)
    assert originals() == before
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert not home.exists()


def test_names_come_from_the_argument_then_the_environment(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-env")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging,team=a%20b,broken")
    monkeypatch.setenv("LLMTRACE_FEATURE", "nightly")
    llmtrace.instrument(home=home)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    (call,) = recorded_calls(home)
    assert (call.feature, call.feature_source) == ("nightly", "environment")
    (segment,) = list_segments(journal_folder(home))
    text = segment.path.read_bytes()
    assert b"from-env" in text
    assert b"staging" in text
    assert b"a b" in text
    llmtrace.shutdown()
    llmtrace.instrument("shop", home=home, feature="default")
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert recorded_calls(home)[-1].feature_source == "default"
    assert b"shop" in list_segments(journal_folder(home))[-1].path.read_bytes()


def test_switching_on_and_off_again_and_again_leaves_nothing_open(simulator: Simulator, tmp_path: Path) -> None:
    client = make_clients(simulator).openai
    held: list[tuple[int, int]] = []
    for n in range(4):
        llmtrace.instrument(home=tmp_path / str(n))
        client.chat.completions.create(**OPENAI)
        assert llmtrace.shutdown(5.0)
        gc.collect()
        recorders = sum(type(thing).__name__ in ("Capture", "Pipeline") for thing in gc.get_objects())
        held.append((len(os.listdir("/proc/self/fd")), recorders))
    assert len(set(held[1:])) == 1, held
    assert [counter.ended for n in range(4) for counter in read_counters(journal_folder(tmp_path / str(n)))] == [1] * 4


@pytest.mark.expects_warning
@pytest.mark.parametrize("options", [{"otlp": "ftp://x"}, {"otlp": 5}, {"home": 7}, {"providers": 3}], ids=str)
def test_a_wrong_argument_is_a_warning_and_never_an_exception(
    options: dict[str, Any], simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    llmtrace.instrument(**options)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert "llmtrace is switched off" in caplog.text


def test_the_order_of_imports_does_not_matter_and_little_is_loaded(simulator: Simulator, home: Path) -> None:
    script = """
        import sys
        import llmtrace
        llmtrace.instrument()
        heavy = ("openai", "anthropic", "duckdb", "pandas", "pyarrow", "numpy", "streamlit", "ibis", "yaml", "click",
                 "opentelemetry.sdk", "opentelemetry.proto", "google.protobuf", "requests", "llmtrace.pricing",
                 "llmtrace.store", "llmtrace.sidecar", "llmtrace.ingest", "llmtrace.analytics", "platformdirs")
        loaded = [m for m in heavy if m in sys.modules]
        import openai
        client = openai.OpenAI(base_url=sys.argv[1], api_key="k")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
        from openai import _base_client
        assert hasattr(_base_client.SyncAPIClient.request, "__wrapped__")
        import json
        print(json.dumps([loaded, "duckdb" in sys.modules, "pyarrow" in sys.modules]))
    """
    done = run_script(script, home, simulator.openai_base_url)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == [[], False, False]
    assert len(recorded_calls(home)) == 1


def test_an_import_hook_leaves_the_modules_own_loader_as_it_was(home: Path) -> None:
    script = """
        import llmtrace; llmtrace.instrument()
        import sys, openai._base_client as base, inspect, importlib.resources
        assert "exec_module" not in vars(base.__spec__.loader)
        assert inspect.getsource(base).startswith("from __future__")
        llmtrace.shutdown()
        assert not any(type(f).__module__.startswith("llmtrace") for f in sys.meta_path)
        assert not hasattr(base.SyncAPIClient.request, "__wrapped__")
        print("fine")
    """
    done = run_script(script, home)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_calls_share_the_trace_of_their_feature_scope(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    with llmtrace.feature("agent"):
        client.chat.completions.create(**OPENAI)
        with llmtrace.feature("tool"):
            client.chat.completions.create(**OPENAI)
    client.chat.completions.create(**OPENAI)
    first, second, third = recorded_calls(home)
    assert first.trace_id == second.trace_id != third.trace_id
    assert len({c.span_id for c in (first, second, third)}) == 3
