"""Every endpoint in every mode: the caller sees the bare run's objects, and one span has the provider's tokens."""

import asyncio
import gc
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from bare import both_ways
from conftest import recorded_calls
from surface import CASES, CLIENTS, TEXT, Case, each, entered, make_openai, settle, tokens_of

import llmtrace
from llmtrace.instrument.estimate import count_tokens
from llmtrace.simulator import Fault, Simulator


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_caller_sees_the_same_and_one_span_has_the_tokens(case: Case, home: Path) -> None:
    logs = []

    def use(simulator: Simulator) -> object:
        seen = case.call(simulator)
        simulator.settle()
        logs.append(simulator.requests)
        return seen

    bare, bare_asked, traced, asked = both_ways(home, use)
    assert traced == bare
    assert asked == bare_asked
    (record,) = logs[-1]
    (call,) = recorded_calls(home)
    assert record.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == tokens_of(record.usage)
    assert (call.usage_source, call.usage_complete) == ("provider", True)
    assert (call.status, call.error_type, call.http_status) == ("ok", None, 200)
    assert (call.request.provider, call.request.endpoint) == (case.provider, case.surface.endpoint)
    assert (call.request.operation, call.request.stream) == (case.surface.operation, case.is_stream)
    assert (call.request.model, call.response.id) == (record.model, record.response_id)
    assert call.request_id == record.request_id
    assert call.response.usage == record.usage
    assert call.rate_limits["requests.limit"] > 0


FAILING = [case for case in CASES if case.client != "azure" and case.mode in ("create", "stream", "streamed lines")]
PLAIN = [case for case in CASES if case.mode == "create"]
# What goes wrong before an answer begins, and what goes wrong inside one.
EARLY = {
    "bad": Fault.status(400),
    "limited": Fault.status(429),
    "broken": Fault.status(500),
    "overloaded": Fault.status(529),
    "reset": Fault.reset(),
}
LATE = {"dropped": Fault.drop(3), "malformed": Fault.malformed()}


def outcome(case: Case, simulator: Simulator, **options: Any) -> Any:
    """What CASE gives, or what it raises."""
    try:
        return case.call(simulator, **options)
    except Exception as err:
        return type(err), getattr(err, "status_code", None), type(err.__cause__), getattr(err, "code", None)


@pytest.mark.parametrize("case", FAILING, ids=str)
def test_what_goes_wrong_is_raised_as_in_the_bare_run_and_recorded_once_each(case: Case, home: Path) -> None:
    faults = EARLY | LATE

    def use(simulator: Simulator) -> object:
        seen = []
        for fault in faults.values():
            simulator.fault(fault)
            seen.append(outcome(case, simulator))
        return seen

    bare, bare_asked, traced, asked = both_ways(home, use)
    assert traced == bare
    assert asked == bare_asked
    calls = recorded_calls(home)
    assert len(calls) == len(faults)
    early = dict(zip(EARLY, calls, strict=False))
    assert {name: (call.status, call.http_status) for name, call in early.items()} == {
        name: ("error", fault.status_code) for name, fault in EARLY.items()
    }
    assert all(call.usage_source == "missing" and call.error_type for call in early.values())
    # Whoever reads lines sees no malformed JSON, only the end of the connection.
    late = [call.status for call in calls[len(EARLY) :]]
    assert late == (["error", "ok"] if case.mode == "streamed lines" else ["error", "error"])


@pytest.mark.parametrize("case", [c for c in FAILING if c.is_stream], ids=str)
def test_an_error_inside_a_stream_is_recorded_and_the_tokens_are_called_an_estimate(case: Case, home: Path) -> None:
    def use(simulator: Simulator) -> object:
        simulator.fault(Fault.stream_error(5, status=429))
        return outcome(case, simulator)

    bare, _, traced, _ = both_ways(home, use)
    assert traced == bare
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source, call.usage_complete) == ("error", "estimated", False)
    assert call.error_type in ("rate_limit_exceeded", "rate_limit_error")
    assert call.response.id is not None


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_a_call_that_is_tried_again_is_one_span_with_its_attempts(case: Case, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.status(500, retry_after_ms=1))
    llmtrace.instrument(home=home)
    case.call(simulator, max_retries=1)
    (call,) = recorded_calls(home)
    assert [attempt.outcome for attempt in call.attempts] == ["500", "200"]
    assert [record.status for record in simulator.requests] == [500, 200]
    assert call.response.usage == simulator.requests[-1].usage


@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_a_call_that_times_out_is_an_error_without_usage(case: Case, simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.hang())
    llmtrace.instrument(home=home)
    kind = outcome(case, simulator, timeout=0.3)[0]
    assert kind.__name__ == "APITimeoutError"
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source, call.http_status) == ("error", "missing", None)
    assert call.error_type == "timeout"


@pytest.mark.parametrize("case", [c for c in CASES if c.mode == "stream" and c.is_async], ids=str)
def test_a_loop_that_ends_with_a_stream_half_read_closes_it_once(case: Case, simulator: Simulator, home: Path) -> None:
    closings: list[Any] = []

    async def give_up() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: closings.append(context))
        async with entered(CLIENTS[case.client][0](simulator, True)) as client:
            resource = attrgetter(case.surface.path)(client)
            async for _ in await resource.create(**case.surface.body, stream=True):
                return

    llmtrace.instrument(home=home)
    for _ in range(3):
        asyncio.run(give_up())
    # What the HTTP library's own generators do at the end of a loop, they do without us.
    names = [f"{context['asyncgen'].__qualname__}" for context in closings if "asyncgen" in context]
    assert [name for name in names if "Stream.__stream__" in name or "llmtrace" in name] == []
    gc.collect()
    assert [call.status for call in recorded_calls(home)] == ["cancelled"] * 3


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_prompt_of_a_text_completion_is_estimated_without_what_a_message_costs(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def go() -> None:
        async with entered(make_openai(simulator, is_async)) as client:
            assert [chunk async for chunk in each(await settle(client.completions.create(**TEXT, stream=True)))]

    llmtrace.instrument(home=home)
    asyncio.run(go())
    (call,) = recorded_calls(home)
    assert call.usage_source == "estimated"
    assert call.usage.input_tokens == count_tokens([TEXT["prompt"]], TEXT["model"], is_prompt=False)
