"""On OpenAI's own hosts a stream is asked for its usage, and the caller sees what it would have seen without."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from calling import OPENAI
from conftest import recorded_calls

import llmtrace
from llmtrace.simulator import Fault, Simulator

OWN_HOST = "http://api.openai.com/v1"


def on_own_host(simulator: Simulator, base_url: str = OWN_HOST) -> openai.OpenAI:
    """A client that takes the simulator for OpenAI, reached as an HTTP proxy."""
    return openai.OpenAI(
        base_url=base_url, api_key="k", http_client=openai.DefaultHttpxClient(proxy=simulator.url), max_retries=0
    )


def on_own_host_async(simulator: Simulator) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=OWN_HOST, api_key="k", http_client=openai.DefaultAsyncHttpxClient(proxy=simulator.url)
    )


def chunks_of(stream: Any) -> list[Any]:
    return [chunk.model_dump(exclude_unset=True, exclude={"id", "created"}) for chunk in stream]


def bare_chunks() -> list[Any]:
    with Simulator(seed=7) as simulator, on_own_host(simulator) as client:
        return chunks_of(client.chat.completions.create(**OPENAI, stream=True))


def test_usage_arrives_and_the_caller_sees_the_bare_runs_chunks(simulator: Simulator, home: Path) -> None:
    expected = bare_chunks()
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        stream = client.chat.completions.create(**OPENAI, stream=True)
        assert type(stream) is openai.Stream
        assert chunks_of(stream) == expected
    (call,) = recorded_calls(home)
    assert simulator.requests[-1].body["stream_options"] == {"include_usage": True}
    assert simulator.requests[-1].usage is not None
    assert call.usage_source == "provider"
    assert call.usage.input_tokens == simulator.requests[-1].usage["prompt_tokens"]
    assert all("usage" not in chunk and chunk["choices"] for chunk in expected)


def test_only_the_stream_options_of_the_request_differ(simulator: Simulator, home: Path) -> None:
    with on_own_host(simulator) as client:
        list(client.chat.completions.create(**OPENAI, stream=True))
        llmtrace.instrument(home=home)
        list(client.chat.completions.create(**OPENAI, stream=True))
    bare, traced = simulator.requests
    assert traced.body == {**bare.body, "stream_options": {"include_usage": True}}
    changing = {"content-length", "idempotency-key"}
    assert {k: v for k, v in traced.headers.items() if k not in changing} == {
        k: v for k, v in bare.headers.items() if k not in changing
    }


def test_the_helper_is_asked_for_usage_too(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client, client.chat.completions.stream(**OPENAI) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert final.usage is None, "as without llmtrace"
    assert events
    (call,) = recorded_calls(home)
    assert (call.usage_source, call.status) == ("provider", "ok")


def test_async_streams_are_asked_for_usage_too(simulator: Simulator, home: Path) -> None:
    expected = bare_chunks()
    llmtrace.instrument(home=home)

    async def go() -> list[Any]:
        async with on_own_host_async(simulator) as client:
            stream = await client.chat.completions.create(**OPENAI, stream=True)
            assert type(stream) is openai.AsyncStream
            return [c.model_dump(exclude_unset=True, exclude={"id", "created"}) async for c in stream]

    assert asyncio.run(go()) == expected
    (call,) = recorded_calls(home)
    assert call.usage_source == "provider"


def test_the_usual_loop_over_choices_is_not_broken(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        text = "".join(
            chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**OPENAI, stream=True)
        )
    assert text


@pytest.mark.parametrize(
    "options",
    [
        {"stream_options": {"include_usage": False}},
        {"stream_options": {"include_obfuscation": False}},
        {"extra_body": {"stream_options": {"include_usage": False}}},
    ],
    ids=str,
)
def test_a_caller_who_chose_is_not_overruled(options: dict[str, Any], simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        list(client.chat.completions.create(**OPENAI, stream=True, **options))
    chosen = options.get("stream_options") or options["extra_body"]["stream_options"]
    assert simulator.requests[-1].body["stream_options"] == chosen
    (call,) = recorded_calls(home)
    assert call.usage_source == "estimated"


def test_a_caller_who_asked_sees_the_usage_chunk(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        stream = client.chat.completions.create(**OPENAI, stream=True, stream_options={"include_usage": True})
        last = list(stream)[-1]
    assert (last.choices, last.usage is not None) == ([], True)
    (call,) = recorded_calls(home)
    assert call.usage_source == "provider"


@pytest.mark.parametrize("raw", ["with_raw_response", "with_streaming_response"])
def test_a_caller_of_raw_responses_gets_the_bytes_that_were_asked_for(
    raw: str, simulator: Simulator, home: Path
) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        opened = getattr(client.chat.completions, raw).create(**OPENAI, stream=True)
        if raw == "with_raw_response":
            list(opened.parse())
        else:
            with opened as response:
                list(response.parse())
    assert "stream_options" not in simulator.requests[-1].body


def test_other_hosts_are_not_asked(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k")
    list(client.chat.completions.create(**OPENAI, stream=True))
    client.close()
    with on_own_host(simulator, "http://notapi.openai.com.evil.example/v1") as other:
        list(other.chat.completions.create(**OPENAI, stream=True))
    assert all("stream_options" not in r.body for r in simulator.requests)


def test_regional_hosts_of_openai_are_its_own(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with on_own_host(simulator, "http://eu.api.openai.com/v1") as client:
        list(client.chat.completions.create(**OPENAI, stream=True))
    assert simulator.requests[-1].body["stream_options"] == {"include_usage": True}


def test_the_environment_stops_it(simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMTRACE_STREAM_USAGE", "off")
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client:
        list(client.chat.completions.create(**OPENAI, stream=True))
    assert "stream_options" not in simulator.requests[-1].body
    (call,) = recorded_calls(home)
    assert (call.usage_source, call.usage_complete) == ("estimated", False)


def test_a_stream_that_breaks_before_its_usage_is_estimated(simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.drop(5))
    llmtrace.instrument(home=home)
    with on_own_host(simulator) as client, pytest.raises(Exception):  # noqa: B017
        list(client.chat.completions.create(**OPENAI, stream=True))
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source) == ("error", "estimated")


def test_an_estimate_without_a_tokenizer_is_near_the_count(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="k")
    list(client.chat.completions.create(**OPENAI, stream=True))
    client.close()
    (call,) = recorded_calls(home)
    sent = simulator.requests[-1].usage
    assert sent is not None
    assert call.usage.input_tokens == pytest.approx(sent["prompt_tokens"], rel=0.5)
    assert call.usage.output_tokens == pytest.approx(sent["completion_tokens"], rel=0.5)
