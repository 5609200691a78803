"""The real Anthropic SDK, sync and async, plain and beta, against the simulator."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from pydantic import BaseModel

from llmtrace.simulator import Simulator
from llmtrace.simulator.caches import Block, BlockCache, CacheUse

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]

MODEL = "claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "Say something about the weather."}]
ASK: Any = {"model": MODEL, "max_tokens": 2_000, "messages": HELLO}
THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
    },
}
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


class City(BaseModel):
    name: str
    inhabitants: int
    twin: "City | None"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=7) as simulator:
        yield simulator


@pytest.fixture
def client(sim: Simulator) -> Iterator[Anthropic]:
    with Anthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=0) as client:
        yield client


def run_async(sim: Simulator, use: Callable[[AsyncAnthropic], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncAnthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=0) as client:
            return await use(client)

    return asyncio.run(main())


def stream_lines(client: Anthropic, **body: Any) -> list[str]:
    create = client.messages.with_streaming_response.create
    with create(**ASK, stream=True, **body) as response:
        return list(response.iter_lines())


def stream_events(client: Anthropic, **body: Any) -> list[dict[str, Any]]:
    lines = stream_lines(client, **body)
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [line.removeprefix("event: ") for line in lines if line.startswith("event: ")] == [e["type"] for e in events]
    return events


def error_type(error: anthropic.APIStatusError) -> Any:
    body: Any = error.body
    return body["error"]["type"]


def cached_text(text: str, ttl: str | None = None) -> dict[str, Any]:
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return {"type": "text", "text": text, "cache_control": control}


def test_the_log_holds_what_the_client_got(sim: Simulator, client: Anthropic) -> None:
    message = client.messages.create(**ASK)
    (record,) = sim.requests
    assert message.model == "claude-haiku-4-5-20251001"
    assert record.usage == message.usage.to_dict()
    assert (record.response_id, record.request_id) == (message.id, message._request_id)
    assert (record.provider, record.model, record.path) == ("anthropic", MODEL, "/v1/messages")
    assert (record.status, record.stream, record.usage_delivered) == (200, False, True)
    assert record.body == ASK
    assert "any" not in record.headers.values()


def test_a_whole_message_has_the_fields_of_the_real_one(client: Anthropic) -> None:
    message = client.messages.create(**ASK)
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


def test_the_same_seed_gives_the_same_answer_streamed_or_not(client: Anthropic) -> None:
    whole, again = client.messages.create(**ASK), client.messages.create(**ASK)
    deltas = [e["delta"] for e in stream_events(client) if e["type"] == "content_block_delta"]
    assert whole.content == again.content
    assert whole.content[0].type == "text"
    assert whole.content[0].text == "".join(delta["text"] for delta in deltas)
    assert whole.id != again.id


def test_a_stream_has_the_events_of_the_real_one(sim: Simulator, client: Anthropic) -> None:
    events = stream_events(client)
    types = [event["type"] for event in events]
    assert types[:3] == ["message_start", "content_block_start", "ping"]
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(types[3:-3]) == {"content_block_delta"}
    assert sim.requests[0].chunks_sent == len(events)


@pytest.mark.parametrize("usage", [None, LITERAL_USAGE])
def test_the_usages_of_a_stream_merge_to_that_of_the_message(
    sim: Simulator, client: Anthropic, usage: dict[str, Any] | None
) -> None:
    sim.answer(usage=usage)
    events = stream_events(client, **THINKING)
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert start | end == sim.requests[0].usage
    assert 1 <= start["output_tokens"] <= 3
    assert start["input_tokens"] == end["input_tokens"]
    assert "output_tokens_details" not in start and "cache_creation" not in end
    assert sim.requests[0].usage_delivered


def test_the_stream_helper_collects_what_create_returns(sim: Simulator, client: Anthropic) -> None:
    whole = client.messages.create(**ASK, **THINKING)
    with client.messages.stream(**ASK, **THINKING) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.usage == whole.usage
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in whole.content]
    assert whole.content[1].type == "text" and whole.content[1].text == text
    assert sim.requests[0].usage == sim.requests[1].usage


def test_thinking_comes_first_and_is_counted(client: Anthropic) -> None:
    message = client.messages.create(**ASK, **THINKING)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].type == "thinking" and message.content[0].signature
    assert message.usage.output_tokens_details is not None
    assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens


def test_adaptive_thinking_may_be_shown_by_its_signature_only(client: Anthropic) -> None:
    message = client.messages.create(**ASK, thinking={"type": "adaptive", "display": "omitted"})
    assert message.content[0].type == "thinking"
    assert (message.content[0].thinking, bool(message.content[0].signature)) == ("", True)
    with client.messages.stream(**ASK, thinking={"type": "adaptive", "display": "omitted"}) as stream:
        assert stream.get_final_message().content[0] == message.content[0]


def test_a_tool_use_fits_the_schema_of_its_tool(client: Anthropic) -> None:
    message = client.messages.create(**ASK, tools=[WEATHER])
    (block,) = message.content
    assert message.stop_reason == "tool_use"
    assert block.type == "tool_use" and block.id.startswith("toolu_")
    assert block.input["unit"] == "C" and isinstance(block.input["city"], str)
    with client.messages.stream(**ASK, tools=[WEATHER]) as stream:
        (streamed,) = stream.get_final_message().content
    assert streamed.type == "tool_use" and streamed.input == block.input


def test_the_result_of_a_tool_is_answered_in_words(client: Anthropic) -> None:
    first = client.messages.create(**ASK, tools=[WEATHER])
    assert first.content[0].type == "tool_use"
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "4 degrees"}
    messages: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = client.messages.create(**ASK | {"messages": messages}, tools=[WEATHER])
    assert second.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("choice", "stop_reason"),
    [("none", "end_turn"), ("auto", "tool_use"), ("any", "tool_use"), ("tool", "tool_use")],
)
def test_tool_choice_is_obeyed(client: Anthropic, choice: str, stop_reason: str) -> None:
    tool_choice: Any = {"type": choice} | ({"name": "get_weather"} if choice == "tool" else {})
    assert client.messages.create(**ASK, tools=[WEATHER], tool_choice=tool_choice).stop_reason == stop_reason


def test_the_tool_runner_of_the_sdk_runs_to_its_end(sim: Simulator, client: Anthropic) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather in CITY."""
        asked.append(city)
        return "4 degrees"

    runner = client.beta.messages.tool_runner(**ASK, tools=[get_weather])
    final = runner.until_done()
    assert final is not None and final.stop_reason == "end_turn"
    assert len(asked) == 1
    assert [r.path for r in sim.requests] == ["/v1/messages"] * 2


