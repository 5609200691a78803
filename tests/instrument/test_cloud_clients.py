"""The clients of Anthropic and OpenAI for other clouds: who answers, at whose prices, in every way of calling."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from conftest import recorded_calls
from surface import MESSAGE, MESSAGES, RESPONSE, Surface, entered, raw, streamed_stream
from surface import create as create_mode
from surface import helper as helper_mode
from surface import stream as stream_mode
from surface import streamed as streamed_mode

import llmtrace
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Fault, Simulator

BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
KEYS = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}


def one(home: Path) -> Call:
    (call,) = recorded_calls(home)
    return call


def make_bedrock(simulator: Simulator, is_async: bool) -> Any:
    kind = anthropic.AsyncAnthropicBedrock if is_async else anthropic.AnthropicBedrock
    return kind(base_url=simulator.url, max_retries=0, **KEYS)


async def streamed_bytes(resource: Any, surface: Surface) -> Any:
    """The bytes of an event stream as they come, read by the caller."""
    pieces = b""
    async with entered(resource.with_streaming_response.create(**surface.body, stream=True)) as response:
        if hasattr(response, "__aiter__") or asyncio.iscoroutinefunction(response.read):
            async for piece in response.iter_bytes():
                pieces += piece
        else:
            for piece in response.iter_bytes():
                pieces += piece
    return bool(pieces)


MODES: dict[str, Callable[[Any, Surface], Any]] = {
    "create": create_mode,
    "stream": stream_mode,
    "helper": helper_mode,
    "raw": raw,
    "streamed": streamed_mode,
    "streamed stream": streamed_stream,
    "streamed bytes": streamed_bytes,
}


@pytest.mark.parametrize("mode", MODES)
@BOTH
def test_anthropic_on_bedrock_is_amazons_and_priced_by_its_profile(
    mode: str, is_async: bool, simulator: Simulator, home: Path
) -> None:
    surface = Surface("messages", {**MESSAGE, "model": HAIKU}, "messages", "chat", {}, {}, {})

    async def go() -> Any:
        async with entered(make_bedrock(simulator, is_async)) as client:
            return await MODES[mode](client.messages, surface)

    simulator.answer("Boats come in at night.", times=2)
    expected = asyncio.run(go())
    llmtrace.instrument(home=home)
    found = asyncio.run(go())
    assert found == expected
    call, asked = one(home), simulator.requests[-1]
    assert (call.request.provider, call.request.endpoint, call.request.model) == ("aws.bedrock", "messages", HAIKU)
    assert call.response.usage is not None
    assert asked.usage is not None
    assert {k: call.response.usage.get(k) for k in asked.usage} == asked.usage
    assert (call.status, call.usage_source, call.request_id) == ("ok", "provider", asked.request_id)
    cost = price_call(load_book(), call)
    assert (cost.status, {i.price_id for i in cost.items if i.price_id and "bedrock" in i.price_id}) == (
        "exact",
        {i.price_id for i in cost.items},
    )


@BOTH
def test_an_error_of_bedrocks_is_the_callers_and_named(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def go() -> None:
        async with entered(make_bedrock(simulator, is_async)) as client:
            await create_mode(client.messages, Surface("messages", {**MESSAGE, "model": HAIKU}, "messages", "chat"))

    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(429))
    with pytest.raises(anthropic.RateLimitError):
        asyncio.run(go())
    call = one(home)
    assert (call.status, call.http_status, call.request.provider) == ("error", 429, "aws.bedrock")


GUARDRAIL = {"X-Amzn-Bedrock-GuardrailIdentifier": "gr-harbour", "X-Amzn-Bedrock-GuardrailVersion": "1"}


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@BOTH
def test_the_guardrail_that_a_header_names_is_recorded(
    is_async: bool, is_streamed: bool, simulator: Simulator, home: Path
) -> None:
    asked = {**MESSAGE, "model": HAIKU}

    async def go() -> None:
        async with entered(make_bedrock(simulator, is_async)) as client:
            mode = stream_mode if is_streamed else create_mode
            plain = Surface("messages", asked, "messages", "chat", {})
            await mode(client.messages, replace(plain, body={**asked, "extra_headers": GUARDRAIL}))
            await mode(client.messages, plain)
            await mode(client.with_options(default_headers=GUARDRAIL).messages, plain)

    llmtrace.instrument(home=home)
    asyncio.run(go())
    calls = recorded_calls(home)
    assert [call.request.guardrail_id for call in calls] == ["gr-harbour", None, "gr-harbour"]
    assert {(call.request.model, call.request.stream, call.status) for call in calls} == {(HAIKU, is_streamed, "ok")}


@BOTH
def test_the_guardrail_of_a_call_that_fails_is_recorded_too(is_async: bool, simulator: Simulator, home: Path) -> None:
    asked = {**MESSAGE, "model": HAIKU, "extra_headers": GUARDRAIL}

    async def go() -> None:
        async with entered(make_bedrock(simulator, is_async)) as client:
            await create_mode(client.messages, Surface("messages", asked, "messages", "chat"))

    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(400))
    with pytest.raises(anthropic.BadRequestError):
        asyncio.run(go())
    assert (one(home).request.guardrail_id, one(home).status) == ("gr-harbour", "error")


def test_the_clients_of_bedrock_get_their_own_functions_back(home: Path) -> None:
    patched = (anthropic.AnthropicBedrock, anthropic.AsyncAnthropicBedrock, anthropic._base_client.BaseClient)
    before = [dict(vars(kind)) for kind in patched]
    llmtrace.instrument(home=home, share_spans=True)
    llmtrace.uninstrument()
    assert [dict(vars(kind)) for kind in patched] == before


CLIENTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "AnthropicAWS": (
        lambda url: anthropic.AnthropicAWS(base_url=url, api_key="k", workspace_id="w", aws_region="us-east-1"),
        "anthropic",
    ),
    "AnthropicFoundry": (lambda url: anthropic.AnthropicFoundry(base_url=url, api_key="k"), "azure.ai.inference"),
    "AnthropicGoogleCloud": (
        lambda url: anthropic.AnthropicGoogleCloud(
            base_url=url, project="p", location="global", workspace_id="w", token_provider=lambda: "t"
        ),
        "anthropic",
    ),
    "AnthropicBedrockMantle": (
        lambda url: anthropic.AnthropicBedrockMantle(base_url=url, api_key="k", aws_region="us-east-1"),
        "aws.bedrock",
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_for_another_cloud_names_who_answers(client: str, simulator: Simulator, home: Path) -> None:
    make, provider = CLIENTS[client]
    llmtrace.instrument(home=home)
    with make(simulator.url) as made:
        made.messages.create(**MESSAGE)
        assert list(made.messages.create(**MESSAGE, stream=True))
    calls = recorded_calls(home)
    assert [call.response.usage for call in calls] == [record.usage for record in simulator.requests]
    assert {(call.request.provider, call.request.model) for call in calls} == {(provider, MESSAGE["model"])}
    statuses = {price_call(load_book(), call).status for call in calls}
    assert statuses == ({"exact"} if provider == "anthropic" else {"unpriced"}) or provider == "aws.bedrock"


def test_anthropic_on_vertex_is_googles(home: Path) -> None:
    httpx2 = pytest.importorskip("httpx2")
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": "Boats."}],
        "usage": {"input_tokens": 9, "output_tokens": 4},
    }  # fmt: skip
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(str(request.url))
        return httpx2.Response(200, json=message)

    llmtrace.instrument(home=home)
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with anthropic.AnthropicVertex(region="global", project_id="p", access_token="t", http_client=http) as client:
        client.messages.create(model="claude-sonnet-4-6@20260101", max_tokens=50, messages=MESSAGES)
    assert seen[0].endswith("/publishers/anthropic/models/claude-sonnet-4-6@20260101:rawPredict")
    call = one(home)
    assert (call.request.provider, call.request.model) == ("gcp.vertex_ai", "claude-sonnet-4-6@20260101")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (9, 4)


@BOTH
def test_openai_on_bedrock_is_amazons(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def go() -> None:
        kind: Any = openai.AsyncBedrockOpenAI if is_async else openai.BedrockOpenAI
        made = kind(base_url=simulator.openai_base_url, api_key="k", aws_region="us-east-1", max_retries=0)
        async with entered(made) as client:
            await create_mode(client.responses, Surface("responses", RESPONSE, "responses", "chat"))

    llmtrace.instrument(home=home)
    asyncio.run(go())
    call = one(home)
    assert (call.request.provider, call.request.endpoint) == ("aws.bedrock", "responses")
    assert call.response.usage == simulator.requests[-1].usage
    assert call.usage_source == "provider"
    assert json.dumps(call.response.usage)
