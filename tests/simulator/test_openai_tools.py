"""Tools, schemas and JSON by OpenAI's SDK."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from simulator.openai_words import HELLO, Colour, Node

from llmtrace.simulator import Simulator

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}},
            "required": ["city", "unit"],
        },
    },
}


def test_a_tool_call_fits_the_schema_of_its_tool(gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["city"], str) and arguments["unit"] == "C" and arguments["days"] == 1


def test_a_tool_call_streams_to_the_same_call(gpt: OpenAI) -> None:
    whole = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    assert whole.choices[0].message.tool_calls and final.choices[0].message.tool_calls
    one, other = whole.choices[0].message.tool_calls[0], final.choices[0].message.tool_calls[0]
    assert one.type == "function"
    assert (one.function.name, one.function.arguments) == (other.function.name, other.function.arguments)
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_result_of_a_tool_is_answered_in_words(gpt: OpenAI) -> None:
    first: Any = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER]).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "4 degrees"}
    second = gpt.chat.completions.create(model="gpt-4o", messages=[*HELLO, first, result], tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content


@pytest.mark.parametrize(
    ("choice", "finish_reason", "calls"),
    [
        ("none", "stop", False),
        ("auto", "tool_calls", True),
        ("required", "tool_calls", True),
        ({"type": "function", "function": {"name": "get_weather"}}, "stop", True),
    ],
)
def test_tool_choice_is_obeyed(gpt: OpenAI, choice: Any, finish_reason: str, calls: bool) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER], tool_choice=choice)
    assert completion.choices[0].finish_reason == finish_reason
    assert bool(completion.choices[0].message.tool_calls) is calls


def test_parse_returns_an_instance_of_a_recursive_model(gpt: OpenAI) -> None:
    completion = gpt.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node)
    parsed = completion.choices[0].message.parsed
    assert parsed is not None
    assert parsed.colour is Colour.RED
    assert isinstance(parsed.children[0], Node)


def test_parse_returns_the_arguments_of_a_strict_tool(gpt: OpenAI) -> None:
    tools: Any = [openai.pydantic_function_tool(Node)]
    completion = gpt.chat.completions.parse(model="gpt-4o", messages=HELLO, tools=tools)
    calls = completion.choices[0].message.tool_calls
    assert calls and isinstance(calls[0].function.parsed_arguments, Node)


def test_the_stream_helper_parses_too(gpt: OpenAI) -> None:
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, response_format=Node) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Node)


def test_json_mode_answers_in_json(gpt: OpenAI) -> None:
    completion = gpt.chat.completions.create(model="gpt-4o", messages=HELLO, response_format={"type": "json_object"})
    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


def test_two_tool_calls_stream_to_two_tool_calls(sim: Simulator, gpt: OpenAI) -> None:
    sim.answer("Looking.", tool_calls=[("a", {"x": 1}), ("b", {"y": "z" * 40})])
    with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "Looking."
    assert [json.loads(call.function.arguments) for call in message.tool_calls or ()] == [{"x": 1}, {"y": "z" * 40}]