def test_parse_returns_an_instance_of_a_recursive_model(client: Anthropic) -> None:
    for message in (
        client.messages.parse(**ASK, output_format=City),
        client.beta.messages.parse(**ASK, output_format=City),
    ):
        assert isinstance(message.parsed_output, City)
    with client.messages.stream(**ASK, output_format=City) as stream:
        assert isinstance(stream.get_final_message().parsed_output, City)


def test_a_schema_in_the_old_place_is_obeyed(client: Anthropic) -> None:
    schema = {"type": "object", "properties": {"a": {"const": 5}}, "required": ["a"]}
    body = {"output_format": {"type": "json_schema", "schema": schema}}
    message = client.messages.create(**ASK, extra_body=body)
    assert message.content[0].type == "text" and json.loads(message.content[0].text) == {"a": 5}


def test_max_tokens_cuts_the_answer(client: Anthropic) -> None:
    message = client.messages.create(model=MODEL, messages=HELLO, max_tokens=5)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    nothing = client.messages.create(model=MODEL, messages=HELLO, max_tokens=0)
    assert (nothing.content, nothing.usage.output_tokens) == ([], 0)


def test_a_stop_sequence_ends_the_answer_and_is_named(sim: Simulator, client: Anthropic) -> None:
    sim.answer("one two three", times=2)
    message = client.messages.create(**ASK, stop_sequences=["three", "two"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "two")
    assert message.content[0].type == "text" and message.content[0].text == "one "
    with client.messages.stream(**ASK, stop_sequences=["two"]) as stream:
        assert stream.get_final_message().stop_sequence == "two"


def test_a_refusal_has_details(sim: Simulator, client: Anthropic) -> None:
    sim.answer(refusal="I cannot help with that.")
    message = client.messages.create(**ASK)
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None and message.stop_details.type == "refusal"


def test_a_test_dictates_calls_and_usage(sim: Simulator, client: Anthropic) -> None:
    sim.answer("Looking.", tool_calls=[("a", {"x": 1}), ("b", {})], usage=LITERAL_USAGE, provider="anthropic", times=2)
    whole = client.messages.create(**ASK)
    with client.messages.stream(**ASK) as stream:
        final = stream.get_final_message()
    for message in (whole, final):
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert message.usage.to_dict() == LITERAL_USAGE


def test_a_breakpoint_is_written_first_and_read_afterwards(client: Anthropic) -> None:
    def counts(system: list[Any], **changes: Any) -> tuple[int, int, int, int]:
        usage = client.messages.create(**ASK | changes, system=system).usage
        assert usage.cache_creation is not None
        written = usage.cache_creation
        assert usage.cache_creation_input_tokens == (
            written.ephemeral_5m_input_tokens + written.ephemeral_1h_input_tokens
        )
        return (
            usage.input_tokens,
            usage.cache_read_input_tokens or 0,
            written.ephemeral_5m_input_tokens,
            written.ephemeral_1h_input_tokens,
        )

    text = "abcd" * 1_100
    assert counts([cached_text(text)]) == (12, 0, 1_100, 0)
    assert counts([cached_text(text)]) == (12, 1_100, 0, 0)
    assert counts([cached_text(text)], model="claude-opus-4-8") == (12, 0, 1_100, 0)
    assert counts([cached_text(text), cached_text("efgh")]) == (12, 1_100, 1, 0)
    assert counts([cached_text("x" + text, "1h"), cached_text("efgh")]) == (12, 0, 1, 1_101)
    assert counts([cached_text("abcd" * 1_000)]) == (1_012, 0, 0, 0)


def test_a_conversation_reads_what_its_last_turn_wrote(client: Anthropic) -> None:
    long = cached_text("abcd" * 1_100)
    turn_1: Any = [{"role": "user", "content": [long]}]
    turn_2: Any = [
        {"role": "user", "content": [{"type": "text", "text": long["text"]}]},
        {"role": "assistant", "content": "Go on."},
        {"role": "user", "content": [cached_text("more")]},
    ]
    client.messages.create(**ASK | {"messages": turn_1})
    usage = client.messages.create(**ASK | {"messages": turn_2}).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (1_104, 4 + 2 + 4 + 1)


def test_the_whole_request_may_be_marked(client: Anthropic) -> None:
    message: Any = [{"role": "user", "content": "abcd" * 1_100}]
    usage = client.messages.create(**ASK | {"messages": message}, cache_control={"type": "ephemeral"}).usage
    assert (usage.input_tokens, usage.cache_creation_input_tokens) == (0, 1_104)


def test_a_cached_prefix_expires_unless_it_is_read() -> None:
    now = 1_000.0
    cache = BlockCache(lambda: now)
    blocks = [Block("abcd" * 2_000, "5m")]
    assert cache.look_up("m", blocks) == CacheUse(written_5m=2_000)
    now += 299
    assert cache.look_up("m", blocks) == CacheUse(read=2_000)
    now += 299
    assert cache.look_up("m", blocks) == CacheUse(read=2_000)
    now += 301
    assert cache.look_up("m", blocks) == CacheUse(written_5m=2_000)


def test_region_and_speed_are_told_where_they_apply(client: Anthropic) -> None:
    message = client.messages.create(
        **ASK | {"model": "claude-opus-4-8"}, extra_body={"inference_geo": "us", "speed": "fast"}
    )
    usage = message.usage.to_dict()
    assert (usage["inference_geo"], usage["speed"]) == ("us", "fast")
    usage = client.messages.create(**ASK | {"model": "claude-opus-4-8"}).usage.to_dict()
    assert (usage["inference_geo"], "speed" in usage) == ("global", False)


def test_beta_messages_work_in_all_ways(client: Anthropic) -> None:
    whole = client.beta.messages.create(**ASK)
    with client.beta.messages.create(**ASK, stream=True) as events:
        assert [event.type for event in events][-1] == "message_stop"
    with client.beta.messages.stream(**ASK) as stream:
        assert stream.get_final_message().usage == whole.usage


def test_the_path_that_older_beta_clients_use_is_served(sim: Simulator, client: Anthropic) -> None:
    client.post("/v1/messages?beta=true", body=ASK, cast_to=object)
    assert (sim.requests[0].path, sim.requests[0].query) == ("/v1/messages", "beta=true")


def test_the_headers_name_the_request_and_count_the_limits_down() -> None:
    with (
        Simulator(requests_per_minute=10, tokens_per_minute=100_000) as sim,
        Anthropic(base_url=sim.anthropic_base_url, api_key="any") as client,
    ):
        first, second = (client.messages.with_raw_response.create(**ASK) for _ in range(2))
    assert first.headers["request-id"] == sim.requests[0].request_id
    assert first.headers["anthropic-organization-id"]
    left = [int(response.headers["anthropic-ratelimit-requests-remaining"]) for response in (first, second)]
    assert left == [9, 8]
    for unit, limit in (("tokens", 100_000), ("input-tokens", 80_000), ("output-tokens", 20_000)):
        assert first.headers[f"anthropic-ratelimit-{unit}-limit"] == str(limit)
        assert int(first.headers[f"anthropic-ratelimit-{unit}-remaining"]) % 1_000 == 0
    reset = datetime.strptime(second.headers["anthropic-ratelimit-requests-reset"], "%Y-%m-%dT%H:%M:%SZ")
    assert timedelta(seconds=5) < reset.replace(tzinfo=UTC) - datetime.now(UTC) < timedelta(seconds=13)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5_000}}, "max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "1024"),
        ({"system": [cached_text("x")] * 5}, "Found 5"),
    ],
)
def test_what_anthropic_would_refuse_is_refused(
    sim: Simulator, client: Anthropic, change: dict[str, Any], words: str
) -> None:
    body = {key: value for key, value in (ASK | change).items() if value is not None}
    with pytest.raises(anthropic.BadRequestError, match=words) as caught:
        client.post("/v1/messages", body=body, cast_to=object)
    assert error_type(caught.value) == "invalid_request_error"
    assert caught.value.request_id == sim.requests[0].request_id
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_what_is_not_json_or_comes_without_a_key_is_refused(sim: Simulator) -> None:
    with httpx.Client(base_url=sim.anthropic_base_url) as client:
        broken = client.post("/v1/messages", content=b"{", headers={"x-api-key": "any"})
        keyless = client.post("/v1/messages", json=ASK)
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (keyless.status_code, keyless.json()["error"]["type"]) == (401, "authentication_error")


