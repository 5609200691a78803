"""Prompts and answers of the other endpoints, where content is asked for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import anthropic
import pytest
from conftest import recorded_calls
from surface import EMBEDDING, RESPONSE, TEXT, USAGE, each, entered, make_anthropic, make_openai, settle

import llmtrace
from llmtrace.model import Content
from llmtrace.simulator import Simulator

BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
STREAMED = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
BOAT: Any = {"type": "function", "name": "find_boat", "description": "Finds a boat.", "strict": False, "parameters": {}}
ASK: Any = {**RESPONSE, "instructions": "Be brief."}


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("LLMTRACE_CAPTURE_CONTENT", "true")
    llmtrace.instrument(home=home)


async def drain(got: Any, is_stream: bool) -> None:
    if is_stream:
        assert [event async for event in each(got)]


def contents(home: Path) -> list[Content]:
    found = [call.content for call in recorded_calls(home) if call.content is not None]
    assert found
    return found


def loads(text: str | None) -> Any:
    assert text is not None
    return json.loads(text)


@BOTH
@STREAMED
def test_a_response_has_its_instructions_input_and_output(
    is_stream: bool, is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def go() -> None:
        async with entered(make_openai(simulator, is_async)) as client:
            await drain(await settle(client.responses.create(**ASK, stream=is_stream)), is_stream)
            await drain(await settle(client.responses.create(**ASK, tools=[BOAT], stream=is_stream)), is_stream)

    simulator.answer("The tide is out.")
    simulator.answer(tool_calls=[("find_boat", {"name": "Ann"})])
    asyncio.run(go())
    spoken, called = contents(home)
    assert loads(spoken.system_instructions) == [{"type": "text", "content": "Be brief."}]
    assert loads(spoken.input_messages) == [
        {"role": "user", "parts": [{"type": "text", "content": RESPONSE["input"]}]},
    ]
    answers = [part for message in loads(spoken.output_messages) for part in message["parts"]]
    assert {"type": "text", "content": "The tide is out."} in answers
    calls = [part for message in loads(called.output_messages) for part in message["parts"]]
    (call,) = [part for part in calls if part["type"] == "tool_call"]
    assert (call["name"], call["arguments"]) == ("find_boat", {"name": "Ann"})
    assert loads(called.tool_definitions)[0]["name"] == "find_boat"


@STREAMED
def test_a_refusal_of_a_response_is_its_output(is_stream: bool, simulator: Simulator, home: Path) -> None:
    simulator.answer(refusal="I will not.")
    with make_openai(simulator, False) as client:
        got = client.responses.create(**ASK, stream=is_stream)
        if is_stream:
            list(got)
    (content,) = contents(home)
    parts = [part for message in loads(content.output_messages) for part in message["parts"]]
    assert {"type": "text", "content": "I will not."} in parts


@STREAMED
def test_a_text_completion_has_its_prompt_and_every_choice(is_stream: bool, simulator: Simulator, home: Path) -> None:
    options: Any = {"stream": True, **USAGE} if is_stream else {}
    with make_openai(simulator, False) as client:
        got = client.completions.create(**TEXT, n=2, **options)
        texts = [""] * 2
        for chunk in got if is_stream else [got]:
            for choice in chunk.choices:
                texts[choice.index] += choice.text
    (content,) = contents(home)
    assert loads(content.input_messages)[0]["parts"] == [{"type": "text", "content": TEXT["prompt"]}]
    assert [message["parts"][0]["content"] for message in loads(content.output_messages)] == texts


@STREAMED
def test_an_older_completion_of_anthropic_has_its_prompt_and_text(
    is_stream: bool, simulator: Simulator, home: Path
) -> None:
    simulator.answer("Because of the tide.")
    body: Any = {"model": "claude-2.1", "prompt": "Why?", "max_tokens_to_sample": 50, "stream": is_stream}
    with make_anthropic(simulator, False) as client:
        streams: Any = anthropic.Stream
        got = client.post("/v1/complete", cast_to=object, body=body, stream=is_stream, stream_cls=streams[object])
        if is_stream:
            list(got)
    (content,) = contents(home)
    assert loads(content.input_messages) == [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
    (answer,) = loads(content.output_messages)
    assert answer["parts"] == [{"type": "text", "content": "Because of the tide."}]
    assert answer["finish_reason"] == "stop"


@STREAMED
def test_a_search_of_anthropic_is_a_tool_call_with_its_response(
    is_stream: bool, simulator: Simulator, home: Path
) -> None:
    search: Any = {"type": "web_search_20250305", "name": "web_search"}
    ask: Any = {"model": "claude-sonnet-4-6", "max_tokens": 200, "messages": [{"role": "user", "content": "Search."}]}
    with make_anthropic(simulator, False) as client:
        got = client.messages.create(**ask, tools=[search], stream=is_stream)
        if is_stream:
            list(got)
    (content,) = contents(home)
    (answer,) = loads(content.output_messages)
    called, found, said = answer["parts"]
    assert (called["type"], called["name"]) == ("tool_call", "web_search")
    assert called["arguments"]["query"]
    assert (found["type"], found["id"]) == ("tool_call_response", called["id"])
    assert said["type"] == "text"


def test_embeddings_are_no_conversation(simulator: Simulator, home: Path) -> None:
    with make_openai(simulator, False) as client:
        client.embeddings.create(**EMBEDDING)
    (call,) = recorded_calls(home)
    assert call.content is None
