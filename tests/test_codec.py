from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from llmtrace import codec, otlp_bytes, semconv, wire
from llmtrace.model import Attempt, Call, Content, Request, Response, Span, Usage

names = st.text(min_size=1, max_size=20).filter(lambda t: t.isprintable())
counts = st.integers(0, 2**40)
optional_names = st.none() | names
optional_counts = st.none() | counts
seconds = st.floats(0, 1e5, allow_nan=False)
usages = st.builds(Usage, *[optional_counts] * 8)
requests = st.builds(
    Request,
    provider=st.sampled_from(["openai", "anthropic", "openrouter"]),
    operation=st.just("chat"),
    endpoint=st.sampled_from(["chat.completions", "messages"]),
    model=optional_names,
    stream=st.booleans(),
    server_address=optional_names,
    server_port=st.none() | st.integers(1, 65535),
    max_tokens=optional_counts,
    temperature=st.none() | seconds,
    top_p=st.none() | seconds,
    top_k=optional_counts,
    seed=optional_counts,
    choice_count=optional_counts,
    stop_sequences=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
    service_tier=st.none() | st.sampled_from(["flex", "priority"]),
)
responses = st.builds(
    Response,
    id=optional_names,
    model=optional_names,
    finish_reasons=st.none() | st.lists(names, min_size=1, max_size=3).map(tuple),
    service_tier=optional_names,
    system_fingerprint=optional_names,
    refusal_category=optional_names,
    usage=st.none() | st.dictionaries(names, counts, min_size=1, max_size=3),
)
calls = st.builds(
    Call,
    trace_id=st.integers(1, 2**128 - 1).map(lambda n: f"{n:032x}"),
    span_id=st.integers(1, 2**64 - 1).map(lambda n: f"{n:016x}"),
    parent_span_id=st.none() | st.integers(1, 2**64 - 1).map(lambda n: f"{n:016x}"),
    started_at_ns=st.integers(1, 2**60),
    duration_s=st.integers(0, 10**12).map(lambda n: n / 1e9),
    request=requests,
    response=responses,
    status=st.sampled_from(["ok", "error", "cancelled"]),
    ttft_s=st.none() | seconds,
    time_to_first_chunk_s=st.none() | seconds,
    usage=usages,
    usage_source=st.sampled_from(["provider", "estimated", "missing"]),
    usage_complete=st.booleans(),
    error_type=optional_names,
    http_status=st.none() | st.integers(100, 599),
    request_id=optional_names,
    request_sent=st.booleans(),
    attempts=st.lists(st.builds(Attempt, names, seconds), min_size=2, max_size=4).map(tuple),
    rate_limits=st.dictionaries(names, seconds, max_size=3),
    feature=optional_names,
    feature_source=optional_names,
    user_id=optional_names,
    session_id=optional_names,
    tenant=optional_names,
    prompt_version=optional_names,
    tags=st.dictionaries(names, names, max_size=3),
    content=st.none() | st.builds(Content, input_messages=names, output_messages=optional_names),
)


@given(calls)
def test_a_call_survives_the_way_through_attributes_and_protobuf(call: Call) -> None:
    span = codec.to_span(call, {"service.name": "svc"})
    (read,) = wire.decode(otlp_bytes.encode([span]))
    again = codec.decode(read)
    assert again is not None
    assert replace(again, duration_s=0.0) == replace(call, duration_s=0.0)
    assert abs(again.duration_s - call.duration_s) < 1e-9 * max(1.0, call.duration_s)


def test_what_nobody_said_writes_no_attribute() -> None:
    call = Call("1" * 32, "2" * 16, 1, 0.5, Request("openai", "chat", "chat.completions"))
    assert set(codec.encode(call)) == {
        semconv.PROVIDER_NAME, semconv.OPERATION_NAME, semconv.ENDPOINT, semconv.OPENAI_API_TYPE, semconv.USAGE_SOURCE,
    }  # fmt: skip


def test_an_attribute_of_another_type_reads_as_absent() -> None:
    attributes = {
        semconv.PROVIDER_NAME: "openai",
        semconv.OPERATION_NAME: "chat",
        semconv.USAGE_INPUT_TOKENS: "many",
        semconv.REQUEST_TEMPERATURE: True,
        semconv.USAGE_RAW: "{broken",
    }
    call = codec.decode(Span("1" * 32, "2" * 16, None, "chat", 1, 2, attributes=attributes))
    assert call is not None
    assert call.usage.input_tokens is None
    assert call.request.temperature is None
    assert call.response.usage is None
    assert call.usage_source == "missing"


def test_a_span_that_is_no_call_decodes_to_nothing() -> None:
    assert codec.decode(Span("1" * 32, "2" * 16, None, "GET /", 1, 2, attributes={"http.method": "GET"})) is None


def test_half_a_character_does_not_cost_the_span() -> None:
    span = Span("1" * 32, "2" * 16, None, "chat", 1, 2, attributes={"llmtrace.feature": "half \ud83d"})
    (read,) = wire.decode(otlp_bytes.encode([span]))
    assert read.attributes["llmtrace.feature"] == "half ?"


def test_a_count_beyond_64_bits_travels_as_text() -> None:
    span = Span("1" * 32, "2" * 16, None, "chat", 1, 2, attributes={"n": 2**70})
    (read,) = wire.decode(otlp_bytes.encode([span]))
    assert read.attributes["n"] == str(2**70)
