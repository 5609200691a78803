"""What Anthropic's simulator caches, refuses and serves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from simulator.anthropic_words import ASK, WEATHER, City

from llmtrace.simulator import Simulator
from llmtrace.simulator.caches import Block, BlockCache, CacheUse

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]


def run_async(sim: Simulator, use: Callable[[AsyncAnthropic], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncAnthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=0) as claude:
            return await use(claude)

    return asyncio.run(main())


def error_type(error: anthropic.APIStatusError) -> Any:
    body: Any = error.body
    return body["error"]["type"]


def cached_text(text: str, ttl: str | None = None) -> dict[str, Any]:
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return {"type": "text", "text": text, "cache_control": control}


def test_a_breakpoint_is_written_first_and_read_afterwards(claude: Anthropic) -> None:
    def counts(system: list[Any], **changes: Any) -> tuple[int, int, int, int]:
        usage = claude.messages.create(**ASK | changes, system=system).usage
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


def test_a_conversation_reads_what_its_last_turn_wrote(claude: Anthropic) -> None:
    long = cached_text("abcd" * 1_100)
    turn_1: Any = [{"role": "user", "content": [long]}]
    turn_2: Any = [
        {"role": "user", "content": [{"type": "text", "text": long["text"]}]},
        {"role": "assistant", "content": "Go on."},
        {"role": "user", "content": [cached_text("more")]},
    ]
    claude.messages.create(**ASK | {"messages": turn_1})
    usage = claude.messages.create(**ASK | {"messages": turn_2}).usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (1_104, 4 + 2 + 4 + 1)


def test_the_whole_request_may_be_marked(claude: Anthropic) -> None:
    message: Any = [{"role": "user", "content": "abcd" * 1_100}]
    usage = claude.messages.create(**ASK | {"messages": message}, cache_control={"type": "ephemeral"}).usage
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


def test_region_and_speed_are_told_where_they_apply(claude: Anthropic) -> None:
    message = claude.messages.create(
        **ASK | {"model": "claude-opus-4-8"}, extra_body={"inference_geo": "us", "speed": "fast"}
    )
    usage = message.usage.to_dict()
    assert (usage["inference_geo"], usage["speed"]) == ("us", "fast")
    usage = claude.messages.create(**ASK | {"model": "claude-opus-4-8"}).usage.to_dict()
    assert (usage["inference_geo"], "speed" in usage) == ("global", False)


def test_beta_messages_work_in_all_ways(claude: Anthropic) -> None:
    whole = claude.beta.messages.create(**ASK)
    with claude.beta.messages.create(**ASK, stream=True) as events:
        assert [event.type for event in events][-1] == "message_stop"
    with claude.beta.messages.stream(**ASK) as stream:
        assert stream.get_final_message().usage == whole.usage


def test_the_path_that_older_beta_clients_use_is_served(sim: Simulator, claude: Anthropic) -> None:
    claude.post("/v1/messages?beta=true", body=ASK, cast_to=object)
    assert (sim.requests[0].path, sim.requests[0].query) == ("/v1/messages", "beta=true")


def test_the_headers_name_the_request_and_count_the_limits_down() -> None:
    with (
        Simulator(requests_per_minute=10, tokens_per_minute=100_000) as sim,
        Anthropic(base_url=sim.anthropic_base_url, api_key="any") as claude,
    ):
        first, second = (claude.messages.with_raw_response.create(**ASK) for _ in range(2))
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
    sim: Simulator, claude: Anthropic, change: dict[str, Any], words: str
) -> None:
    body = {key: value for key, value in (ASK | change).items() if value is not None}
    with pytest.raises(anthropic.BadRequestError, match=words) as caught:
        claude.post("/v1/messages", body=body, cast_to=object)
    assert error_type(caught.value) == "invalid_request_error"
    assert caught.value.request_id == sim.requests[0].request_id
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_what_is_not_json_or_comes_without_a_key_is_refused(sim: Simulator) -> None:
    with httpx.Client(base_url=sim.anthropic_base_url) as http:
        broken = http.post("/v1/messages", content=b"{", headers={"x-api-key": "any"})
        keyless = http.post("/v1/messages", json=ASK)
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (keyless.status_code, keyless.json()["error"]["type"]) == (401, "authentication_error")


def test_an_unknown_path_is_not_found(claude: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.models.list()
    assert error_type(caught.value) == "not_found_error"


def test_async_create_stream_and_parse(sim: Simulator) -> None:
    async def use(claude: AsyncAnthropic) -> None:
        whole = await claude.messages.create(**ASK)
        types = [event.type async for event in await claude.messages.create(**ASK, stream=True)]
        assert types[-1] == "message_stop"
        async with claude.messages.stream(**ASK) as stream:
            assert (await stream.get_final_message()).usage == whole.usage
        parsed = await claude.messages.parse(**ASK, output_format=City)
        assert isinstance(parsed.parsed_output, City)
        async with claude.beta.messages.stream(**ASK, tools=[WEATHER]) as beta:
            assert (await beta.get_final_message()).stop_reason == "tool_use"

    run_async(sim, use)
    assert [r.status for r in sim.requests] == [200] * 5


def test_async_raw_and_streaming_responses(sim: Simulator) -> None:
    async def use(claude: AsyncAnthropic) -> None:
        raw = await claude.messages.with_raw_response.create(**ASK)
        assert raw.headers["request-id"] == sim.requests[0].request_id
        async with claude.messages.with_streaming_response.create(**ASK, stream=True) as response:
            lines = [line async for line in response.iter_lines() if line.startswith("event: ")]
        assert lines[-1] == "event: message_stop"

    run_async(sim, use)


def test_the_proxy_form_of_a_request_reaches_it(sim: Simulator) -> None:
    with (
        anthropic.DefaultHttpxClient(proxy=sim.url) as http_client,
        Anthropic(base_url="http://api.anthropic.com", api_key="any", http_client=http_client) as claude,
    ):
        claude.messages.create(**ASK)
    assert (sim.requests[0].host, sim.requests[0].path) == ("api.anthropic.com", "/v1/messages")
