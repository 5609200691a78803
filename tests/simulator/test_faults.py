"""What can be made to go wrong, what the real SDKs make of it, and what the log says."""

import socket
import time
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from simulator.asking import ASK_ANTHROPIC, ASK_OPENAI, ask_claude, ask_gpt, wait_for

from llmtrace.simulator import Fault, Simulator

try:
    import httpx2 as httpx
except ImportError:  # what older releases of the SDKs stand on
    import httpx  # type: ignore[no-redef]

# OpenAI's SDK wraps a connection that breaks in a stream from 3.x on, Anthropic's never does.
CUT_OFF = (openai.APIConnectionError, httpx.RemoteProtocolError)
QUICK = httpx.Timeout(10, read=0.03)


@pytest.mark.parametrize(
    ("status", "code", "error", "type", "answered_code"),
    [
        (400, None, openai.BadRequestError, "invalid_request_error", None),
        (401, None, openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
        (404, None, openai.NotFoundError, "invalid_request_error", "model_not_found"),
        (429, None, openai.RateLimitError, "requests", "rate_limit_exceeded"),
        (429, "insufficient_quota", openai.RateLimitError, "insufficient_quota", "insufficient_quota"),
        (500, None, openai.InternalServerError, "server_error", None),
        (503, None, openai.InternalServerError, "server_error", None),
        (418, None, openai.APIStatusError, "invalid_request_error", None),
    ],
)
def test_openai_errors_have_openais_envelope(
    sim: Simulator, gpt: OpenAI, status: int, code: str | None, error: Any, type: str, answered_code: str | None
) -> None:
    sim.fault(Fault.status(status, code=code))
    with pytest.raises(error) as caught:
        ask_gpt(gpt)
    assert (caught.value.status_code, caught.value.type, caught.value.code) == (status, type, answered_code)
    assert caught.value.request_id == sim.requests[0].request_id
    assert (sim.requests[0].status, sim.requests[0].response_id, sim.requests[0].usage) == (status, None, None)
    assert not {"retry-after", "retry-after-ms", "x-should-retry"} & set(caught.value.response.headers)


@pytest.mark.parametrize(
    ("status", "error", "type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_anthropic_errors_have_anthropics_envelope(
    sim: Simulator, claude: Anthropic, status: int, error: Any, type: str
) -> None:
    sim.fault(Fault.status(status))
    with pytest.raises(error) as caught:
        ask_claude(claude)
    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (status, type)
    assert caught.value.body["request_id"] == caught.value.request_id == sim.requests[0].request_id


def test_an_sdk_retries_as_often_as_it_is_told_and_each_attempt_is_logged(sim: Simulator) -> None:
    sim.fault(Fault.status(429, retry_after_s=0.001), times=2)
    with OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=2) as client:
        assert ask_gpt(client).usage is not None
    assert [r.status for r in sim.requests] == [429, 429, 200]
    assert [r.headers["x-stainless-retry-count"] for r in sim.requests] == ["0", "1", "2"]
    assert sim.requests[0].fault == {"status_code": 429, "retry_after_s": 0.001}
    sim.fault(Fault.status(529, retry_after_ms=1), times=9)
    with (
        Anthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=1) as other,
        pytest.raises(anthropic.APIStatusError),
    ):
        ask_claude(other)
    assert [r.status for r in sim.requests[3:]] == [529, 529]


def test_should_retry_overrules_the_status(sim: Simulator) -> None:
    sim.fault(Fault.status(500, should_retry=False))
    sim.fault(Fault.status(400, should_retry=True, retry_after_ms=1))
    with OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=3) as client:
        with pytest.raises(openai.InternalServerError):
            ask_gpt(client)
        ask_gpt(client)
    assert [r.status for r in sim.requests] == [500, 400, 200]


def test_faults_come_in_order_to_the_requests_they_are_meant_for(
    sim: Simulator, gpt: OpenAI, claude: Anthropic
) -> None:
    sim.fault(Fault.status(429).on(provider="anthropic"))
    sim.fault(Fault.status(500).on(model="gpt-4.1"))
    sim.fault(Fault.status(503).on(stream=True))
    sim.fault(Fault.status(400).on(provider="openai"))
    with pytest.raises(openai.BadRequestError):
        ask_gpt(gpt)
    with pytest.raises(openai.InternalServerError):
        ask_gpt(gpt, stream=True)
    with pytest.raises(anthropic.RateLimitError):
        ask_claude(claude)
    ask_gpt(gpt)
    ask_claude(claude)
    assert [r.status for r in sim.requests] == [400, 503, 429, 200, 200]


def test_a_delay_beyond_the_timeout_times_out_and_the_log_knows_who_left(sim: Simulator) -> None:
    sim.fault(Fault.delay(30))
    with (
        OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=0, timeout=QUICK) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        ask_gpt(client)
    wait_for(lambda: sim.requests and sim.requests[0].client_left)
    assert sim.requests[0].status is None
    assert sim.requests[0].usage is None


def test_a_short_delay_delays_and_nothing_else(sim: Simulator, gpt: OpenAI) -> None:
    sim.fault(Fault.delay(0.005))
    before = time.monotonic()
    ask_gpt(gpt)
    assert time.monotonic() - before >= 0.005
    assert sim.requests[0].status == 200


