"""Another instrumentation that wrapped the SDK before us sees its calls, and we see ours."""

import asyncio
import functools
import inspect
import subprocess
import sys
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


def wrap_client(client: Any, found: list[str]) -> None:
    """Wrap `request` on CLIENT alone, as Logfire does: what is called is the method that the client had by then."""
    original = client.request

    @functools.wraps(original)
    def request(*args: Any, **kwargs: Any) -> Any:
        found.append("before")
        return original(*args, **kwargs)

    client.request, client._original = request, original


def test_a_call_is_recorded_though_another_wrapped_the_client_itself_first(home: Path, simulator: Simulator) -> None:
    found: list[str] = []
    client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k")
    wrap_client(client, found)
    llmtrace.instrument()
    client.chat.completions.create(**OPENAI)
    list(client.chat.completions.create(**OPENAI, stream=True))
    assert [(call.status, call.request.stream) for call in recorded_calls(home)] == [("ok", False), ("ok", True)]
    assert found == ["before"] * 2
    llmtrace.uninstrument()
    client.chat.completions.create(**OPENAI)
    assert len(recorded_calls(home)) == 2
    llmtrace.instrument()
    client.chat.completions.create(**OPENAI)
    assert len(recorded_calls(home)) == 3
    assert found == ["before"] * 4


def test_the_same_of_an_asynchronous_client_whose_method_stays_a_coroutine_function(
    home: Path, simulator: Simulator
) -> None:
    async def call() -> None:
        async with openai.AsyncOpenAI(base_url=simulator.openai_base_url, api_key="k") as client:
            wrap_client(client, [])
            llmtrace.instrument()
            await client.chat.completions.create(**OPENAI)
            assert inspect.iscoroutinefunction(client._original)

    asyncio.run(call())
    assert [call.status for call in recorded_calls(home)] == ["ok"]


def test_a_call_is_recorded_once_the_other_one_has_put_back_what_it_found_on_the_client(
    home: Path, simulator: Simulator
) -> None:
    client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k")
    wrap_client(client, [])
    llmtrace.instrument()
    client.request = client._original
    client.chat.completions.create(**OPENAI)
    assert len(recorded_calls(home)) == 1


QUIET = """
import gc, anthropic, openai, llmtrace
client = openai.OpenAI(base_url="http://127.0.0.1:9", api_key="k")
searched = []
gc.get_referrers = lambda *found: searched.append(found) or []
llmtrace.instrument()
llmtrace.uninstrument()
llmtrace.instrument()
assert searched == [], searched
client.request = client.request  # kept by somebody
llmtrace.uninstrument()
llmtrace.instrument()
assert len(searched) == 1, searched
"""


def test_objects_are_searched_only_where_somebody_holds_a_method(home: Path) -> None:
    # In a process of its own: nobody of the other tests holds anything there.
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
