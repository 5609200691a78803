"""Every way of calling, times every way a call can end: exactly one span, with the provider's own usage."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest
from calling import (
    ANTHROPIC,
    ASYNC_STREAMS,
    EVERY_STREAM,
    OPENAI,
    PLAIN,
    STREAM,
    STREAMS,
    Clients,
    closing,
    make_clients,
    read,
    read_async,
    run,
)
from canned import CHAT_CHUNKS, make_openai, streaming
from conftest import recorded_calls

import llmtrace
from llmtrace.model import Call
from llmtrace.simulator import Fault, Simulator


@pytest.fixture
def clients(simulator: Simulator) -> Iterator[Clients]:
    made = make_clients(simulator)
    yield made
    made.openai.close()
    made.anthropic.close()


def the_call(home: Path) -> Call:
    calls = recorded_calls(home)
    assert len(calls) == 1, [c.status for c in calls]
    return calls[0]


def assert_usage_is_the_providers(call: Call, simulator: Simulator) -> None:
    simulator.settle()
    sent = simulator.requests[-1].usage
    assert sent is not None
    assert call.usage_source == "provider"
    assert call.usage_complete
    assert call.response.usage is not None
    for name, value in sent.items():
        if name in call.response.usage:
            assert call.response.usage[name] == value
    if "prompt_tokens" in sent:
        assert (call.usage.input_tokens, call.usage.output_tokens) == (sent["prompt_tokens"], sent["completion_tokens"])
    else:
        cached = (sent.get("cache_read_input_tokens") or 0) + (sent.get("cache_creation_input_tokens") or 0)
        assert call.usage.input_tokens == sent["input_tokens"] + cached
        assert call.usage.output_tokens == sent["output_tokens"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_call_that_is_answered(name: str, clients: Clients, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with llmtrace.feature("describe", user="u1", team="web"):
        run(name, clients)
    call, asked = the_call(home), simulator.requests[-1]
    assert call.status == "ok"
    assert_usage_is_the_providers(call, simulator)
    assert (call.feature, call.feature_source, call.user_id, call.tags) == ("describe", "code", "u1", {"team": "web"})
    assert (call.request.model, call.request.operation, call.request.stream) == (asked.model, "chat", False)
    assert call.request.max_tokens == 60
    assert call.response.id == asked.response_id
    assert call.request_id == asked.request_id
    assert (call.http_status, len(call.attempts), call.ttft_s) == (200, 1, None)
    assert call.response.finish_reasons is not None
    assert call.rate_limits["requests.limit"] > 0
    assert call.request.server_address == "127.0.0.1"
    assert call.content is None


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_stream_that_is_read_to_its_end(name: str, clients: Clients, simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    assert read(name, clients) > 3
    call = the_call(home)
    assert (call.status, call.request.stream, call.http_status) == ("ok", True, 200)
    assert_usage_is_the_providers(call, simulator)
    assert call.response.id == simulator.requests[-1].response_id
    assert call.response.finish_reasons is not None
    assert call.ttft_s is not None
    assert call.time_to_first_chunk_s is not None
    assert 0 < call.time_to_first_chunk_s <= call.ttft_s <= call.duration_s


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_stream_that_is_closed_early(name: str, clients: Clients, simulator: Simulator, home: Path) -> None:
    class Enough(Exception):
        pass

    def stop(count: int) -> None:
        if count == 4:
            raise Enough

    simulator.answer(text="word " * 3000, times=1)
    llmtrace.instrument(home=home)
    with pytest.raises(Enough):
        read(name, clients, stop)
    call = the_call(home)
    assert call.status == "cancelled"
    assert call.usage_source == "estimated"
    assert not call.usage_complete
    assert call.usage.input_tokens is not None
    assert 0 < call.usage.input_tokens < 100
    assert call.usage.output_tokens is not None
    assert call.usage.output_tokens < 40, "only what was read is counted"
    assert call.error_type is None
    assert call.response.id is not None


@pytest.mark.parametrize("name", [*STREAMS])
def test_a_stream_closed_without_a_with_block(name: str, clients: Clients, home: Path) -> None:
    llmtrace.instrument(home=home)
    opened = STREAMS[name](clients)
    stream = opened.__enter__() if "helper" in name else opened
    next(iter(stream))
    stream.close()
    stream.close()
    assert the_call(home).status == "cancelled"


@pytest.mark.parametrize("name", [*STREAMS])
def test_a_stream_that_was_never_read_and_is_dropped(name: str, clients: Clients, home: Path) -> None:
    llmtrace.instrument(home=home)
    opened = STREAMS[name](clients)
    if "helper" in name:
        opened.__enter__()
    del opened
    gc.collect()
    call = the_call(home)
    assert (call.status, call.usage_complete) == ("cancelled", False)


@pytest.mark.parametrize("name", ["openai stream", "anthropic stream"])
def test_a_stream_that_is_dropped_half_read(name: str, clients: Clients, home: Path) -> None:
    llmtrace.instrument(home=home)
    stream = iter(STREAMS[name](clients))
    next(stream)
    next(stream)
    del stream
    gc.collect()
    assert the_call(home).status == "cancelled"


@pytest.mark.parametrize("name", ["openai async stream", "anthropic async stream"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_async_stream_that_is_dropped_half_read(name: str, clients: Clients, home: Path) -> None:
    llmtrace.instrument(home=home)

    async def drop() -> None:
        stream = await ASYNC_STREAMS[name](clients)
        async for _ in stream:
            break
        del stream
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(closing(clients, drop))
    gc.collect()
    assert the_call(home).status == "cancelled"


@pytest.mark.parametrize("name", ["openai async create", "anthropic async create"])
def test_a_task_that_is_cancelled_while_it_waits_for_the_answer(
    name: str, clients: Clients, simulator: Simulator, home: Path
) -> None:
    simulator.fault(Fault.delay(5.0))
    llmtrace.instrument(home=home)

    async def cancel() -> None:
        task = asyncio.ensure_future(PLAIN[name](clients))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(closing(clients, cancel))
    call = the_call(home)
    assert (call.status, call.usage_source, call.error_type) == ("cancelled", "missing", None)
    assert call.request_sent, "the provider may have billed it"


@pytest.mark.parametrize("name", [*ASYNC_STREAMS])
def test_a_task_that_is_cancelled_while_it_reads(name: str, clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.answer(text="word " * 500)
    simulator.fault(Fault.slow(0.05))
    llmtrace.instrument(home=home)

    async def cancel() -> None:
        task = asyncio.ensure_future(read_async(name, clients, lambda count: None))
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(closing(clients, cancel))
    call = the_call(home)
    assert (call.status, call.usage_complete) == ("cancelled", False)


@pytest.mark.parametrize("name", PLAIN)
def test_a_call_that_is_tried_again_and_then_answered(
    name: str, clients: Clients, simulator: Simulator, home: Path
) -> None:
    simulator.fault(Fault.status(429, retry_after_ms=5))
    simulator.fault(Fault.status(500, retry_after_ms=10))
    llmtrace.instrument(home=home)
    run(name, clients)
    call = the_call(home)
    assert (call.status, call.http_status, call.error_type) == ("ok", 200, None)
    assert [a.outcome for a in call.attempts] == ["429", "500", "200"]
    assert [a.wait_s for a in call.attempts] == [0.005, 0.01, 0.0]
    assert_usage_is_the_providers(call, simulator)


@pytest.mark.parametrize(
    ("name", "fault", "error", "outcomes"),
    [
        ("openai create", Fault.status(429, retry_after_ms=1), "rate_limit_exceeded", ["429"] * 3),
        ("openai create", Fault.status(429, code="insufficient_quota", retry_after_ms=1), "insufficient_quota", None),
        ("openai create", Fault.status(401), "invalid_api_key", ["401"]),
        ("openai create", Fault.status(400), None, ["400"]),
        ("openai async create", Fault.status(503, retry_after_ms=1), None, ["503"] * 3),
        ("anthropic create", Fault.status(529, retry_after_ms=1), "overloaded_error", ["529"] * 3),
        ("anthropic async create", Fault.status(401), "authentication_error", ["401"]),
    ],
)
def test_a_call_that_the_provider_refuses(
    name: str,
    fault: Fault,
    error: str | None,
    outcomes: list[str] | None,
    clients: Clients,
    simulator: Simulator,
    home: Path,
) -> None:
    simulator.fault(fault, times=3)
    llmtrace.instrument(home=home)
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as raised:
        run(name, clients)
    call = the_call(home)
    assert (call.status, call.http_status) == ("error", raised.value.status_code)
    assert call.request_sent, "the provider answered it"
    assert call.error_type is not None
    assert error is None or call.error_type == error
    assert len(call.attempts) == len(simulator.requests)
    assert outcomes is None or [a.outcome for a in call.attempts] == outcomes
    assert (call.usage_source, call.usage.input_tokens) == ("missing", None)
    assert call.request_id == simulator.requests[-1].request_id


def test_a_call_that_times_out(clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.hang())
    llmtrace.instrument(home=home)
    with pytest.raises(openai.APITimeoutError):
        clients.openai.with_options(timeout=0.1, max_retries=0).chat.completions.create(**OPENAI)
    call = the_call(home)
    assert (call.status, call.error_type, call.http_status) == ("error", "timeout", None)
    assert call.request_sent, "the provider may have billed it"


def test_a_call_whose_connection_breaks(clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.reset(), times=2)
    llmtrace.instrument(home=home)
    run("anthropic create", clients)
    call = the_call(home)
    assert (call.status, [a.outcome for a in call.attempts]) == ("ok", ["connection_error"] * 2 + ["200"])


def test_a_call_that_finds_nobody_is_not_billed(home: Path) -> None:
    llmtrace.instrument(home=home)
    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0)
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**OPENAI)
    call = the_call(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "connection_error", False)


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_stream_in_which_the_provider_reports_an_error(
    name: str, clients: Clients, simulator: Simulator, home: Path
) -> None:
    simulator.fault(Fault.stream_error(4))
    llmtrace.instrument(home=home)
    with pytest.raises((openai.APIError, anthropic.APIError)):
        read(name, clients)
    call = the_call(home)
    assert (call.status, call.usage_complete) == ("error", False)
    assert call.error_type is not None
    assert call.response.id is not None
    if "anthropic" in name:
        assert call.error_type == "overloaded_error"


@pytest.mark.parametrize("name", EVERY_STREAM)
def test_a_stream_whose_connection_breaks(name: str, clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.drop(4))
    llmtrace.instrument(home=home)
    with pytest.raises(Exception) as raised:
        read(name, clients)
    call = the_call(home)
    assert (call.status, call.usage_complete) == ("error", False)
    assert call.error_type in {"connection_error", type(raised.value).__name__}


def test_the_reader_stops_after_the_answer_and_before_the_usage(
    clients: Clients, simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with clients.openai.chat.completions.create(**OPENAI, **STREAM) as stream:
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    call = the_call(home)
    assert (call.status, call.usage_source, call.usage_complete) == ("ok", "estimated", False)


def test_a_body_without_usage_has_none(clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.no_usage())
    llmtrace.instrument(home=home)
    clients.openai.chat.completions.create(**OPENAI)
    call = the_call(home)
    assert (call.usage_source, call.usage.input_tokens, call.response.usage) == ("missing", None, None)


def test_compressed_answers_are_read_like_any(clients: Clients, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.gzip(), times=2)
    llmtrace.instrument(home=home)
    clients.anthropic.messages.create(**ANTHROPIC)
    for _ in clients.openai.chat.completions.create(**OPENAI, **STREAM):
        pass
    calls = recorded_calls(home)
    assert [c.usage_source for c in calls] == ["provider", "provider"]


def test_other_endpoints_are_left_alone(clients: Clients, home: Path) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(openai.NotFoundError):
        clients.openai.models.list()
    assert recorded_calls(home) == []


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_a_raw_stream_that_is_left_at_its_end_mark_is_complete_however_it_is_cut(size: int, home: Path) -> None:
    chunks = [{**chunk, "choices": [{**c, "finish_reason": None} for c in chunk["choices"]]} for chunk in CHAT_CHUNKS]
    client = make_openai(streaming(chunks))
    llmtrace.instrument(home=home)
    with client.chat.completions.with_streaming_response.create(**OPENAI, stream=True) as response:
        seen = b""
        for piece in response.iter_bytes(size):
            seen += piece
            if seen.rstrip().endswith(b"[DONE]"):
                break
    assert [call.status for call in recorded_calls(home)] == ["ok"]
