"""Received spans: what is cut, what is redacted, and what is never touched."""

import json
from pathlib import Path
from typing import Any

import pytest
from foreign_spans import failure, make_span, otel_new
from samples import make_call

from llmtrace import codec, otlp_bytes, wire
from llmtrace.dialects import read
from llmtrace.model import Call, Span
from llmtrace.receiving import SPAN_ATTRIBUTES, make_fit
from llmtrace.redaction.fitting import MAX_BYTES
from llmtrace.semconv import ATTRIBUTES_CUT

KEY = "sk-ant-api03-" + "a1B2" * 10
MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": f"mail bob@example.org, key {KEY}"}]}]


def received(span: Span, home: Path) -> Span:
    payload = otlp_bytes.encode([span])
    request = wire.parse(payload)
    make_fit(request, payload, home)
    after = request.SerializeToString()
    (kept,) = wire.decode(after)
    return kept


def call_of(span: Span) -> Call:
    reading = read(span)
    assert reading is not None
    return reading.call


def test_a_span_without_secrets_is_not_touched(tmp_path: Path) -> None:
    payload = otlp_bytes.encode([otel_new(), codec.to_span(make_call(1), {"service.name": "a"})])
    request = wire.parse(payload)
    assert make_fit(request, payload, tmp_path).changed == 0
    assert request.SerializeToString() == payload


def test_secrets_are_taken_out_of_attributes_events_status_and_resource(tmp_path: Path) -> None:
    attributes = {
        "gen_ai.input.messages": json.dumps(MESSAGES),
        "input.value": f"plain {KEY}",
        "http.request.header.authorization": "anything",
        "url.full": f"https://bob:pw123456@h.example/x?key={KEY}",
        "server.address": "bob:pw123456@h.example",
        "many": ("fine", KEY),
        "gen_ai.request.model": "gpt-4o",
    }
    span = otel_new(
        attributes=attributes, resource={"process.command_line": f"app --api-key={KEY}"}, **failure("E", f"no {KEY}")
    )
    kept = received(span, tmp_path)
    assert KEY.encode() not in otlp_bytes.encode([kept])
    assert b"pw123456" not in otlp_bytes.encode([kept])
    assert kept.attributes["http.request.header.authorization"] == "[redacted]"
    assert kept.attributes["url.full"] == "https://[redacted:password]@h.example/x?key=[redacted:key]"
    assert kept.attributes["server.address"] == "h.example"
    assert kept.attributes["many"] == ("fine", "[redacted:key]")
    assert kept.status_message == "no [redacted:key]"
    assert json.loads(str(kept.attributes["gen_ai.input.messages"]))[0]["parts"][0]["content"] == (
        "mail [redacted:email], key [redacted:key]"
    )


@pytest.mark.parametrize("size", [2_000_000, 70_000])
def test_a_huge_prompt_is_cut_and_usage_stays(size: int, tmp_path: Path) -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "é" * size}]}]
    span = otel_new(
        attributes={"gen_ai.input.messages": json.dumps(messages, ensure_ascii=False), "llmtrace.feature": "big"}
    )
    kept = received(span, tmp_path)
    call = call_of(kept)
    assert len(str(kept.attributes["gen_ai.input.messages"]).encode()) <= MAX_BYTES
    assert json.loads(str(kept.attributes["gen_ai.input.messages"]))
    assert kept.attributes[ATTRIBUTES_CUT] == 1
    assert (call.usage.input_tokens, call.request.model, call.feature) == (1000, "gpt-4o", "big")


@pytest.mark.parametrize("tail", ["😀", "é", "x"])
def test_a_long_attribute_is_cut_between_characters(tail: str, tmp_path: Path) -> None:
    kept = received(make_span(attributes={"note": "a" * (MAX_BYTES + 1 - len(tail.encode())) + tail}), tmp_path)
    text = str(kept.attributes["note"])
    assert len(text.encode()) <= MAX_BYTES
    assert text.endswith("…[cut]")


@pytest.mark.parametrize("position", ["first", "last"])
def test_of_too_many_attributes_those_of_the_bill_are_kept(position: str, tmp_path: Path) -> None:
    said = dict(otel_new().attributes) | {"llmtrace.feature": "search"}
    crowd = {f"x.{n}": n for n in range(1000)} | {f"gen_ai.prompt.{n}.content": "hi" for n in range(300)}
    attributes: dict[str, Any] = {**said, **crowd} if position == "first" else {**crowd, **said}
    kept = received(make_span(attributes=attributes), tmp_path)
    call = call_of(kept)
    assert len(kept.attributes) == SPAN_ATTRIBUTES + 1
    assert kept.attributes[ATTRIBUTES_CUT] == len(attributes) - SPAN_ATTRIBUTES
    assert not any(name.startswith("gen_ai.prompt.") for name in kept.attributes)
    assert (call.usage.input_tokens, call.usage.output_tokens, call.request.model) == (1000, 100, "gpt-4o")
    assert (call.response.id, call.feature) == ("chatcmpl-1", "search")


@pytest.mark.expects_warning
def test_with_a_wrong_pattern_content_goes_and_the_bill_stays(tmp_path: Path) -> None:
    (tmp_path / "llmtrace.toml").write_text("[privacy]\nredact = ['(']\n")
    kept = received(otel_new(attributes={"gen_ai.input.messages": "[]", "note": "hello"}), tmp_path)
    assert "gen_ai.input.messages" not in kept.attributes
    assert kept.attributes["note"] == "[redacted]"
    assert "llmtrace.toml, line 2" in str(kept.attributes["llmtrace.content.withheld"])
    assert call_of(kept).usage.input_tokens == 1000
    assert call_of(kept).request.provider == "openai"


def test_content_of_others_is_dropped_where_it_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    span = otel_new(attributes={"gen_ai.input.messages": "[]", "input.value": "x"})
    assert "input.value" in received(span, tmp_path).attributes
    monkeypatch.setenv("LLMTRACE_CAPTURE_CONTENT", "off")
    assert not {"gen_ai.input.messages", "input.value"} & set(received(span, tmp_path).attributes)
