"""Whatever a foreign span holds, it is read, priced and stored, or left alone: no error, no journal that is stuck."""

from pathlib import Path
from typing import Any

import pytest
from foreign_spans import (
    anthropic_sdk,
    langfuse,
    litellm,
    logfire,
    make_span,
    mistral_sdk,
    openinference,
    openllmetry,
    otel_new,
    otel_old,
    vercel,
    vercel_7,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtrace import codec, dialects, otlp_bytes, semconv, wire
from llmtrace.dialects import attribution, base, otel
from llmtrace.dialects import openinference as inference
from llmtrace.dialects import openllmetry as traceloop
from llmtrace.ingest import Ingester, summarise
from llmtrace.ingest.pricing import price_span
from llmtrace.journal import CounterFile, JournalWriter, read_counters
from llmtrace.model import Span, SpanEvent
from llmtrace.pricing import load_book
from llmtrace.store.base import Batch
from llmtrace.store.duckdb import DuckStore

BUILDERS = (
    *(otel_new, otel_old, openllmetry, openinference, vercel, anthropic_sdk),
    *(logfire, litellm, langfuse, mistral_sdk, vercel_7),
)
BOOK = load_book()
NAMES = sorted(
    {
        *(name for build in BUILDERS for name in build().attributes),
        *(v for k, v in vars(semconv).items() if k.isupper() and isinstance(v, str) and not v.endswith(".")),
        *(
            o
            for table in (otel.RENAMED, otel.FIRST, traceloop.RENAMED, inference.RENAMED)
            for _, os in table
            for o in os
        ),
        *(n for _, _, others in attribution.KEYS for n in others),
        *base.COUNTS,
        base.TOTAL_TOKENS,
        *("llm.input_messages.0.message.content", "llm.output_messages.7.message.tool_calls.0.tool_call.function.name"),
        *("gen_ai.prompt.0.content", "gen_ai.prompt.99999999999.role", "gen_ai.completion.x.content"),
        "metadata",
        "tag.tags",
        "output.value",
        "traceloop.association.properties.x",
        "anthropic.beta",
        "gen_ai.openai.api_base",
        *("gen_ai.usage.raw", "duration", "metadata.usage_object", "hidden_params", "http.url", "server.address"),
        *("langfuse.observation.completion_start_time", "langfuse.observation.input", "langfuse.observation.output"),
        semconv.TAG_PREFIX + "t",
        semconv.TOOL_REQUESTS_PREFIX + "web_search",
        semconv.RATE_LIMIT_PREFIX + "r",
    }
)
SCOPES = sorted({"", "x", semconv.SCOPE_NAME, *(scope for d in dialects.DIALECTS for scope in d.scopes)})

integers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 10**6, 10**9, 10**12, 2**31, 2**53]))
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["chat", "LLM", "EMBEDDING", "embeddings", "openai", "anthropic", "gpt-4o", "claude-sonnet-4-6"]),
    st.sampled_from(["{}", "[", '{"usage": {}}', '{"object": "chat.completion", "usage": {"prompt_tokens": -1}}']),
    st.sampled_from(
        [
            '{"finish_reason": 3, "message": {"content": 3}}',
            "{'prompt_tokens': -1, 'prompt_tokens_details': 3}",
            '{"additional_headers": 3, "prompt_tokens": 7, "messages": [{"tool_calls": [3]}]}',
            '{"type": "message", "usage": {"input_tokens": 1e300, "iterations": 3}}',
            "NaN",
            "http://[",
            "\x00",
        ]
    ),
)
values: Any = st.one_of(
    texts,
    st.booleans(),
    integers,
    st.floats(),
    st.lists(texts, max_size=3).map(tuple),
    st.lists(integers, max_size=3).map(tuple),
    st.lists(st.floats(), max_size=3).map(tuple),
)


@st.composite
def foreign(draw: st.DrawFn) -> Span:
    """A good span of some dialect with anything put into it, or nothing but that."""
    number = draw(st.integers(1, 2**31))
    known = dict(draw(st.sampled_from(BUILDERS))(number).attributes) if draw(st.booleans()) else {}
    said = {**known, **draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=12))}
    events = draw(
        st.lists(
            st.builds(
                SpanEvent,
                st.sampled_from(["exception", "First Token Stream Event", "gen_ai.content.prompt", "gen_ai.choice"]),
                st.integers(0, 2**64 - 1),
                st.dictionaries(
                    st.sampled_from(["exception.type", "gen_ai.prompt", "gen_ai.event.content"]), values, max_size=2
                ),
            ),
            max_size=3,
        )
    )
    return make_span(
        number,
        draw(st.sampled_from(SCOPES)),
        said,
        name=draw(texts),
        status_code=draw(st.sampled_from([0, 1, 2])),
        status_message=draw(texts),
        events=tuple(events),
        resource=draw(st.dictionaries(st.sampled_from(["service.name", "deployment.environment"]), values, max_size=2)),
    )


@settings(max_examples=400, deadline=None)
@given(foreign())
def test_a_span_that_came_over_the_wire_is_read_without_an_error(span: Span) -> None:
    [arrived] = wire.decode(otlp_bytes.encode([span]))
    reading = dialects.read(arrived)
    if reading is not None:
        again = codec.encode(reading.call)
        assert all(value is not None for value in again.values())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(foreign(), min_size=1, max_size=8))
