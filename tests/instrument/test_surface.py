"""Every endpoint in every mode: the caller sees the bare run's objects, and one span has the provider's tokens."""

from pathlib import Path

import pytest
from bare import both_ways
from conftest import recorded_calls
from surface import CASES, Case, tokens_of

from llmtrace.simulator import Simulator


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
