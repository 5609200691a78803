"""Who answered: Azure by client and by host, the module-level client, and Anthropic's own tools and counts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from bare import asked_of, stable
from conftest import recorded_calls
from surface import CHAT, EMBEDDING, MESSAGE, RESPONSE, TEXT, USAGE, each, entered, make_anthropic, make_azure, settle

import llmtrace
from llmtrace.simulator import Fault, Simulator

BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
SEARCH: Any = {"type": "web_search_20250305", "name": "web_search"}
SHELL: Any = {"type": "code_execution_20250825", "name": "code_execution"}
COMPLETE: Any = {"model": "claude-2.1", "prompt": "\n\nHuman: Why?\n\nAssistant:", "max_tokens_to_sample": 50}


# The module-level client


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`openai` itself as the client, as it was before afterwards."""
    for name in ("api_key", "base_url", "api_type", "api_version", "azure_endpoint", "max_retries", "http_client"):
        monkeypatch.setattr(openai, name, getattr(openai, name))
    openai._reset_client()
    yield openai
    openai._reset_client()


def call_module(module: Any) -> list[Any]:
    """What the module gives for one call of each endpoint."""
    seen = [
        stable(module.chat.completions.create(**CHAT)),
        [stable(chunk) for chunk in module.chat.completions.create(**CHAT, stream=True, **USAGE)],
        stable(module.responses.create(**RESPONSE)),
        stable(module.embeddings.create(**EMBEDDING)),
        stable(module.completions.create(**TEXT)),
    ]
    openai._reset_client()
    return seen


@pytest.mark.parametrize("provider", ["openai", "azure.ai.openai"])
def test_the_module_level_client_is_recorded(provider: str, module: Any, home: Path) -> None:
    results = []
    for is_traced in (False, True):
        with Simulator(seed=7) as simulator:
            module.api_key = "k"
            if provider == "openai":
                module.base_url = f"{simulator.openai_base_url}/"  # it is joined as it stands
            else:
                module.api_type, module.api_version = "azure", "2024-10-21"
                module.azure_endpoint = simulator.azure_endpoint
            if is_traced:
                llmtrace.instrument(home=home)
            results.append((call_module(module), asked_of(simulator)))
            logged = simulator.requests
    assert results[0] == results[1]
    calls = recorded_calls(home)
    assert [call.response.usage for call in calls] == [record.usage for record in logged]
    assert {call.request.provider for call in calls} == {provider}
    assert [call.request.endpoint for call in calls] == [
        *("chat.completions", "chat.completions", "responses", "embeddings", "completions")
    ]


