"""On whose behalf a foreign span was made."""

from typing import Any

import pytest
from foreign_spans import openinference, openllmetry, otel_new

from llmtrace import dialects
from llmtrace.model import Call, Span


def read(span: Span) -> Call:
    reading = dialects.read(span)
    assert reading is not None
    return reading.call


FEATURES: dict[str, tuple[dict[str, Any], str]] = {
    "our attribute, copied from baggage": ({"llmtrace.feature": "search"}, "attribute"),
    "association": ({"traceloop.association.properties.feature": "search"}, "metadata"),
    "our key in an association": ({"traceloop.association.properties.llmtrace.feature": "search"}, "metadata"),
    "metadata": ({"metadata": '{"feature": "search"}'}, "metadata"),
    "workflow": ({"traceloop.workflow.name": "search"}, "traceloop.workflow.name"),
    "function": ({"ai.telemetry.functionId": "search"}, "ai.telemetry.functionId"),
    "ours before all others": ({"llmtrace.feature": "search", "traceloop.workflow.name": "main"}, "attribute"),
    "the app's pairs before the workflow": (
        {"traceloop.association.properties.feature": "search", "traceloop.workflow.name": "main"},
        "metadata",
    ),
}


@pytest.mark.parametrize("name", FEATURES)
def test_the_feature_and_where_it_comes_from(name: str) -> None:
    said, source = FEATURES[name]
    call = read(openllmetry(attributes=said))
    assert (call.feature, call.feature_source) == ("search", source)


def test_a_span_that_names_no_feature_has_none() -> None:
    call = read(otel_new())
    assert (call.feature, call.feature_source, call.user_id, call.session_id) == (None, None, None, None)
    assert call.tags == {}


@pytest.mark.parametrize(
    "said",
    [
        {"user.id": "u1", "session.id": "s1"},
        {"gen_ai.user": "u1", "langfuse.session.id": "s1"},
        {"traceloop.association.properties.user_id": "u1", "traceloop.association.properties.session_id": "s1"},
        {"metadata": '{"user_id": "u1", "session_id": "s1"}'},
        {"ai.telemetry.metadata.userId": "u1", "ai.telemetry.metadata.sessionId": "s1"},
    ],
)
def test_user_and_session_in_every_spelling(said: dict[str, str]) -> None:
    call = read(otel_new(attributes=said))
    assert (call.user_id, call.session_id) == ("u1", "s1")


def test_everything_else_that_the_app_said_is_a_tag() -> None:
    said = {
        "metadata": '{"team": "web", "feature": "search", "deep": {"no": 1}, "beta": true}',
        "tag.tags": ("blue", "city:Rome"),
        "traceloop.association.properties.region": "eu",
    }
    call = read(openinference(attributes=said))
    assert call.tags == {"team": "web", "beta": "True", "blue": "true", "city": "Rome", "region": "eu"}


@pytest.mark.parametrize("metadata", ["{", "[1]", '"x"', "", '{"feature": ""}', '{"feature": null}', '{"feature": {}}'])
def test_metadata_that_say_nothing_are_passed_over(metadata: str) -> None:
    assert read(openinference(attributes={"metadata": metadata})).feature is None