def test_whatever_comes_is_stored_and_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, spans: list[Span]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    counter, writer = CounterFile(folder, "app", "svc"), JournalWriter(folder, "app")
    counter.write(len(spans), {})
    for span in spans:
        writer.append(otlp_bytes.encode([span]), 1)
    store = DuckStore(folder / "t.duckdb")
    try:
        Ingester(store, folder, BOOK).run()
        figures = summarise(store.progress().processes, read_counters(folder))
        keys = {(span.trace_id, span.span_id) for span in spans}
        assert store.query("SELECT count(*) FROM spans").rows == [(len(keys),)]
        again = len(spans) - len(keys)
        dropped = {"duplicate": again} if again else {}
        assert (figures.ended, figures.stored, figures.pending) == (len(spans), len(keys), 0)
        assert figures.dropped == dropped
    finally:
        store.close()
        counter.close()
        writer.close()


# What a column cannot hold, or a parser not take: each would stop the journal for good if it reached a commit.
POISONS: dict[str, tuple[str, Any]] = {
    "status beyond its column": (semconv.HTTP_STATUS_CODE, 2**40),
    "negative status": (semconv.HTTP_STATUS_CODE, -(2**62)),
    "attempts that fill the memory": (semconv.ATTEMPTS, 2**60),
    "a time that is none": (semconv.TTFT_S, float("nan")),
    "a time without end": (semconv.TTFT_S, float("inf")),
    "more tokens than money": (semconv.USAGE_INPUT_TOKENS, 2**62),
    "more searches than money": (semconv.TOOL_REQUESTS_PREFIX + "web_search", 2**62),
    "raw usage without end": (semconv.USAGE_RAW, '{"prompt_tokens": 1e300, "completion_tokens": 5}'),
    "raw usage of many digits": (semconv.USAGE_RAW, '{"prompt_tokens": 1%s}' % ("0" * 60)),
    "raw usage without a bottom": (semconv.USAGE_RAW, "[" * 100_000),
    "messages cut off by a limit": (semconv.INPUT_MESSAGES, '[{"role": "user", "parts": [{"content": "Tell m'),
    "instructions that are no JSON": (semconv.SYSTEM_INSTRUCTIONS, "Be brief."),
    "half a character": (semconv.OUTPUT_MESSAGES, '["\\ud83d"]'),
    "a number that is none": (semconv.OUTPUT_MESSAGES, "[NaN, 1e999]"),
    "nul": (semconv.USER_ID, "\x00"),
    "waits that are no numbers": (semconv.ATTEMPT_WAITS_S, ("x", "y")),
}


@pytest.mark.parametrize("scope", [semconv.SCOPE_NAME, "opentelemetry.instrumentation.genai.openai"])
@pytest.mark.parametrize("poison", POISONS)
def test_a_poisonous_value_costs_itself_alone(tmp_path: Path, scope: str, poison: str) -> None:
    name, value = POISONS[poison]
    said = {name: value, semconv.ATTEMPT_OUTCOMES: ("500", "200")}
    [arrived] = wire.decode(otlp_bytes.encode([otel_new(1, scope=scope, attributes=said)]))
    priced = price_span(BOOK, arrived)
    assert priced is not None
    store = DuckStore(tmp_path / "t.duckdb")
    assert store.commit(Batch(spans=[(arrived, "p")], calls=[priced])) == 1
    assert store.query("SELECT response_id FROM calls WHERE ttft_s IS NULL").rows == [("chatcmpl-1",)]
    store.close()


def test_content_that_is_no_json_is_kept_as_text(tmp_path: Path) -> None:
    span = otel_new(1, attributes={semconv.INPUT_MESSAGES: '[{"role": "us'})
    priced = price_span(BOOK, span)
    assert priced is not None
    store = DuckStore(tmp_path / "t.duckdb")
    store.commit(Batch(spans=[(span, "p")], calls=[priced]))
    assert store.query("SELECT input_messages->>'$' FROM contents").rows == [('[{"role": "us',)]
    store.close()


@pytest.mark.expects_warning
def test_a_span_that_defeats_its_reader_is_rejected_alone_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_one(span: Span) -> Any:
        if span.scope == "bad":
            raise ZeroDivisionError("our bug")
        return read(span)

    read = dialects.read
    monkeypatch.setattr(dialects, "read", fail_for_one)
    (tmp_path / "journal").mkdir()
    counter, writer = CounterFile(tmp_path / "journal", "app", "svc"), JournalWriter(tmp_path / "journal", "app")
    counter.write(3, {})
    for span in (otel_new(1), otel_new(2, scope="bad"), otel_new(3)):
        writer.append(otlp_bytes.encode([span]), 1)
    store = DuckStore(tmp_path / "t.duckdb")
    Ingester(store, tmp_path / "journal", BOOK).run()
    figures = summarise(store.progress().processes, read_counters(tmp_path / "journal"))
    assert (figures.ended, figures.stored, figures.dropped) == (3, 2, {"invalid_span": 1})
    assert store.query("SELECT count(*) FROM calls").rows == [(2,)]
    store.close()
