"""Answers and arguments as providers, proxies and applications really have them: seen as without llmtrace, recorded."""

import asyncio
import copy
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import canned
import numpy
import pytest
from bare import stable
from calling import ANTHROPIC, OPENAI
from conftest import recorded_calls
from surface import CASES, Case

import llmtrace
from llmtrace.simulator import Simulator

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer")


def both(home: Path, use: Callable[[], Any]) -> Any:
    """What USE gives, the same bare and with llmtrace."""

    def outcome() -> Any:
        try:
            return use()
        except Exception as err:
            return type(err), str(err)

    bare = outcome()
    llmtrace.instrument(home=home)
    assert outcome() == bare
    return bare


def read(make: Callable[..., Any], path: str, body: dict[str, Any], events: Any, *, is_async: bool) -> Any:
    async def use_async() -> Any:
        async with make(canned.streaming(events), is_async=True) as client:
            opened = await attrgetter(path)(client).create(**body, stream=True)
            return [stable(item) async for item in opened]

    if is_async:
        return asyncio.run(use_async())
    with make(canned.streaming(events)) as client:
        return [stable(item) for item in attrgetter(path)(client).create(**body, stream=True)]


ODD_CHUNKS: dict[str, list[Any]] = {
    "no choices at first": [{**canned.CHUNK, "choices": [], "prompt_filter_results": []}, *canned.CHAT_CHUNKS],
    "choices that are null": [*canned.CHAT_CHUNKS[:-1], {**canned.COUNTED, "choices": None}],
    "choices that are absent": [*canned.CHAT_CHUNKS[:-1], {**canned.CHUNK, "usage": canned.USAGE}],
    "unknown fields": [{**chunk, "obfuscation": "x", "new": {"deep": [1]}} for chunk in canned.CHAT_CHUNKS],
    "unknown deltas": [
        {**canned.CHUNK, "choices": [{"index": 0, "delta": {"thought": {"a": 1}, "content": None}}]},
        {**canned.CHUNK, "choices": [{"index": 0, "delta": None}]},
        *canned.CHAT_CHUNKS,
    ],
    "three choices and an eighth": [
        *({**canned.say("x"), "choices": [{"index": n, "delta": {"content": "x"}}]} for n in (0, 2, 1, 7, 0)),
        *canned.CHAT_CHUNKS[-2:],
    ],
}
ODD_EVENTS: dict[str, list[Any]] = {
    "unknown events": [
        canned.MESSAGE_EVENTS[0],
        {"type": "ping"},
        {"type": "dream", "index": 9, "delta": {"type": "dream_delta"}},
        *canned.MESSAGE_EVENTS[1:],
    ],
    "unknown deltas": [
        *canned.MESSAGE_EVENTS[:3],
        {"type": "content_block_delta", "index": 0, "delta": {"type": "song_delta", "song": "la"}},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "text_delta", "text": "late"}},
        *canned.MESSAGE_EVENTS[3:],
    ],
    "unknown fields": [{**event, "new": {"deep": [1]}} for event in canned.MESSAGE_EVENTS],
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("odd", ODD_CHUNKS)
def test_an_odd_chat_stream_is_passed_on_and_its_usage_recorded(odd: str, is_async: bool, home: Path) -> None:
    items = both(home, lambda: read(canned.make_openai, "chat.completions", OPENAI, ODD_CHUNKS[odd], is_async=is_async))
    assert len(items) == len(ODD_CHUNKS[odd])
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source) == ("ok", "provider")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (11, 4)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("odd", ODD_EVENTS)
def test_an_odd_stream_of_messages_is_passed_on_and_its_usage_recorded(odd: str, is_async: bool, home: Path) -> None:
    items = both(home, lambda: read(canned.make_anthropic, "messages", ANTHROPIC, ODD_EVENTS[odd], is_async=is_async))
    assert len(items) >= len(canned.MESSAGE_EVENTS)
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source) == ("ok", "provider")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (11, 4)


def test_a_body_whose_choices_are_null_is_passed_on_and_its_usage_recorded(home: Path) -> None:
    def use() -> Any:
        with canned.make_openai(canned.answering({**canned.CHAT, "choices": None})) as client:
            return stable(client.chat.completions.create(**OPENAI))

    both(home, use)
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source, call.usage.input_tokens) == ("ok", "provider", 11)


def in_circles() -> dict[str, Any]:
    tool: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {}}}
    tool["function"]["parameters"]["itself"] = tool
    return {"tools": [tool]}


ODD_ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "in circles": in_circles,
    "an array": lambda: {"metadata": {"a": numpy.arange(3)}},
    "a number of numpy": lambda: {"temperature": numpy.float64(0.5)},
    "bytes": lambda: {"user": b"bytes"},
    "a class": lambda: {"metadata": {"a": Path}},
    "an object": lambda: {"stop": [object()]},
    "a generator": lambda: {"messages": ({"role": "user", "content": t} for t in ("a", "b"))},
    "half a character": lambda: {"user": "\ud800"},
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("odd", ODD_ARGUMENTS)
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_odd_arguments_fare_as_without_llmtrace(sdk: str, odd: str, is_stream: bool, home: Path) -> None:
    make, path, body, whole, events = (
        (canned.make_openai, "chat.completions", OPENAI, canned.CHAT, canned.CHAT_CHUNKS)
        if sdk == "openai"
        else (canned.make_anthropic, "messages", ANTHROPIC, canned.MESSAGE, canned.MESSAGE_EVENTS)
    )
    sent: list[bytes] = []
    answer = canned.streaming(events) if is_stream else canned.answering(whole)

    def note(request: Any) -> Any:
        sent.append(request.content)
        return answer(request)

    def use() -> Any:
        sent.clear()
        with make(note) as client:
            result = attrgetter(path)(client).create(**{**body, **ODD_ARGUMENTS[odd]()}, stream=is_stream)
            return ([stable(item) for item in result] if is_stream else stable(result)), tuple(sent)

    both(home, use)
    assert len(recorded_calls(home)) <= 1


MODES = ("create", "parse", "stream", "helper")


@pytest.mark.parametrize("case", [c for c in CASES if c.client != "azure" and c.mode in MODES], ids=str)
def test_no_argument_of_any_method_is_changed(case: Case, simulator: Simulator, home: Path) -> None:
    arguments = (case.surface.body, case.surface.stream, case.surface.helper)
    before = copy.deepcopy(arguments)
    inner = [id(value) for given in arguments if given for value in given.values()]
    llmtrace.instrument(home=home, capture_content=True)
    case.call(simulator)
    assert arguments == before
    assert [id(value) for given in arguments if given for value in given.values()] == inner
    assert len(recorded_calls(home)) == 1
