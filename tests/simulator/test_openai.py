"""The real OpenAI SDK, sync and async, against the simulator."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI
from pydantic import BaseModel

from llmtrace.simulator import Simulator
from llmtrace.simulator.limits import Bucket, go_duration

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]

HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
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
WITH_USAGE: Any = {"include_usage": True}
LITERAL_USAGE = {"prompt_tokens": 1000, "completion_tokens": 7, "total_tokens": 1007}


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Node(BaseModel):
    name: str
    colour: Colour
    weight: float | None
    children: list["Node"]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=7) as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[OpenAI]:
    with OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client:
        yield client


def run_async(sim: Simulator, use: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client:
            return await use(client)

    return asyncio.run(main())


def stream_lines(client: OpenAI, **body: Any) -> list[str]:
    create = client.chat.completions.with_streaming_response.create
    with create(messages=HELLO, stream=True, **body) as response:
        return [line for line in response.iter_lines() if line]


def stream_chunks(client: OpenAI, **body: Any) -> list[dict[str, Any]]:
    lines = stream_lines(client, **body)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def test_the_log_holds_what_the_client_got(sim: Simulator, client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, user="someone")
    (record,) = sim.requests
    assert completion.model == "gpt-4o-2024-08-06"
    assert completion.usage is not None
    assert record.usage == completion.usage.to_dict()
    assert (record.response_id, record.request_id) == (completion.id, completion._request_id)
    assert (record.provider, record.model, record.path) == ("openai", "gpt-4o", "/v1/chat/completions")
    assert (record.status, record.stream, record.usage_delivered) == (200, False, True)
    assert record.body == {"model": "gpt-4o", "messages": HELLO, "user": "someone"}
    assert record.headers["authorization"] == "***"
    assert record.finished_at is not None and record.finished_at >= record.received_at


def test_a_whole_answer_has_the_fields_of_the_real_one(client: OpenAI) -> None:
    body: Any = client.chat.completions.create(model="gpt-4o", messages=HELLO).to_dict()
    assert list(body) == ["id", "choices", "created", "model", "object", "service_tier", "system_fingerprint", "usage"]
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert choice["message"] | {"content": ""} == {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "annotations": [],
    }


def test_the_same_seed_gives_the_same_answer_streamed_or_not(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    again = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    chunks = stream_chunks(client, model="gpt-4o", stream_options=WITH_USAGE)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1])
    assert whole.choices[0].message.content == again.choices[0].message.content == text
    assert whole.usage is not None
    assert whole.usage.to_dict() == chunks[-1]["usage"]
    assert whole.id != again.id


def test_another_seed_or_question_gives_another_answer(sim: Simulator, client: OpenAI) -> None:
    first = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    other = client.chat.completions.create(model="gpt-4o", messages=[*HELLO, *HELLO])
    with Simulator(seed=8) as third_sim, OpenAI(base_url=third_sim.openai_base_url, api_key="any") as third_client:
        third = third_client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert len({answer.choices[0].message.content for answer in (first, other, third)}) == 3


def test_a_stream_that_asks_for_usage_has_it_in_the_last_chunk_only(sim: Simulator, client: OpenAI) -> None:
    chunks = stream_chunks(client, model="gpt-4o", stream_options=WITH_USAGE)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == sim.requests[0].usage
    assert sim.requests[0].usage_delivered
    assert sim.requests[0].chunks_sent == len(chunks) + 1


def test_a_stream_that_does_not_ask_for_usage_has_no_such_key(sim: Simulator, client: OpenAI) -> None:
    chunks = stream_chunks(client, model="gpt-4o")
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert sim.requests[0].usage is not None
    assert not sim.requests[0].usage_delivered


def test_padding_is_sent_unless_it_is_declined(client: OpenAI) -> None:
    assert all(chunk["obfuscation"] for chunk in stream_chunks(client, model="gpt-4o"))
    declined = stream_chunks(client, model="gpt-4o", stream_options={"include_obfuscation": False})
    assert not any("obfuscation" in chunk for chunk in declined)


def test_a_stream_is_an_iterator_of_the_sdk(client: OpenAI) -> None:
    with client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_the_stream_helper_collects_what_create_returns(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, stream_options=WITH_USAGE) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.usage == whole.usage
    assert events.count("content.done") == 1


def test_several_choices_differ_and_count_together(sim: Simulator, client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert len({choice.message.content for choice in completion.choices}) == 3
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, n=3, stream_options=WITH_USAGE) as stream:
        streamed = stream.get_final_completion()
    assert [c.message.content for c in streamed.choices] == [c.message.content for c in completion.choices]
    assert streamed.usage == completion.usage
    assert completion.usage is not None
    texts = [choice.message.content or "" for choice in completion.choices]
    assert completion.usage.completion_tokens == sum(-(-len(text) // 4) for text in texts)


def test_a_tool_call_fits_the_schema_of_its_tool(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["city"], str) and arguments["unit"] == "C" and arguments["days"] == 1


def test_a_tool_call_streams_to_the_same_call(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    assert whole.choices[0].message.tool_calls and final.choices[0].message.tool_calls
    one, other = whole.choices[0].message.tool_calls[0], final.choices[0].message.tool_calls[0]
    assert one.type == "function"
    assert (one.function.name, one.function.arguments) == (other.function.name, other.function.arguments)
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_result_of_a_tool_is_answered_in_words(client: OpenAI) -> None:
    first: Any = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER]).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "4 degrees"}
    second = client.chat.completions.create(model="gpt-4o", messages=[*HELLO, first, result], tools=[WEATHER])
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
def test_tool_choice_is_obeyed(client: OpenAI, choice: Any, finish_reason: str, calls: bool) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER], tool_choice=choice)
    assert completion.choices[0].finish_reason == finish_reason
    assert bool(completion.choices[0].message.tool_calls) is calls


def test_parse_returns_an_instance_of_a_recursive_model(client: OpenAI) -> None:
    completion = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node)
    parsed = completion.choices[0].message.parsed
    assert parsed is not None
    assert parsed.colour is Colour.RED
    assert isinstance(parsed.children[0], Node)


def test_parse_returns_the_arguments_of_a_strict_tool(client: OpenAI) -> None:
    tools: Any = [openai.pydantic_function_tool(Node)]
    completion = client.chat.completions.parse(model="gpt-4o", messages=HELLO, tools=tools)
    calls = completion.choices[0].message.tool_calls
    assert calls and isinstance(calls[0].function.parsed_arguments, Node)


def test_the_stream_helper_parses_too(client: OpenAI) -> None:
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, response_format=Node) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Node)


def test_json_mode_answers_in_json(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, response_format={"type": "json_object"})
    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


def test_max_tokens_cuts_the_answer(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=5)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None and completion.usage.completion_tokens == 5
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node, max_tokens=5)


def test_a_stop_sequence_is_not_part_of_the_answer(sim: Simulator, client: OpenAI) -> None:
    sim.answer("one two three")
    completion = client.chat.completions.create(model="gpt-4o", messages=HELLO, stop=["three", "two"])
    assert completion.choices[0].message.content == "one "
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ["o3-mini", "o4-mini", "gpt-5-mini", "gpt-6-sol"])
def test_reasoning_models_reason_within_their_completion_tokens(client: OpenAI, model: str) -> None:
    completion = client.chat.completions.create(model=model, messages=HELLO)
    usage = completion.usage
    assert usage is not None and usage.completion_tokens_details is not None
    reasoning = usage.completion_tokens_details.reasoning_tokens or 0
    text = completion.choices[0].message.content or ""
    assert reasoning >= 64 and usage.completion_tokens == reasoning + -(-len(text) // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert completion.system_fingerprint is None


def test_reasoning_that_uses_the_limit_up_leaves_nothing_to_say(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-5", messages=HELLO, max_completion_tokens=50)
    assert completion.choices[0].message.content == ""
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None and completion.usage.completion_tokens == 50


def test_a_chat_model_among_them_and_no_effort_do_not_reason(client: OpenAI) -> None:
    for completion in (
        client.chat.completions.create(model="gpt-5-chat-latest", messages=HELLO),
        client.chat.completions.create(model="gpt-5.1", messages=HELLO, reasoning_effort="none"),
    ):
        assert completion.usage is not None and completion.usage.completion_tokens_details is not None
        assert completion.usage.completion_tokens_details.reasoning_tokens == 0


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(None, "default"), ("auto", "default"), ("flex", "flex"), ("priority", "priority"), ("fast", "priority")],
)
def test_service_tier_tells_how_the_call_was_served(client: OpenAI, asked: Any, answered: str) -> None:
    body = {} if asked is None else {"service_tier": asked}
    assert client.chat.completions.create(model="gpt-4o", messages=HELLO, **body).service_tier == answered
    assert {chunk["service_tier"] for chunk in stream_chunks(client, model="gpt-4o", **body)} == {answered}


def test_a_prefix_of_1024_tokens_is_cached_in_steps_of_128(client: OpenAI) -> None:
    def cached(text: str, model: str = "gpt-4o") -> tuple[int, int]:
        completion = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
        assert completion.usage is not None and completion.usage.prompt_tokens_details is not None
        return completion.usage.prompt_tokens, completion.usage.prompt_tokens_details.cached_tokens or 0

    long = "abcd" * 1_400
    assert cached(long) == (1_404, 0)
    assert cached(long) == (1_404, 1_280)
    assert cached(long[: 4 * 1_200] + "efgh" * 500) == (1_704, 1_152)
    assert cached("efgh" + long) == (1_405, 0)
    assert cached(long, "gpt-4o-mini") == (1_404, 0)
    assert cached("short") == cached("short") == (6, 0)


def test_newer_models_tell_what_they_wrote_to_the_cache(client: OpenAI) -> None:
    def details(model: str) -> dict[str, Any]:
        message: Any = [{"role": "user", "content": "abcd" * 1_100}]
        usage = client.chat.completions.create(model=model, messages=message).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.to_dict()

    assert details("gpt-5.6-sol") == {"cached_tokens": 0, "cache_write_tokens": 1_024, "audio_tokens": 0}
    assert details("gpt-5.6-sol") == {"cached_tokens": 1_024, "cache_write_tokens": 0, "audio_tokens": 0}
    assert details("gpt-5.4") == {"cached_tokens": 0, "audio_tokens": 0}


def test_a_test_dictates_answers_in_order(sim: Simulator, client: OpenAI) -> None:
    sim.answer("first", usage=LITERAL_USAGE, response_model="gpt-4o-2024-05-13", model="gpt-4o")
    sim.answer(tool_calls=[("a", {"x": 1}), ("b", {})], finish_reason="tool_calls")
    other = client.chat.completions.create(model="gpt-4.1", messages=HELLO)
    first = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    third = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [call.function.name for call in other.choices[0].message.tool_calls or ()] == ["a", "b"]  # type: ignore[union-attr]
    assert first.choices[0].message.content == "first"
    assert first.model == "gpt-4o-2024-05-13"
    assert first.usage is not None and first.usage.to_dict() == LITERAL_USAGE == sim.requests[1].usage
    assert third.choices[0].message.content not in (None, "first")


def test_two_tool_calls_stream_to_two_tool_calls(sim: Simulator, client: OpenAI) -> None:
    sim.answer("Looking.", tool_calls=[("a", {"x": 1}), ("b", {"y": "z" * 40})])
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "Looking."
    assert [json.loads(call.function.arguments) for call in message.tool_calls or ()] == [{"x": 1}, {"y": "z" * 40}]


def test_a_models_usage_can_be_fixed(sim: Simulator, client: OpenAI) -> None:
    sim.fix_usage("gpt-4o", LITERAL_USAGE)
    assert stream_chunks(client, model="gpt-4o", stream_options=WITH_USAGE)[-1]["usage"] == LITERAL_USAGE
    sim.fix_usage("gpt-4o", None)
    assert stream_chunks(client, model="gpt-4o", stream_options=WITH_USAGE)[-1]["usage"] != LITERAL_USAGE


def test_a_refusal_is_not_content(sim: Simulator, client: OpenAI) -> None:
    sim.answer(refusal="I cannot help with that.", times=2)
    whole = client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node).choices[0].message
    with client.chat.completions.stream(model="gpt-4o", messages=HELLO, response_format=Node) as stream:
        streamed = stream.get_final_completion().choices[0].message
    assert (whole.content, streamed.content, whole.parsed) == (None, None, None)
    assert whole.refusal == streamed.refusal == "I cannot help with that."


def test_the_headers_name_the_request_and_count_the_limits_down() -> None:
    with (
        Simulator(requests_per_minute=100, tokens_per_minute=10_000) as sim,
        OpenAI(base_url=sim.openai_base_url, api_key="any") as client,
    ):
        create = client.chat.completions.with_raw_response.create
        first, second = (create(model="gpt-4o", messages=HELLO) for _ in range(2))
    assert first.parse().model == "gpt-4o-2024-08-06"
    assert first.headers["x-request-id"] == first.request_id == sim.requests[0].request_id
    assert first.headers["openai-version"] == "2020-10-01"
    assert int(first.headers["openai-processing-ms"]) >= 0
    assert first.headers["x-ratelimit-limit-requests"] == "100"
    remaining = [int(response.headers["x-ratelimit-remaining-requests"]) for response in (first, second)]
    assert remaining == [99, 98]
    usage = first.parse().usage
    assert usage is not None
    assert int(first.headers["x-ratelimit-remaining-tokens"]) in range(
        10_000 - usage.total_tokens, 10_000 - usage.total_tokens + 5
    )
    assert first.headers["x-ratelimit-reset-requests"].endswith("ms")


def test_a_limit_fills_up_again() -> None:
    now = 100.0
    bucket = Bucket(60, lambda: now)
    bucket.spend(60)
    assert (bucket.remaining, bucket.reset_s, bucket.wait_s) == (0, 60.0, 1.0)
    now = 110.0
    assert (bucket.remaining, bucket.reset_s, bucket.wait_s) == (10, 50.0, 0.0)
    now = 200.0
    assert (bucket.remaining, bucket.reset_s) == (60, 0.0)


def test_durations_are_written_as_go_writes_them() -> None:
    written = [go_duration(seconds) for seconds in (0, 0.002, 0.12, 8.64, 60, 360, 3_661.5)]
    assert written == ["0s", "2ms", "120ms", "8.64s", "1m0s", "6m0s", "1h1m1.5s"]


def test_an_enforced_limit_answers_429() -> None:
    with (
        Simulator(requests_per_minute=2, enforce_limits=True) as sim,
        OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as client,
    ):
        for _ in range(2):
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        client.chat.completions.create(model="gpt-4.1", messages=HELLO)
    assert caught.value.code == "rate_limit_exceeded"
    assert 0 < float(caught.value.response.headers["retry-after"]) <= 30


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"model": "gpt-4o"}, "messages"),
        ({"model": "gpt-4o", "messages": []}, "messages"),
        ({"model": "gpt-4o", "messages": [{"content": "no role"}]}, "messages[0].role"),
        ({"model": "gpt-4o", "messages": HELLO, "stream_options": WITH_USAGE}, "stream_options"),
        ({"model": "gpt-4o", "messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"model": "gpt-4o", "messages": HELLO, "tools": ["no object"]}, "tools"),
    ],
)
def test_what_openai_would_refuse_is_refused(sim: Simulator, client: OpenAI, body: Any, param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    assert (sim.requests[0].status, sim.requests[0].usage) == (400, None)


def test_what_is_not_json_or_comes_without_a_key_is_refused(sim: Simulator) -> None:
    with httpx.Client(base_url=sim.openai_base_url) as client:
        broken = client.post("/chat/completions", content=b"{", headers={"Authorization": "Bearer any"})
        keyless = client.post("/chat/completions", json={"model": "gpt-4o", "messages": HELLO})
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (keyless.status_code, keyless.json()["error"]["type"]) == (401, "invalid_request_error")
    assert keyless.headers["x-request-id"] == sim.requests[1].request_id
    assert "x-ratelimit-limit-requests" not in keyless.headers


def test_an_unknown_path_is_not_found(sim: Simulator, client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.conversations.create()
    assert caught.value.type == "invalid_request_error"
    assert "/v1/conversations" in caught.value.message
    assert (sim.requests[0].provider, sim.requests[0].status) == (None, 404)


def test_the_base_url_may_lack_the_version(sim: Simulator) -> None:
    with OpenAI(base_url=sim.url, api_key="any") as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert sim.requests[0].path == "/chat/completions"


def test_it_serves_as_the_proxy_of_a_client(sim: Simulator) -> None:
    with (
        DefaultHttpxClient(proxy=sim.url) as http_client,
        OpenAI(base_url="http://api.openai.com/v1", api_key="any", http_client=http_client) as client,
    ):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
        list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert {(r.host, r.path) for r in sim.requests} == {("api.openai.com", "/v1/chat/completions")}


def test_one_connection_serves_many_requests(sim: Simulator, client: OpenAI) -> None:
    for _ in range(3):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [r.number for r in sim.requests] == [1, 2, 3]
    sim.clear_requests()
    client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [r.number for r in sim.requests] == [4]


def test_latency_can_depend_on_the_model() -> None:
    asked: list[str] = []

    def latency(model: str, rng: object) -> float:
        asked.append(model)
        return 0.003

    for profile in (latency, {"*": 0.003}, {"gpt-4o": 0.003}, 0.003):
        with Simulator(latency_s=profile) as sim, OpenAI(base_url=sim.openai_base_url, api_key="any") as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
            (record,) = sim.requests
        assert record.finished_at is not None
        assert (record.finished_at - record.received_at).total_seconds() >= 0.003
    assert asked == ["gpt-4o"]


def test_async_create_stream_and_parse(sim: Simulator) -> None:
    async def use(client: AsyncOpenAI) -> None:
        whole = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options=WITH_USAGE
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage == whole.usage
        parsed = await client.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node)
        assert isinstance(parsed.choices[0].message.parsed, Node)
        tools: Any = [openai.pydantic_function_tool(Node)]
        async with client.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=tools) as helper:
            final = await helper.get_final_completion()
        assert final.choices[0].finish_reason == "tool_calls"

    run_async(sim, use)
    assert [r.status for r in sim.requests] == [200] * 4


def test_async_raw_and_streaming_responses(sim: Simulator) -> None:
    async def use(client: AsyncOpenAI) -> None:
        raw = await client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
        assert raw.headers["x-request-id"] == sim.requests[0].request_id
        assert raw.parse().choices
        create = client.chat.completions.with_streaming_response.create
        async with create(model="gpt-4o", messages=HELLO, stream=True) as response:
            lines = [line async for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        raw_stream = await client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, stream=True)
        assert [chunk async for chunk in raw_stream.parse()]

    run_async(sim, use)


def test_many_at_once_are_all_logged(sim: Simulator) -> None:
    async def use(client: AsyncOpenAI) -> list[str]:
        calls = [client.chat.completions.create(model="gpt-4o", messages=HELLO) for _ in range(40)]
        return [completion.id for completion in await asyncio.gather(*calls)]

    ids = run_async(sim, use)
    assert sorted(ids) == sorted(str(r.response_id) for r in sim.requests)
    assert [r.number for r in sim.requests] == list(range(1, 41))
