"""What the environment says is what an app does, in a fresh interpreter; what it says wrongly changes nothing."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import recorded_calls

from llmtrace import wire
from llmtrace.config import read_settings
from llmtrace.journal import Record, journal_folder, list_segments, read_segment
from llmtrace.model import Attributes
from llmtrace.simulator import Simulator

CALL = """
    import sys, logging
    logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
    import llmtrace
    llmtrace.instrument()
    import openai
    client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    print("answered")
"""


def run(simulator: Simulator, home: Path, script: str = CALL, **environment: str) -> str:
    """What the app's logger said, once the app did its work."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), simulator.openai_base_url],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home.parent), "LLMTRACE_HOME": str(home), **environment},
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "answered\n"), done.stderr
    return done.stderr


def resource(home: Path) -> Attributes:
    (span,) = (
        span
        for segment in list_segments(journal_folder(home))
        for record in read_segment(segment, 0)
        if isinstance(record, Record)
        for span in wire.decode(record.payload)
    )
    return span.resource


@pytest.mark.parametrize("name", ["LLMTRACE_DISABLED", "OTEL_SDK_DISABLED"])
@pytest.mark.parametrize("value", ["true", "TRUE", " true "])
def test_it_is_switched_off(name: str, value: str, simulator: Simulator, home: Path) -> None:
    assert run(simulator, home, **{name: value}) == ""
    assert not home.exists()


@pytest.mark.parametrize("value", ["false", "", "no", "maybe"])
def test_anything_else_leaves_it_on(value: str, simulator: Simulator, home: Path) -> None:
    assert run(simulator, home, OTEL_SDK_DISABLED=value) == ""
    assert len(recorded_calls(home)) == 1


def test_opentelemetrys_resource_describes_the_service(simulator: Simulator, home: Path) -> None:
    said = (
        "service.name=ignored,service.version=1.2.3,deployment.environment.name=prod,team=a%20b,service.instance.id=i-7"
    )
    assert run(simulator, home, OTEL_RESOURCE_ATTRIBUTES=said, OTEL_SERVICE_NAME="shop") == ""
    found = resource(home)
    assert found["service.name"] == "shop"
    assert found["deployment.environment.name"] == "prod"
    assert (found["service.version"], found["service.instance.id"], found["team"]) == ("1.2.3", "i-7", "a b")


def test_the_older_name_of_the_environment_is_understood(simulator: Simulator, home: Path) -> None:
    run(simulator, home, OTEL_RESOURCE_ATTRIBUTES="deployment.environment=staging,service.name=shop")
    found = resource(home)
    assert (found["service.name"], found["deployment.environment.name"]) == ("shop", "staging")


@pytest.mark.parametrize("said", ["=", ",,,", "novalue", "=x,a=b", "%zz=%zz", "a=b=c"])
def test_a_malformed_resource_costs_no_call(said: str, simulator: Simulator, home: Path) -> None:
    assert run(simulator, home, OTEL_RESOURCE_ATTRIBUTES=said) == ""
    assert len(recorded_calls(home)) == 1


@pytest.mark.parametrize(
    ("name", "value", "is_kept"),
    [
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY", False),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "NO_CONTENT", False),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "nonsense", False),
        ("LLMTRACE_CAPTURE_CONTENT", "1", True),
        ("LLMTRACE_CAPTURE_CONTENT", "0", False),
    ],
)
def test_content_is_kept_where_it_is_asked_for(
    name: str, value: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert read_settings().capture_content is is_kept


def test_content_asked_for_by_opentelemetrys_variable_is_recorded(simulator: Simulator, home: Path) -> None:
    run(simulator, home, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true")
    (call,) = recorded_calls(home)
    assert call.content is not None


def test_a_sampler_of_the_apps_does_not_reach_the_journal(simulator: Simulator, home: Path) -> None:
    run(simulator, home, OTEL_TRACES_SAMPLER="always_off", LLMTRACE_HTTP_SPANS="true")
    assert len(recorded_calls_of(home)) == 2


def recorded_calls_of(home: Path) -> list[str]:
    records = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0)]
    return [span.name for r in records if isinstance(r, Record) for span in wire.decode(r.payload)]


@pytest.mark.parametrize("platform", ["win32", "emscripten"])
def test_an_unsupported_platform_is_told_once_and_left_alone(platform: str, simulator: Simulator, home: Path) -> None:
    script = textwrap.dedent(CALL).replace(
        "llmtrace.instrument()\n",
        f"real, sys.platform = sys.platform, {platform!r}\n"
        "llmtrace.instrument()\nllmtrace.instrument()\nsys.platform = real\n",
    )
    said = run(simulator, home, script)
    assert said == f"llmtrace WARNING llmtrace records on Linux and macOS; on {platform} it is switched off\n"
    assert not home.exists()


@pytest.mark.parametrize("argument", ["otlp='not an address'", "home=7", "providers=5"])
def test_an_argument_that_cannot_be_used_is_told_and_the_app_goes_on(
    argument: str, simulator: Simulator, home: Path
) -> None:
    said = run(simulator, home, CALL.replace("instrument()", f"instrument({argument})"))
    assert len(said.splitlines()) == 1
    assert said.startswith("llmtrace WARNING llmtrace is switched off: ")


def test_a_home_that_cannot_be_written_is_told_once(simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = run(simulator, tmp_path / "file" / "home")
    assert len(said.splitlines()) == 1
    assert "cannot write its journal" in said