# Azure


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("acme.cognitiveservices.azure.com", "azure.ai.openai"),
        ("acme.services.ai.azure.com", "azure.ai.openai"),
        ("gateway.example", "openai"),
    ],
)
@BOTH
def test_azure_is_known_by_its_host_where_the_client_is_openais(
    host: str, provider: str, is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def go() -> None:
        proxied = openai.DefaultAsyncHttpxClient if is_async else openai.DefaultHttpxClient
        kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
        made = kind(base_url=f"http://{host}/openai/v1", api_key="k", http_client=proxied(proxy=simulator.url))
        async with entered(made) as client:
            await settle(client.responses.create(**RESPONSE))
            assert [c async for c in each(await settle(client.chat.completions.create(**CHAT, stream=True)))]

    llmtrace.instrument(home=home)
    asyncio.run(go())
    calls = recorded_calls(home)
    assert {call.request.provider for call in calls} == {provider}
    assert {call.request.server_address for call in calls} == {host}
    assert calls[0].response.usage == simulator.requests[0].usage
    assert "stream_options" not in simulator.requests[1].body, "only OpenAI's own hosts are asked for usage"


@BOTH
def test_azures_first_chunk_without_choices_is_shown_and_the_answer_named(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def go() -> list[Any]:
        async with entered(make_azure(simulator, is_async)) as client:
            stream = await settle(client.chat.completions.create(**CHAT, stream=True, **USAGE))
            return [chunk async for chunk in each(stream)]

    llmtrace.instrument(home=home)
    chunks = asyncio.run(go())
    (call,) = recorded_calls(home)
    assert (chunks[0].choices, chunks[0].id) == ([], "")
    assert (call.response.id, call.response.model) == (chunks[1].id, chunks[1].model)
    assert call.response.finish_reasons is not None
    assert call.rate_limits["requests.limit"] > 0


def test_azures_errors_are_named_by_their_code(simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.status(429))
    llmtrace.instrument(home=home)
    with make_azure(simulator, False) as client, pytest.raises(openai.RateLimitError):
        client.embeddings.create(**EMBEDDING)
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type, call.http_status) == ("error", "429", 429)
    assert call.request_id == simulator.requests[-1].request_id


# Anthropic


@BOTH
def test_server_tools_thinking_and_caches_are_counted_whole_and_streamed(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    system: Any = [
        {"type": "text", "text": "word " * 1500, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "more " * 1500, "cache_control": {"type": "ephemeral"}},
    ]
    ask: Any = {**MESSAGE, "max_tokens": 3000, "system": system, "tools": [SEARCH, SHELL]}
    ask["thinking"] = {"type": "enabled", "budget_tokens": 1024}

    async def go() -> None:
        async with entered(make_anthropic(simulator, is_async)) as client:
            await settle(client.messages.create(**ask))
            async with entered(client.messages.stream(**ask)) as stream:
                await settle(stream.get_final_message())

    llmtrace.instrument(home=home)
    asyncio.run(go())
    first, second = recorded_calls(home)
    for call, asked in zip((first, second), simulator.requests, strict=True):
        assert call.response.usage == asked.usage
        assert call.response.usage is not None
        assert call.response.usage["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}
        assert call.usage.reasoning_tokens
    assert first.response.usage is not None
    assert first.response.usage["cache_creation"]["ephemeral_1h_input_tokens"] > 1024
    assert first.response.usage["cache_creation"]["ephemeral_5m_input_tokens"] > 1024
    assert first.usage.cache_write_tokens == second.usage.cached_input_tokens


@BOTH
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("reason", "category"), [("pause_turn", None), ("refusal", "cyber")])
def test_why_a_message_ended_is_recorded(
    reason: str, category: str | None, is_stream: bool, is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def go() -> None:
        async with entered(make_anthropic(simulator, is_async)) as client:
            got = await settle(client.messages.create(**MESSAGE, stream=is_stream))
            if is_stream:
                assert [event async for event in each(got)]

    simulator.answer("So far", finish_reason=reason, refusal_category=category)
    llmtrace.instrument(home=home)
    asyncio.run(go())
    (call,) = recorded_calls(home)
    assert (call.status, call.response.finish_reasons, call.response.refusal_category) == ("ok", (reason,), category)


@BOTH
def test_every_turn_of_the_tool_runner_is_a_call_and_counting_is_one_that_costs_nothing(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    def boats(harbour: str) -> str:
        """The boats in HARBOUR."""
        return f"two boats in {harbour}"

    async def boats_async(harbour: str) -> str:
        """The boats in HARBOUR."""
        return boats(harbour)

    async def go() -> Any:
        tool: Any = anthropic.beta_async_tool(boats_async) if is_async else anthropic.beta_tool(boats)
        async with entered(make_anthropic(simulator, is_async)) as client:
            await settle(client.messages.count_tokens(model=MESSAGE["model"], messages=MESSAGE["messages"]))
            runner = client.beta.messages.tool_runner(**{**MESSAGE, "max_tokens": 400}, tools=[tool])
            return [message.stop_reason async for message in each(runner)]

    llmtrace.instrument(home=home)
    assert asyncio.run(go()) == ["tool_use", "end_turn"]
    counting, *calls = recorded_calls(home)
    assert (counting.request.operation, counting.response.usage) == ("count_tokens", None)
    assert [call.response.finish_reasons for call in calls] == [("tool_use",), ("end_turn",)]
    assert [call.response.usage for call in calls] == [record.usage for record in simulator.requests[1:]]


@BOTH
def test_an_older_completion_is_recorded_without_a_usage_or_with_an_estimate(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    streams: Any = anthropic.AsyncStream if is_async else anthropic.Stream

    async def go() -> list[Any]:
        async with entered(make_anthropic(simulator, is_async)) as client:
            await settle(client.post("/v1/complete", cast_to=object, body=COMPLETE))
            body = {**COMPLETE, "stream": True}
            options: Any = {"cast_to": object, "body": body, "stream": True, "stream_cls": streams[object]}
            return [event async for event in each(await settle(client.post("/v1/complete", **options)))]

    llmtrace.instrument(home=home)
    events = asyncio.run(go())
    whole, streamed = recorded_calls(home)
    for call, asked in zip((whole, streamed), simulator.requests, strict=True):
        assert (call.request.endpoint, call.request.operation) == ("complete", "text_completion")
        assert (call.request.max_tokens, call.response.id) == (50, asked.response_id)
        assert call.response.finish_reasons is not None
    assert (whole.usage_source, whole.usage.input_tokens) == ("missing", None)
    assert (streamed.usage_source, streamed.usage_complete) == ("estimated", False)
    assert streamed.usage.output_tokens
    assert events[-1]["stop_reason"]


@BOTH
def test_gzipped_answers_are_read_like_others(is_async: bool, home: Path) -> None:
    async def go(simulator: Simulator) -> None:
        async with entered(make_anthropic(simulator, is_async)) as client:
            await settle(client.messages.create(**MESSAGE))
            assert [e async for e in each(await settle(client.messages.create(**MESSAGE, stream=True)))]
            response = await settle(client.messages.with_raw_response.create(**MESSAGE))
            assert response.headers["content-encoding"] == "gzip"
            async with entered(client.messages.with_streaming_response.create(**MESSAGE, stream=True)) as opened:
                assert [line async for line in each(opened.iter_lines())]

    llmtrace.instrument(home=home)
    with Simulator(seed=7, compress=True) as simulator:
        asyncio.run(go(simulator))
        logged = simulator.requests
    calls = recorded_calls(home)
    assert [call.response.usage for call in calls] == [record.usage for record in logged]
