"""Another instrumentation that wrapped the SDK before us sees its calls, and we see ours."""

import functools
from pathlib import Path
from typing import Any

import openai
import pytest
import wrapt
from calling import OPENAI
from conftest import recorded_calls

import llmtrace
from llmtrace.simulator import Simulator


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the other one saw: it wraps an inherited method on the subclass, and holds on to the base's function."""
    found: list[str] = []

    def watch(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        found.append(type(instance).__name__)
        return wrapped(*args, **kwargs)

    request = wrapt.FunctionWrapper(openai._base_client.SyncAPIClient.request, watch)
    monkeypatch.setattr(openai.OpenAI, "request", wrapt.FunctionWrapper(request, watch), raising=False)
    return found


def ask(simulator: Simulator) -> Any:
    return openai.OpenAI(base_url=simulator.openai_base_url, api_key="k").chat.completions.create(**OPENAI)


def test_a_call_is_recorded_though_another_wrapped_the_subclass_first(
    home: Path, simulator: Simulator, seen: list[str]
) -> None:
    llmtrace.instrument()
    answer = ask(simulator)
    assert [call.response.id for call in recorded_calls(home)] == [answer.id]
    assert seen == ["OpenAI", "OpenAI"]


def test_the_other_one_is_left_as_it_was(home: Path, simulator: Simulator, seen: list[str]) -> None:
    llmtrace.instrument()
    llmtrace.uninstrument()
    ask(simulator)
    assert recorded_calls(home) == []
    assert seen == ["OpenAI", "OpenAI"]


@pytest.fixture
def closed_over(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What one saw that keeps the base's function in a closure, as Logfire does."""
    found: list[str] = []

    def watch(original: Any) -> Any:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            found.append(type(client).__name__)
            return original(client, *args, **kwargs)

        return request

    monkeypatch.setattr(openai.OpenAI, "request", watch(watch(openai.OpenAI.request)), raising=False)
    return found


def test_a_call_is_recorded_though_another_keeps_the_function_in_a_closure(
    home: Path, simulator: Simulator, closed_over: list[str]
) -> None:
    llmtrace.instrument()
    answer = ask(simulator)
    assert [call.response.id for call in recorded_calls(home)] == [answer.id]
    llmtrace.uninstrument()
    ask(simulator)
    assert len(recorded_calls(home)) == 1
    assert closed_over == ["OpenAI"] * 4
