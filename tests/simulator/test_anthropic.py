"""The real Anthropic SDK, sync and async, plain and beta, against the simulator."""

import json
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from simulator.anthropic_words import ASK, HELLO, MODEL, WEATHER, City

from llmtrace.simulator import Simulator

THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
LITERAL_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 11},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "priority",
    "inference_geo": "us",
}


def stream_lines(claude: Anthropic, **body: Any) -> list[str]:
    create = claude.messages.with_streaming_response.create
    with create(**ASK, stream=True, **body) as response:
        return list(response.iter_lines())


def stream_events(claude: Anthropic, **body: Any) -> list[dict[str, Any]]:
    lines = stream_lines(claude, **body)
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [e["type"] for e in events]
    return events


def test_the_log_holds_what_the_client_got(sim: Simulator, claude: Anthropic) -> None:
    message = claude.messages.create(**ASK)
    (record,) = sim.requests
    assert message.model == "claude-haiku-4-5-20251001"
    assert record.usage == message.usage.to_dict()
    assert (record.response_id, record.request_id) == (message.id, message._request_id)
    assert (record.provider, record.model, record.path) == ("anthropic", MODEL, "/v1/messages")
    assert (record.status, record.stream, record.usage_delivered) == (200, False, True)
    assert record.body == ASK
    assert "any" not in record.headers.values()


def test_a_whole_message_has_the_fields_of_the_real_one(claude: Anthropic) -> None:
    message = claude.messages.create(**ASK)
    body = message.to_dict()
    assert sorted(body) == sorted(
        ["model", "id", "type", "role", "content", "stop_reason", "stop_sequence", "stop_details", "usage"]
    )
    assert body["stop_reason"] == "end_turn"
    assert message.content[0].type == "text"
    assert body["usage"] == {
        "input_tokens": 4 + 8,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": -(-len(message.content[0].text) // 4),
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def test_the_same_seed_gives_the_same_answer_streamed_or_not(claude: Anthropic) -> None:
    whole, again = claude.messages.create(**ASK), claude.messages.create(**ASK)
    deltas = [e["delta"] for e in stream_events(claude) if e["type"] == "content_block_delta"]
    assert whole.content == again.content
    assert whole.content[0].type == "text"
    assert whole.content[0].text == "".join(delta["text"] for delta in deltas)
    assert whole.id != again.id


def test_a_stream_has_the_events_of_the_real_one(sim: Simulator, claude: Anthropic) -> None:
    events = stream_events(claude)
    types = [event["type"] for event in events]
    assert types[:3] == ["message_start", "content_block_start", "ping"]
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(types[3:-3]) == {"content_block_delta"}
    assert sim.requests[0].chunks_sent == len(events)


@pytest.mark.parametrize("usage", [None, LITERAL_USAGE])
def test_the_usages_of_a_stream_merge_to_that_of_the_message(
    sim: Simulator, claude: Anthropic, usage: dict[str, Any] | None
) -> None:
    sim.answer(usage=usage)
    events = stream_events(claude, **THINKING)
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert start | end == sim.requests[0].usage
    assert 1 <= start["output_tokens"] <= 3
    assert start["input_tokens"] == end["input_tokens"]
    assert "output_tokens_details" not in start and "cache_creation" not in end
    assert sim.requests[0].usage_delivered


def test_the_stream_helper_collects_what_create_returns(sim: Simulator, claude: Anthropic) -> None:
    whole = claude.messages.create(**ASK, **THINKING)
    with claude.messages.stream(**ASK, **THINKING) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.usage == whole.usage
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in whole.content]
    assert whole.content[1].type == "text" and whole.content[1].text == text
    assert sim.requests[0].usage == sim.requests[1].usage


def test_thinking_comes_first_and_is_counted(claude: Anthropic) -> None:
    message = claude.messages.create(**ASK, **THINKING)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].type == "thinking" and message.content[0].signature
    assert message.usage.output_tokens_details is not None
    assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens


def test_adaptive_thinking_may_be_shown_by_its_signature_only(claude: Anthropic) -> None:
    message = claude.messages.create(**ASK, thinking={"type": "adaptive", "display": "omitted"})
    assert message.content[0].type == "thinking"
    assert (message.content[0].thinking, bool(message.content[0].signature)) == ("", True)
    with claude.messages.stream(**ASK, thinking={"type": "adaptive", "display": "omitted"}) as stream:
        assert stream.get_final_message().content[0] == message.content[0]