def test_a_hanging_request_ends_with_the_client(sim: Simulator) -> None:
    sim.fault(Fault.hang())
    with (
        Anthropic(base_url=sim.anthropic_base_url, api_key="any", max_retries=0, timeout=QUICK) as client,
        pytest.raises(anthropic.APITimeoutError),
    ):
        ask_claude(client)
    wait_for(lambda: sim.requests and sim.requests[0].client_left)
    assert (sim.requests[0].status, sim.requests[0].bytes_sent) == ("hang", 0)


def test_a_reset_is_a_reset(sim: Simulator) -> None:
    sim.fault(Fault.reset())
    with socket.create_connection(("127.0.0.1", sim.port)) as connection:
        connection.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert (sim.requests[0].status, sim.requests[0].bytes_sent) == ("reset", 0)


def test_an_sdk_retries_after_a_reset(sim: Simulator) -> None:
    sim.fault(Fault.reset())
    with OpenAI(base_url=sim.openai_base_url, api_key="any", max_retries=1) as client:
        client._calculate_retry_timeout = lambda *_: 0.0  # type: ignore[method-assign]
        ask_gpt(client)
    assert [r.status for r in sim.requests] == ["reset", 200]


def test_a_dropped_stream_is_a_connection_error_after_its_chunks(
    sim: Simulator, gpt: OpenAI, claude: Anthropic
) -> None:
    sim.fault(Fault.drop(after_chunks=3), times=2)
    chunks: list[Any] = []
    with pytest.raises(CUT_OFF):
        chunks.extend(ask_gpt(gpt, stream=True, stream_options={"include_usage": True}))
    assert len(chunks) == 3
    with pytest.raises(CUT_OFF):
        list(ask_claude(claude, stream=True))
    assert [(r.status, r.chunks_sent, r.usage_delivered) for r in sim.requests] == [(200, 3, False)] * 2
    assert sim.requests[0].usage is not None


def test_a_dropped_body_is_a_connection_error(sim: Simulator, gpt: OpenAI) -> None:
    sim.fault(Fault.drop())
    with pytest.raises(openai.APIConnectionError):
        ask_gpt(gpt)
    assert not sim.requests[0].usage_delivered
    assert ask_gpt(gpt).usage is not None


def test_an_error_inside_a_stream_comes_after_its_events(sim: Simulator, gpt: OpenAI, claude: Anthropic) -> None:
    sim.fault(Fault.stream_error(after_events=4), times=2)
    chunks: list[Any] = []
    ask_gpt(gpt)
    with pytest.raises(openai.APIError) as caught:
        chunks.extend(ask_gpt(gpt, stream=True))
    assert (len(chunks), caught.value.type) == (4, "server_error")
    events: list[Any] = []
    with pytest.raises(anthropic.APIStatusError) as refused:
        events.extend(ask_claude(claude, stream=True))
    # The SDK keeps the ping to itself.
    body: Any = refused.value.body
    assert (len(events), body["error"]["type"]) == (3, "overloaded_error")
    assert [(r.status, r.chunks_sent, r.usage_delivered) for r in sim.requests[1:]] == [(200, 5, False)] * 2


def test_malformed_json_breaks_off(sim: Simulator, gpt: OpenAI, claude: Anthropic) -> None:
    sim.fault(Fault.malformed(), times=4)
    for ask in (
        lambda: ask_gpt(gpt),
        lambda: list(ask_gpt(gpt, stream=True)),
        lambda: ask_claude(claude),
        lambda: list(ask_claude(claude, stream=True)),
    ):
        with pytest.raises(ValueError):
            ask()
    assert [r.status for r in sim.requests] == [200] * 4


def test_usage_can_be_left_out(sim: Simulator, gpt: OpenAI, claude: Anthropic) -> None:
    sim.fault(Fault.no_usage(), times=4)
    assert "usage" not in ask_gpt(gpt).to_dict()
    chunks = list(ask_gpt(gpt, stream=True, stream_options={"include_usage": True}))
    assert not any(chunk.usage for chunk in chunks)
    assert "usage" not in ask_claude(claude).to_dict()
    events = [event.to_dict() for event in ask_claude(claude, stream=True)]
    assert "usage" not in events[0]["message"] and "usage" not in events[-2]
    assert [r.usage_delivered for r in sim.requests] == [False] * 4
    assert all(r.usage for r in sim.requests)


def test_a_slow_stream_takes_its_time_between_chunks(sim: Simulator, gpt: OpenAI) -> None:
    sim.answer("one two three")
    sim.fault(Fault.slow(0.002))
    before = time.monotonic()
    chunks = list(ask_gpt(gpt, stream=True))
    assert time.monotonic() - before >= 0.002 * len(chunks)


def test_compressed_answers_are_read_as_usual(sim: Simulator, gpt: OpenAI, claude: Anthropic) -> None:
    sim.answer("one two three", times=4)
    sim.fault(Fault.gzip(), times=4)
    with gpt.chat.completions.with_streaming_response.create(**ASK_OPENAI) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert response.parse().choices[0].message.content == "one two three"
    assert len(list(ask_gpt(gpt, stream=True))) == 5
    assert ask_claude(claude).content[0].text == "one two three"
    with claude.messages.stream(**ASK_ANTHROPIC) as stream:
        assert stream.get_final_text() == "one two three"


def test_faults_add_up(sim: Simulator, gpt: OpenAI) -> None:
    sim.fault(Fault.gzip() | Fault.drop(after_chunks=2) | Fault.delay(0.001))
    with pytest.raises(CUT_OFF):
        list(ask_gpt(gpt, stream=True))
    assert sim.requests[0].fault == {"is_gzipped": True, "cut_after": 2, "delay_s": 0.001}
