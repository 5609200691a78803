"""A request is told by what is taken down of it, whatever becomes of the caller's own afterwards."""

from typing import Any

import pytest
from bodies.reading import read_bodies
from natives import reading

from llmtrace.instrument.facts import facts_of
from llmtrace.providers import FAMILIES, Endpoint

ENDPOINTS = [(f"{family.sdk} {e.name}", e) for family in FAMILIES for e in family.endpoints if e.step is None]
REQUESTS = [row.request for row, _ in (*read_bodies(), *reading.read_bodies()) if isinstance(row.request, dict)]


@pytest.mark.parametrize("endpoint", [e for _, e in ENDPOINTS], ids=[name for name, _ in ENDPOINTS])
def test_what_is_taken_down_says_what_the_request_does(endpoint: Endpoint) -> None:
    for request in REQUESTS:
        assert endpoint.read_request(facts_of(request)) == endpoint.read_request(request)


def test_what_the_caller_changes_later_is_not_seen() -> None:
    body: dict[str, Any] = {"model": "m", "stop": ["a"], "response_format": {"type": "json_object"}, "messages": [{}]}
    facts = facts_of(body)
    body["stop"].append("b")
    body["response_format"]["type"] = "text"
    body["model"] = "n"
    assert facts == {"model": "m", "stop": ["a"], "response_format": {"type": "json_object"}}
