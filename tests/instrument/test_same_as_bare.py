"""The application sees the same with llmtrace as without: requests, objects, items, exceptions, its own arguments."""

import asyncio
import copy
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import anthropic
import canned
import openai
import pytest
from bare import both_ways, stable
from calling import ANTHROPIC, ASYNC_STREAMS, OPENAI, PLAIN, STREAMS, Answer, closing, make_clients, run
from conftest import recorded_calls

import llmtrace
from llmtrace.simulator import Fault, Simulator


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_call_gives_the_same_object_for_the_same_request(name: str, home: Path) -> None:
    bare, bare_asked, traced, asked = both_ways(home, lambda s: stable(run(name, make_clients(s))))
    assert traced == bare
    assert asked == bare_asked
    assert len(recorded_calls(home)) == 1


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_the_same_items_and_is_the_same_object(name: str, home: Path) -> None:
    def use(simulator: Simulator) -> Any:
        with STREAMS[name](make_clients(simulator)) as stream:
            kind = (type(stream), [m for m in dir(stream) if not m.startswith("__")])
            items = [stable(item) for item in stream]
            return kind, items, type(getattr(stream, "response", None))

    bare, bare_asked, traced, asked = both_ways(home, use)
    assert traced == bare
    assert asked == bare_asked


@pytest.mark.parametrize("name", ASYNC_STREAMS)
def test_an_async_stream_gives_the_same_items(name: str, home: Path) -> None:
    def use(simulator: Simulator) -> Any:
        clients = make_clients(simulator)

        async def go() -> Any:
            opened = ASYNC_STREAMS[name](clients)
            async with await opened if hasattr(opened, "__await__") else opened as stream:
                return type(stream), [stable(item) async for item in stream]

        return asyncio.run(closing(clients, go))

    bare, bare_asked, traced, asked = both_ways(home, use)
    assert traced == bare
    assert asked == bare_asked


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("fault", [Fault.status(400), Fault.status(429, retry_after_ms=1), Fault.malformed()], ids=str)
def test_a_failure_raises_the_same_exception(name: str, fault: Fault, home: Path) -> None:
    def use(simulator: Simulator) -> Any:
        simulator.fault(fault, times=3)
        return run(name, make_clients(simulator))

    bare, bare_asked, traced, asked = both_ways(home, use)
    assert stable(traced) == stable(bare)
    assert asked == bare_asked


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    "fault", [Fault.stream_error(3), Fault.drop(3), Fault.malformed()], ids=["error", "drop", "json"]
)
def test_a_stream_that_fails_raises_the_same_exception(name: str, fault: Fault, home: Path) -> None:
    def use(simulator: Simulator) -> Any:
        simulator.fault(fault)
        items = []
        try:
            with STREAMS[name](make_clients(simulator)) as stream:
                for item in stream:
                    items.append(stable(item))  # noqa: PERF401 - what came before the failure counts
        except Exception as err:
            return items, type(err), type(err.__cause__), type(err.__context__)
        return items

    bare, _, traced, _ = both_ways(home, use)
    assert traced == bare
    assert len(recorded_calls(home)) == 1


def test_the_exception_is_the_sdks_own_object_and_keeps_its_request(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    simulator.fault(Fault.status(400))
    with pytest.raises(openai.BadRequestError) as raised:
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert raised.value.response.status_code == 400
    assert raised.value.request.url.path == "/v1/chat/completions"


def test_arguments_stay_the_callers_own(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    clients = make_clients(simulator)
    messages = [{"role": "user", "content": "hello", "name": "ann"}]
    options: dict[str, Any] = {"model": "gpt-4o", "messages": messages, "metadata": {"a": "b"}, "stop": ["x"]}
    before = copy.deepcopy(options)
    clients.openai.chat.completions.create(**options)
    clients.openai.post("/chat/completions", cast_to=object, body=options)
    assert options == before
    assert options["messages"] is messages


def test_usage_is_asked_for_on_a_copy_of_what_the_caller_sends(home: Path) -> None:
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(json.loads(request.content))
        return canned.streaming_chat(request)

    llmtrace.instrument(home=home)
    body: dict[str, Any] = {**OPENAI, "stream": True}
    before = copy.deepcopy(body)
    with canned.make_openai(answer, host="http://api.openai.com/v1") as client:
        kind = openai.Stream[object]
        assert list(client.post("/chat/completions", cast_to=object, body=body, stream=True, stream_cls=kind))
    assert asked[0]["stream_options"] == {"include_usage": True}
    assert body == before


def test_sentinels_for_nothing_given_send_and_record_nothing(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    clients = make_clients(simulator)
    clients.openai.chat.completions.create(**OPENAI, temperature=openai.NOT_GIVEN, top_p=openai.omit, stop=None)
    (call,) = recorded_calls(home)
    assert (call.request.temperature, call.request.top_p, call.request.stop_sequences) == (None, None, None)
    assert "temperature" not in simulator.requests[-1].body


def test_results_can_be_pickled_copied_and_dumped(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    answer = make_clients(simulator).openai.chat.completions.create(**OPENAI)
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert copy.deepcopy(answer) == answer
    assert "llmtrace" not in answer.model_dump_json()


def test_a_response_bears_no_trace_of_us_once_it_is_read(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    with make_clients(simulator).anthropic.messages.create(**ANTHROPIC, stream=True) as stream:
        response = stream.response
        list(stream)
    assert {"close", "aclose"}.isdisjoint(vars(response))
    assert response.is_closed


METHODS = {
    "SyncAPIClient": ("request", "_process_response"),
    "AsyncAPIClient": ("request", "_process_response"),
    "BaseClient": ("_process_response_data", "_build_request", "_should_retry", "_calculate_retry_timeout"),
}


@pytest.mark.parametrize("module", [openai, anthropic])
def test_the_sdks_methods_keep_name_signature_and_kind(module: Any, home: Path) -> None:
    def describe() -> list[Any]:
        base = module._base_client
        found = []
        for owner, names in METHODS.items():
            for name in names:
                method = getattr(getattr(base, owner), name)
                is_async = inspect.iscoroutinefunction(method)
                found.append((method.__name__, method.__doc__, inspect.signature(method), is_async))
        return found

    before = describe()
    llmtrace.instrument(home=home)
    assert describe() == before


def test_no_header_reaches_the_provider_because_of_us_even_inside_a_span(home: Path, simulator: Simulator) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    llmtrace.instrument(home=home)
    tracer = TracerProvider().get_tracer("app")
    with tracer.start_as_current_span("request") as span, llmtrace.feature("x", user="u"):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    asked = simulator.requests[-1].headers
    assert {"traceparent", "baggage", "tracestate"}.isdisjoint(asked)
    assert "llmtrace" not in str(asked).lower()
    (call,) = recorded_calls(home)
    context = span.get_span_context()
    assert (call.trace_id, call.parent_span_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_parsed_answers_are_still_parsed(home: Path, simulator: Simulator) -> None:
    llmtrace.instrument(home=home)
    clients = make_clients(simulator)
    parsed = clients.openai.chat.completions.parse(**OPENAI, response_format=Answer).choices[0].message.parsed
    assert isinstance(parsed, Answer)
    assert isinstance(clients.anthropic.messages.parse(**ANTHROPIC, output_format=Answer).parsed_output, Answer)