def test_an_unknown_path_is_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.list()
    assert error_type(caught.value) == "not_found_error"


def test_async_create_stream_and_parse(sim: Simulator) -> None:
    async def use(client: AsyncAnthropic) -> None:
        whole = await client.messages.create(**ASK)
        types = [event.type async for event in await client.messages.create(**ASK, stream=True)]
        assert types[-1] == "message_stop"
        async with client.messages.stream(**ASK) as stream:
            assert (await stream.get_final_message()).usage == whole.usage
        parsed = await client.messages.parse(**ASK, output_format=City)
        assert isinstance(parsed.parsed_output, City)
        async with client.beta.messages.stream(**ASK, tools=[WEATHER]) as beta:
            assert (await beta.get_final_message()).stop_reason == "tool_use"

    run_async(sim, use)
    assert [r.status for r in sim.requests] == [200] * 5


def test_async_raw_and_streaming_responses(sim: Simulator) -> None:
    async def use(client: AsyncAnthropic) -> None:
        raw = await client.messages.with_raw_response.create(**ASK)
        assert raw.headers["request-id"] == sim.requests[0].request_id
        async with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
            lines = [line async for line in response.iter_lines() if line.startswith("event: ")]
        assert lines[-1] == "event: message_stop"

    run_async(sim, use)


def test_the_proxy_form_of_a_request_reaches_it(sim: Simulator) -> None:
    with (
        anthropic.DefaultHttpxClient(proxy=sim.url) as http_client,
        Anthropic(base_url="http://api.anthropic.com", api_key="any", http_client=http_client) as client,
    ):
        client.messages.create(**ASK)
    assert (sim.requests[0].host, sim.requests[0].path) == ("api.anthropic.com", "/v1/messages")
