"""Spans as OTLP's bytes: what protobuf's own messages read from them is what was written."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llmtrace import otlp_bytes, semconv, wire
from llmtrace.model import Span, SpanEvent

SPAN = Span(
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    parent_span_id=None,
    name="chat gpt-4o",
    start_ns=1_790_000_000_000_000_001,
    end_ns=1_790_000_001_000_000_002,
    kind=3,
    status_code=0,
    status_message="",
    attributes={},
    resource={"service.name": "shop"},
    scope="llmtrace",
    events=(),
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(TEXTS, max_size=4).map(tuple),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(tuple),
    st.lists(st.floats(allow_nan=False), max_size=4).map(tuple),
)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=8)


def read(*spans: Span) -> list[Span]:
    return list(wire.decode(otlp_bytes.encode(spans)))


@given(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES, TEXTS)
def test_what_was_written_is_read(
    attributes: dict[str, Any], resource: dict[str, Any], of_event: dict[str, Any], name: str
) -> None:
    span = replace(
        SPAN, attributes=attributes, resource=resource, name=name, events=(SpanEvent("exception", 5, of_event),),
        parent_span_id="00f067aa0ba902b7", status_code=2, status_message=name,
    )  # fmt: skip
    assert read(span, SPAN) == [span, replace(SPAN, resource=resource)]


def test_a_plain_span_is_read_as_it_was() -> None:
    assert read(SPAN) == [SPAN]


def test_the_request_names_the_schema_of_its_spans() -> None:
    request = ExportTraceServiceRequest.FromString(otlp_bytes.encode([SPAN]))
    assert request.resource_spans[0].scope_spans[0].schema_url == semconv.SCHEMA_URL
    assert request.SerializeToString() == otlp_bytes.encode([SPAN])


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**63) - 1])
def test_a_number_that_otlp_has_no_room_for_is_text(number: int) -> None:
    [found] = read(replace(SPAN, attributes={"n": number}))
    assert found.attributes == {"n": str(number)}


def test_half_a_character_does_not_cost_the_span() -> None:
    [found] = read(replace(SPAN, attributes={"text": "a\ud83dz"}))
    assert found.attributes == {"text": "a?z"}


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 3_000_000])
def test_texts_of_every_length_are_read(size: int) -> None:
    [found] = read(replace(SPAN, attributes={"text": "x" * size}))
    assert found.attributes == {"text": "x" * size}


@pytest.mark.parametrize(
    "change", [{"trace_id": "0af7"}, {"span_id": "not hexadecimal"}, {"start_ns": -1}, {"end_ns": 2**64}]
)
def test_what_is_no_span_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"id|time|hex"):
        otlp_bytes.encode([replace(SPAN, **change)])


def test_many_different_keys_are_not_all_remembered() -> None:
    for n in range(3):
        names = [f"llmtrace.tag.{n}.{i}" for i in range(otlp_bytes.MOST_KEYS)]
        [found] = read(replace(SPAN, attributes=dict.fromkeys(names, "x")))
        assert set(found.attributes) == set(names)
    assert len(otlp_bytes._KEYS) <= otlp_bytes.MOST_KEYS


def test_a_subclass_of_a_plain_type_is_written_as_that_type() -> None:
    class Name(str):
        __slots__ = ()

    [found] = read(replace(SPAN, attributes={"name": Name("x")}))
    assert found.attributes == {"name": "x"}
