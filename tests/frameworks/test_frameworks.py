"""Frameworks on top of the SDKs: one bill per call, whatever is above it, each in an environment of its own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import recorded_calls

from llmtrace.model import Call
from llmtrace.simulator import Simulator
from llmtrace.simulator.log import LoggedRequest

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
VENVS = Path(os.environ.get("FRAMEWORK_VENVS", "~/venvs")).expanduser()


def run(framework: str, home: Path) -> tuple[dict[str, str], list[Call], list[LoggedRequest]]:
    """What the calls of FRAMEWORK's script came to, the calls that were recorded, and what the provider was asked."""
    python = VENVS / f"framework-{framework}" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"no {python}; tests/frameworks/venvs.sh makes it")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(HERE.parents[1]), str(HERE))),
        "HOME": str(home.parent),
        "LLMTRACE_HOME": str(home),
    }
    script = HERE / f"{framework.replace('-', '_')}_calls.py"
    with Simulator(seed=7) as simulator:
        command = [str(python), str(script), simulator.url]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        simulator.settle()
        asked = simulator.requests
    assert "llmtrace" not in done.stderr, done.stderr[-2000:]
    outcomes: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return outcomes, recorded_calls(home), asked


def assert_one_bill_each(outcomes: dict[str, str], calls: list[Call], asked: list[LoggedRequest]) -> None:
    """Every request of the provider is one row, which says what it said; the names of the calls are their features."""
    assert len(calls) == len(asked)
    assert {call.feature for call in calls} <= outcomes.keys()
    by_id = {call.response.id: call for call in calls if call.response.id is not None}
    for request in asked:
        if request.response_id is not None:
            call = by_id[request.response_id]
            told = request.usage if call.usage_source == "provider" else None
            assert told is None or call.response.usage == told
            assert (call.request.stream, call.http_status) == (request.stream, request.status)
    for name, error in outcomes.items():
        mine = [call for call in calls if call.feature == name]
        if error:
            assert [call.status for call in mine] == ["error"], name
        else:
            assert {call.status for call in mine} <= {"ok"}, name


def test_litellm(home: Path) -> None:
    outcomes, calls, asked = run("litellm", home)
    assert {name for name, error in outcomes.items() if error} == {n for n in outcomes if n.endswith("error")}
    assert_one_bill_each(outcomes, calls, asked)
    by_feature = {call.feature: call for call in calls}
    assert "mocked" not in by_feature
    providers = {name: by_feature[name].request.provider for name in outcomes if name != "mocked"}
    assert {p for n, p in providers.items() if n.startswith("anthropic/")} == {"anthropic"}
    assert {p for n, p in providers.items() if n.startswith("bedrock")} == {"aws.bedrock"}
    assert {p for n, p in providers.items() if n.startswith(("gpt", "openrouter", "embedding"))} == {"openai"}
    for name, call in by_feature.items():
        assert name is not None
        assert call.request.model in name or "embedding" in name  # type: ignore[operator]
        if "stream" in name:
            assert call.ttft_s is not None
            assert call.usage_source == ("estimated" if "gpt" in name else "provider")
    errors = {call.error_type for name, call in by_feature.items() if name is not None and name.endswith("error")}
    assert errors == {"rate_limit_exceeded", "rate_limit_error", "ThrottlingException"}


def everything_ok(framework: str, home: Path) -> list[Call]:
    outcomes, calls, asked = run(framework, home)
    assert not any(outcomes.values()), outcomes
    assert calls
    assert_one_bill_each(outcomes, calls, asked)
    assert {call.feature for call in calls} == outcomes.keys()
    return calls


def endpoints(calls: list[Call]) -> set[tuple[str, str]]:
    return {(call.request.provider, call.request.endpoint) for call in calls}


def usage_sources(calls: list[Call]) -> dict[str, Any]:
    return {str(call.feature): call.usage_source for call in calls}


OPENAI = {("openai", "chat.completions"), ("openai", "responses")}
ANTHROPIC, BEDROCK = {("anthropic", "messages")}, {("aws.bedrock", "converse")}
EMBEDDINGS = {("openai", "embeddings")}


def test_langchain_and_langgraph(home: Path) -> None:
    calls = everything_ok("langchain", home)
    assert endpoints(calls) == OPENAI | ANTHROPIC | BEDROCK | EMBEDDINGS
    steps = [call for call in calls if str(call.feature).startswith("agent")]
    assert len(steps) == 4, "two for each agent: the tool's call, and the answer"


def test_pydantic_ai(home: Path) -> None:
    calls = everything_ok("pydantic-ai", home)
    assert endpoints(calls) == OPENAI | ANTHROPIC | BEDROCK
    assert len([call for call in calls if str(call.feature).endswith("tool")]) == 8


def test_openai_agents(home: Path) -> None:
    calls = everything_ok("openai-agents", home)
    assert endpoints(calls) == OPENAI


def test_instructor(home: Path) -> None:
    calls = everything_ok("instructor", home)
    assert endpoints(calls) == {("openai", "chat.completions")} | ANTHROPIC


def test_llama_index(home: Path) -> None:
    calls = everything_ok("llama-index", home)
    assert endpoints(calls) == OPENAI | EMBEDDINGS
