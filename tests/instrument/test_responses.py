"""OpenAI's responses beyond a plain call: in the background, fetched again, compacted, incomplete and failed."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import recorded_calls
from surface import each, entered, make_openai, settle, tokens_of

import llmtrace
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Fault, Simulator

ASK: dict[str, Any] = {"model": "gpt-4o", "input": "Tell me about the harbour at night, please."}
BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def use(simulator: Simulator, is_async: bool, body: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
    """What BODY gives for a client, of whichever kind."""

    async def go() -> Any:
        async with entered(make_openai(simulator, is_async)) as client:
            return await body(client)

    return asyncio.run(go())


def cost_of(calls: list[Call]) -> Decimal:
    """What CALLS cost together, of those that have a price."""
    book = load_book()
    return sum((cost for call in calls if (cost := price_call(book, call).total_usd) is not None), Decimal(0))


@BOTH
def test_a_background_response_is_known_by_its_id_and_its_usage_is_where_it_was_told(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def body(client: Any) -> Any:
        queued = await settle(client.responses.create(**ASK, background=True))
        while queued.status in ("queued", "in_progress"):
            queued = await settle(client.responses.retrieve(queued.id))
        return queued

    llmtrace.instrument(home=home)
    response = use(simulator, is_async, body)
    made, waiting, fetched = recorded_calls(home)
    assert [call.request.endpoint for call in (made, waiting, fetched)] == [
        "responses",
        "responses.retrieve",
        "responses.retrieve",
    ]
    assert {call.response.id for call in (made, waiting, fetched)} == {response.id}
    for call in (made, waiting):
        assert (call.status, call.usage_source, call.response.usage) == ("ok", "missing", None)
    assert fetched.response.usage == response.usage.to_dict() == simulator.requests[-1].usage
    assert (fetched.usage.input_tokens, fetched.usage.output_tokens) == tokens_of(fetched.response.usage)
    assert (made.request.operation, fetched.request.operation) == ("chat", "fetch_response")


@BOTH
def test_a_response_that_is_fetched_again_is_not_billed_again(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> None:
        made = await settle(client.responses.create(**ASK, background=True, stream=True))
        id_ = [event async for event in each(made)][-1].response.id
        await settle(client.responses.retrieve(id_))
        again = await settle(client.responses.retrieve(id_, stream=True, starting_after=2))
        assert [event async for event in each(again)][-1].type == "response.completed"
        async with entered(client.responses.stream(response_id=id_)) as helper:
            await settle(helper.get_final_response())

    llmtrace.instrument(home=home)
    use(simulator, is_async, body)
    calls = recorded_calls(home)
    made = [call for call in calls if call.request.operation == "chat"]
    assert (len(calls), len(made)) == (4, 1)
    assert all(call.response.usage == simulator.requests[0].usage for call in calls)
    assert cost_of(calls) == cost_of(made) > 0
    assert [call.request.stream for call in calls] == [True, False, True, True]


@BOTH
def test_what_is_billed_is_recorded_and_the_count_of_tokens(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> None:
        made = await settle(client.responses.create(**ASK))
        queued = await settle(client.responses.create(**ASK, background=True))
        await settle(client.responses.cancel(queued.id))
        assert [item async for item in each(client.responses.input_items.list(made.id))]
        await settle(client.responses.input_tokens.count(**ASK))
        await settle(client.responses.delete(made.id))
        await settle(client.responses.compact(model="gpt-4o", input=[{"role": "user", "content": "Hello"}]))

    llmtrace.instrument(home=home)
    use(simulator, is_async, body)
    calls = recorded_calls(home)
    counting = "responses.input_tokens"
    assert [call.request.endpoint for call in calls] == ["responses", "responses", counting, "responses.compact"]
    assert cost_of([calls[2]]) == 0
    assert len(simulator.requests) == 7
    compacted, asked = calls[-1], simulator.requests[-1]
    assert (compacted.response.usage, compacted.response.id) == (asked.usage, asked.response_id)
    assert cost_of([compacted]) > 0


@BOTH
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_response_that_fails_with_status_200_is_an_error(
    is_stream: bool, is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def body(client: Any) -> Any:
        got = await settle(client.responses.create(**ASK, stream=is_stream))
        return [event async for event in each(got)][-1].response if is_stream else got

    simulator.answer(finish_reason="failed")
    llmtrace.instrument(home=home)
    assert use(simulator, is_async, body).status == "failed"
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type, call.http_status) == ("error", "server_error", 200)
    assert (call.response.finish_reasons, call.usage_source) == (("error",), "missing")


@BOTH
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_a_response_that_was_cut_is_billed_and_says_why_it_ended(
    is_stream: bool, is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def body(client: Any) -> None:
        got = await settle(client.responses.create(**ASK, max_output_tokens=16, stream=is_stream))
        if is_stream:
            assert [event async for event in each(got)][-1].type == "response.incomplete"

    llmtrace.instrument(home=home)
    use(simulator, is_async, body)
    (call,) = recorded_calls(home)
    assert (call.status, call.response.finish_reasons, call.usage.output_tokens) == ("ok", ("length",), 16)
    assert call.response.usage == simulator.requests[-1].usage


@BOTH
def test_an_error_event_is_shown_to_the_caller_and_recorded(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> Any:
        return [event async for event in each(await settle(client.responses.create(**ASK, stream=True)))]

    simulator.fault(Fault.stream_error(6, status=429))
    llmtrace.instrument(home=home)
    assert use(simulator, is_async, body)[-1].type == "error"
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type) == ("error", "rate_limit_exceeded")
    assert (call.usage_source, call.usage_complete) == ("estimated", False)
    assert call.response.id == simulator.requests[-1].response_id


@BOTH
def test_a_stream_that_is_closed_early_is_cancelled_and_estimated(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def body(client: Any) -> None:
        async with entered(await settle(client.responses.create(**ASK, stream=True))) as stream:
            async for event in each(stream):
                if event.type == "response.output_text.delta":
                    break

    simulator.answer("word " * 2000)
    llmtrace.instrument(home=home)
    use(simulator, is_async, body)
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source, call.usage_complete) == ("cancelled", "estimated", False)
    assert call.usage.output_tokens is not None
    assert 0 < call.usage.output_tokens < 10
    assert call.response.id == simulator.requests[-1].response_id


def test_reasoning_caches_and_tools_are_counted(simulator: Simulator, home: Path) -> None:
    tools: Any = [{"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["vs_1"]}]
    ask: Any = {"model": "gpt-5.6", "input": "word " * 1500, "tools": tools, "reasoning": {"effort": "high"}}
    llmtrace.instrument(home=home)
    with make_openai(simulator, False) as client:
        client.responses.create(**ask)
        list(client.responses.create(**ask, stream=True))
    first, second = recorded_calls(home)
    assert first.usage.cache_write_tokens == second.usage.cached_input_tokens
    assert second.usage.cached_input_tokens is not None
    assert second.usage.cached_input_tokens > 1024
    for call in (first, second):
        assert call.usage.reasoning_tokens is not None
        assert call.usage.reasoning_tokens > 0
        assert call.response.tool_requests == {"web_search": 1, "file_search": 1}
        assert call.request.reasoning_level == "high"


def test_beta_responses_are_recorded_alike(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with make_openai(simulator, False) as client:
        client.beta.responses.create(**ASK)
        list(client.beta.responses.create(**ASK, stream=True))
    calls = recorded_calls(home)
    assert [call.request.endpoint for call in calls] == ["responses", "responses"]
    assert [call.response.usage for call in calls] == [record.usage for record in simulator.requests]


def test_an_answer_that_refers_to_another_names_it(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with make_openai(simulator, False) as client:
        first = client.responses.create(**ASK)
        client.responses.create(**ASK, previous_response_id=first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve("resp_unknown")
    _, second, missing = recorded_calls(home)
    assert second.request.previous_response_id == first.id
    assert (missing.status, missing.http_status, missing.usage_source) == ("error", 404, "missing")
