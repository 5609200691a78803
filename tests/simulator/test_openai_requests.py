"""What OpenAI's simulator refuses, limits and serves, and what its headers say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI
from simulator.openai_words import HELLO, WITH_USAGE, Node

from llmtrace.simulator import Simulator
from llmtrace.simulator.limits import Bucket, go_duration

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]


def run_async(sim: Simulator, use: Callable[[AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as gpt:
            return await use(gpt)

    return asyncio.run(main())


def test_the_headers_name_the_request_and_count_the_limits_down() -> None:
    with (
        Simulator(requests_per_minute=100, tokens_per_minute=10_000) as sim,
        OpenAI(base_url=sim.openai_base_url, api_key="any") as gpt,
    ):
        create = gpt.chat.completions.with_raw_response.create
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
        OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0) as gpt,
    ):
        for _ in range(2):
            gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as caught:
            gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
        gpt.chat.completions.create(model="gpt-4.1", messages=HELLO)
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
def test_what_openai_would_refuse_is_refused(sim: Simulator, gpt: OpenAI, body: Any, param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        gpt.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    assert (sim.requests[0].status, sim.requests[0].usage) == (400, None)


def test_what_is_not_json_or_comes_without_a_key_is_refused(sim: Simulator) -> None:
    with httpx.Client(base_url=sim.openai_base_url) as http:
        broken = http.post("/chat/completions", content=b"{", headers={"Authorization": "Bearer any"})
        keyless = http.post("/chat/completions", json={"model": "http-4o", "messages": HELLO})
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (keyless.status_code, keyless.json()["error"]["type"]) == (401, "invalid_request_error")
    assert keyless.headers["x-request-id"] == sim.requests[1].request_id
    assert "x-ratelimit-limit-requests" not in keyless.headers


def test_an_unknown_path_is_not_found(sim: Simulator, gpt: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        gpt.conversations.create()
    assert caught.value.type == "invalid_request_error"
    assert "/v1/conversations" in caught.value.message
    assert (sim.requests[0].provider, sim.requests[0].status) == (None, 404)


def test_the_base_url_may_lack_the_version(sim: Simulator) -> None:
    with OpenAI(base_url=sim.url, api_key="any") as gpt:
        gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert sim.requests[0].path == "/chat/completions"


def test_it_serves_as_the_proxy_of_a_client(sim: Simulator) -> None:
    with (
        DefaultHttpxClient(proxy=sim.url) as http_client,
        OpenAI(base_url="http://api.openai.com/v1", api_key="any", http_client=http_client) as gpt,
    ):
        gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
        list(gpt.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert {(r.host, r.path) for r in sim.requests} == {("api.openai.com", "/v1/chat/completions")}


def test_one_connection_serves_many_requests(sim: Simulator, gpt: OpenAI) -> None:
    for _ in range(3):
        gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [r.number for r in sim.requests] == [1, 2, 3]
    sim.clear_requests()
    gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert [r.number for r in sim.requests] == [4]


def test_latency_can_depend_on_the_model() -> None:
    asked: list[str] = []

    def latency(model: str, rng: object) -> float:
        asked.append(model)
        return 0.003

    for profile in (latency, {"*": 0.003}, {"gpt-4o": 0.003}, 0.003):
        with Simulator(latency_s=profile) as sim, OpenAI(base_url=sim.openai_base_url, api_key="any") as gpt:
            gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
            (record,) = sim.requests
        assert record.finished_at is not None
        assert (record.finished_at - record.received_at).total_seconds() >= 0.003
    assert asked == ["gpt-4o"]


def test_async_create_stream_and_parse(sim: Simulator) -> None:
    async def use(gpt: AsyncOpenAI) -> None:
        whole = await gpt.chat.completions.create(model="gpt-4o", messages=HELLO)
        stream = await gpt.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options=WITH_USAGE
        )
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].usage == whole.usage
        parsed = await gpt.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=Node)
        assert isinstance(parsed.choices[0].message.parsed, Node)
        tools: Any = [openai.pydantic_function_tool(Node)]
        async with gpt.chat.completions.stream(model="gpt-4o", messages=HELLO, tools=tools) as helper:
            final = await helper.get_final_completion()
        assert final.choices[0].finish_reason == "tool_calls"

    run_async(sim, use)
    assert [r.status for r in sim.requests] == [200] * 4


def test_async_raw_and_streaming_responses(sim: Simulator) -> None:
    async def use(gpt: AsyncOpenAI) -> None:
        raw = await gpt.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
        assert raw.headers["x-request-id"] == sim.requests[0].request_id
        assert raw.parse().choices
        create = gpt.chat.completions.with_streaming_response.create
        async with create(model="gpt-4o", messages=HELLO, stream=True) as response:
            lines = [line async for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        raw_stream = await gpt.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, stream=True)
        assert [chunk async for chunk in raw_stream.parse()]

    run_async(sim, use)


def test_many_at_once_are_all_logged(sim: Simulator) -> None:
    async def use(gpt: AsyncOpenAI) -> list[str]:
        calls = [gpt.chat.completions.create(model="gpt-4o", messages=HELLO) for _ in range(40)]
        return [completion.id for completion in await asyncio.gather(*calls)]

    ids = run_async(sim, use)
    assert sorted(ids) == sorted(str(r.response_id) for r in sim.requests)
    assert [r.number for r in sim.requests] == list(range(1, 41))