def test_a_tool_use_fits_the_schema_of_its_tool(claude: Anthropic) -> None:
    message = claude.messages.create(**ASK, tools=[WEATHER])
    (block,) = message.content
    assert message.stop_reason == "tool_use"
    assert block.type == "tool_use" and block.id.startswith("toolu_")
    assert block.input["unit"] == "C" and isinstance(block.input["city"], str)
    with claude.messages.stream(**ASK, tools=[WEATHER]) as stream:
        (streamed,) = stream.get_final_message().content
    assert streamed.type == "tool_use" and streamed.input == block.input


def test_the_result_of_a_tool_is_answered_in_words(claude: Anthropic) -> None:
    first = claude.messages.create(**ASK, tools=[WEATHER])
    assert first.content[0].type == "tool_use"
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "4 degrees"}
    messages: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = claude.messages.create(**ASK | {"messages": messages}, tools=[WEATHER])
    assert second.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("choice", "stop_reason"),
    [("none", "end_turn"), ("auto", "tool_use"), ("any", "tool_use"), ("tool", "tool_use")],
)
def test_tool_choice_is_obeyed(claude: Anthropic, choice: str, stop_reason: str) -> None:
    tool_choice: Any = {"type": choice} | ({"name": "get_weather"} if choice == "tool" else {})
    assert claude.messages.create(**ASK, tools=[WEATHER], tool_choice=tool_choice).stop_reason == stop_reason


def test_the_tool_runner_of_the_sdk_runs_to_its_end(sim: Simulator, claude: Anthropic) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in CITY."""
        asked.append(city)
        return "4 degrees"

    runner = claude.beta.messages.tool_runner(**ASK, tools=[get_weather])
    final = runner.until_done()
    assert final is not None and final.stop_reason == "end_turn"
    assert len(asked) == 1
    assert [r.path for r in sim.requests] == ["/v1/messages"] * 2


def test_parse_returns_an_instance_of_a_recursive_model(claude: Anthropic) -> None:
    for message in (
        claude.messages.parse(**ASK, output_format=City),
        claude.beta.messages.parse(**ASK, output_format=City),
    ):
        assert isinstance(message.parsed_output, City)
    with claude.messages.stream(**ASK, output_format=City) as stream:
        assert isinstance(stream.get_final_message().parsed_output, City)


def test_a_schema_in_the_old_place_is_obeyed(claude: Anthropic) -> None:
    schema = {"type": "object", "properties": {"a": {"const": 5}}, "required": ["a"]}
    body = {"output_format": {"type": "json_schema", "schema": schema}}
    message = claude.messages.create(**ASK, extra_body=body)
    assert message.content[0].type == "text" and json.loads(message.content[0].text) == {"a": 5}


def test_max_tokens_cuts_the_answer(claude: Anthropic) -> None:
    message = claude.messages.create(model=MODEL, messages=HELLO, max_tokens=5)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    nothing = claude.messages.create(model=MODEL, messages=HELLO, max_tokens=0)
    assert (nothing.content, nothing.usage.output_tokens) == ([], 0)


def test_a_stop_sequence_ends_the_answer_and_is_named(sim: Simulator, claude: Anthropic) -> None:
    sim.answer("one two three", times=2)
    message = claude.messages.create(**ASK, stop_sequences=["three", "two"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "two")
    assert message.content[0].type == "text" and message.content[0].text == "one "
    with claude.messages.stream(**ASK, stop_sequences=["two"]) as stream:
        assert stream.get_final_message().stop_sequence == "two"


def test_a_refusal_has_details(sim: Simulator, claude: Anthropic) -> None:
    sim.answer(refusal="I cannot help with that.")
    message = claude.messages.create(**ASK)
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None and message.stop_details.type == "refusal"


def test_a_test_dictates_calls_and_usage(sim: Simulator, claude: Anthropic) -> None:
    sim.answer("Looking.", tool_calls=[("a", {"x": 1}), ("b", {})], usage=LITERAL_USAGE, provider="anthropic", times=2)
    whole = claude.messages.create(**ASK)
    with claude.messages.stream(**ASK) as stream:
        final = stream.get_final_message()
    for message in (whole, final):
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert message.usage.to_dict() == LITERAL_USAGE
