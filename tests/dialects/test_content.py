"""Prompts and answers of foreign spans are kept where ours are, and nowhere else."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from foreign_spans import openinference, openllmetry, otel_new, otel_old

from llmtrace import dialects
from llmtrace.ingest.pricing import price_span
from llmtrace.model import Content, Span, SpanEvent
from llmtrace.pricing import load_book
from llmtrace.store.base import Batch
from llmtrace.store.duckdb import DuckStore

INFERENCE = {
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.10.message.role": "tool",
    "llm.input_messages.10.message.content": "sunny",
    "llm.input_messages.10.message.tool_call_id": "call_1",
    "llm.input_messages.2.message.role": "user",
    "llm.input_messages.2.message.contents.0.message_content.type": "text",
    "llm.input_messages.2.message.contents.0.message_content.text": "Weather?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city": "Rome"}',
}
TRACELOOP = {
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief.",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": "Weather?",
    "gen_ai.prompt.2.role": "tool",
    "gen_ai.prompt.2.content": "sunny",
    "gen_ai.prompt.2.tool_call_id": "call_1",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.tool_calls.0.id": "call_1",
    "gen_ai.completion.0.tool_calls.0.name": "weather",
    "gen_ai.completion.0.tool_calls.0.arguments": '{"city": "Rome"}',
}
SAID = {
    "input": [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sunny"}]},
    ],
    "output": [
        {
            "finish_reason": "stop",
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Rome"}}],
        }
    ],
}
SPANS = {
    "openinference": openinference(attributes=INFERENCE),
    "openllmetry": openllmetry(attributes=TRACELOOP),
    "events": otel_old(
        events=(
            SpanEvent("gen_ai.content.prompt", 5, {"gen_ai.prompt": '[{"role": "user", "content": "Weather?"}, 3]'}),
            SpanEvent(
                "gen_ai.content.completion", 6, {"gen_ai.completion": '[{"role": "assistant", "content": "Rain"}]'}
            ),
        )
    ),
}


def content(span: Span) -> Content:
    reading = dialects.read(span)
    assert reading is not None
    assert reading.call.content is not None
    return reading.call.content


def loads(text: str | None) -> Any:
    assert text is not None
    return json.loads(text)


@pytest.mark.parametrize("name", ["openinference", "openllmetry"])
def test_numbered_attributes_are_messages_in_their_order(name: str) -> None:
    found = content(SPANS[name])
    # The three messages of one have gaps between their numbers, and ten comes after two.
    assert loads(found.input_messages) == SAID["input"]
    assert loads(found.output_messages) == SAID["output"]


def test_events_of_the_generation_before_are_messages() -> None:
    found = content(SPANS["events"])
    assert loads(found.input_messages) == [{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}]
    assert loads(found.output_messages)[0]["parts"] == [{"type": "text", "content": "Rain"}]


CHOICE = {"index": 0, "finish_reason": "length", "message": {"content": "Rain"}}
ONE_EACH = otel_old(
    attributes={"gen_ai.response.finish_reasons": None},
    events=(
        SpanEvent("gen_ai.system.message", 5, {"gen_ai.event.content": '{"content": "Be brief."}'}),
        SpanEvent("gen_ai.user.message", 5, {"content": "Weather?", "gen_ai.system": "openai"}),
        SpanEvent("gen_ai.choice", 6, {"gen_ai.event.content": json.dumps(CHOICE)}),
    ),
)


def test_an_event_for_each_message_is_a_message() -> None:
    found = content(ONE_EACH)
    assert loads(found.input_messages) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
    ]
    answer = {"finish_reason": "length", "role": "assistant", "parts": [{"type": "text", "content": "Rain"}]}
    assert loads(found.output_messages) == [answer]


def test_the_event_of_a_choice_tells_why_it_ended() -> None:
    reading = dialects.read(ONE_EACH)
    assert reading is not None
    assert reading.call.response.finish_reasons == ("length",)


def test_a_span_without_messages_has_no_content() -> None:
    reading = dialects.read(otel_new())
    assert reading is not None
    assert reading.call.content is None


@pytest.mark.parametrize("name", SPANS)
def test_they_fit_opentelemetrys_schemas(name: str) -> None:
    data = os.environ.get("LLMTRACE_TEST_DATA")
    if data is None:
        pytest.skip("external data: LLMTRACE_TEST_DATA is not set")
    found = content(SPANS[name])
    for text, kind in ((found.input_messages, "input"), (found.output_messages, "output")):
        schema = json.loads((Path(data) / "semconv" / "schemas" / f"gen-ai-{kind}-messages.json").read_text())
        jsonschema.validate(loads(text), schema)


@pytest.mark.parametrize("name", ["openinference", "openllmetry"])
def test_what_was_said_stands_in_contents_alone(tmp_path: Path, name: str) -> None:
    more = {"input.value": "Weather?", "output.value": "sunny", "traceloop.entity.input": "Weather?"}
    spans = [SPANS[name], openinference(2, attributes={**more, "openinference.span.kind": "CHAIN"})]
    priced = [p for s in spans if (p := price_span(load_book(), s)) is not None]
    store = DuckStore(tmp_path / "t.duckdb")
    store.commit(Batch(spans=[(s, "p") for s in spans], calls=priced))
    attributes = store.query("SELECT string_agg(attributes::VARCHAR, '') FROM spans").rows[0][0]
    assert not any(word in attributes for word in ("Weather?", "sunny", "Rome", "brief"))
    kept = store.query("SELECT input_messages::VARCHAR, output_messages::VARCHAR FROM contents").rows
    assert ["Weather?" in kept[0][0], "Rome" in kept[0][1], len(kept)] == [True, True, 1]
    store.close()


def test_the_name_of_a_prompt_is_no_prompt(tmp_path: Path) -> None:
    span = otel_new(attributes={"gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "3"})
    store = DuckStore(tmp_path / "t.duckdb")
    store.commit(Batch(spans=[(span, "p")]))
    assert store.query("""SELECT attributes->>'$."gen_ai.prompt.name"' FROM spans""").rows == [("greeting",)]
    store.close()
