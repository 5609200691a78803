"""Another instrumentation that wrapped the SDK before us sees its calls, and we see ours."""

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
