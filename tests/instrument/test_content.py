"""Prompts and answers: kept only when asked for, in OpenTelemetry's shapes, and never more than fits."""

import asyncio
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from calling import ANTHROPIC, OPENAI, closing, make_clients
from conftest import recorded_calls

import llmtrace
from llmtrace.model import Content
from llmtrace.redaction.fitting import MAX_BYTES, fit_json
from llmtrace.simulator import Fault, Simulator

TOOL_NAME = "find_boat"
OPENAI_TOOL = {
    "type": "function",
    "function": {"name": TOOL_NAME, "description": "Finds a boat.", "parameters": {"type": "object", "properties": {}}},
}
ANTHROPIC_TOOL = {
    "name": TOOL_NAME,
    "description": "Finds a boat.",
    "input_schema": {"type": "object", "properties": {}},
}


def content_of(home: Path) -> Content:
    (call,) = recorded_calls(home)
    assert call.content is not None
    return call.content


def loads(text: str | None) -> Any:
    assert text is not None
    return json.loads(text)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (None, "", False),
        ("LLMTRACE_CAPTURE_CONTENT", "true", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_only", True),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "event_only", False),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "false", False),
    ],
)
def test_content_is_kept_only_when_asked_for(
    variable: str | None,
    value: str,
    expected: bool,
    simulator: Simulator,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, value)
    llmtrace.instrument(home=home)
    make_clients(simulator).openai.chat.completions.create(**OPENAI)
    (call,) = recorded_calls(home)
    assert (call.content is not None) is expected
    segment = next((home / "journal").glob("*.segment")).read_bytes()
    assert (b"harbour" in segment) is expected


def test_a_chat_completion_is_kept_as_messages(simulator: Simulator, home: Path) -> None:
    simulator.answer(text="It is quiet.")
    llmtrace.instrument(home=home, capture_content=True)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look"}, picture]},
    ]
    make_clients(simulator).openai.chat.completions.create(model="gpt-4o", messages=messages)
    content = content_of(home)
    assert loads(content.input_messages) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look"},
                {
                    "type": "blob",
                    "modality": "image",
                    "mime_type": "image/png",
                    "content": "",
                    "bytes": 3,
                    "sha256": sha256(bytes(3)).hexdigest(),
                },
            ],
        },
    ]
    assert loads(content.output_messages) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "It is quiet."}], "finish_reason": "stop"}
    ]
    assert content.tool_definitions is None


def test_a_message_is_kept_with_its_system_prompt(simulator: Simulator, home: Path) -> None:
    simulator.answer(text="It is quiet.")
    llmtrace.instrument(home=home, capture_content=True)
    make_clients(simulator).anthropic.messages.create(**ANTHROPIC, system="Be brief.")
    content = content_of(home)
    assert loads(content.system_instructions) == [{"type": "text", "content": "Be brief."}]
    assert loads(content.input_messages)[0]["role"] == "user"
    assert loads(content.output_messages)[0]["parts"] == [{"type": "text", "content": "It is quiet."}]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_tool_calls_are_the_same_from_a_stream_as_from_a_body(
    provider: str, is_stream: bool, simulator: Simulator, home: Path
) -> None:
    simulator.answer(tool_calls=[(TOOL_NAME, {"name": "Adèle", "year": 1931})])
    llmtrace.instrument(home=home, capture_content=True)
    clients = make_clients(simulator)
    if provider == "openai":
        opened: Any = clients.openai.chat.completions.create(**OPENAI, tools=[OPENAI_TOOL], stream=is_stream)
    else:
        opened = clients.anthropic.messages.create(**ANTHROPIC, tools=[ANTHROPIC_TOOL], stream=is_stream)
    if is_stream:
        list(opened)
    content = content_of(home)
    (message,) = loads(content.output_messages)
    (part,) = [p for p in message["parts"] if p["type"] == "tool_call"]
    assert (part["name"], part["arguments"]) == (TOOL_NAME, {"name": "Adèle", "year": 1931})
    assert message["finish_reason"] == "tool_call"
    (tool,) = loads(content.tool_definitions)
    assert (tool["name"], tool["description"]) == (TOOL_NAME, "Finds a boat.")


def test_a_stream_is_kept_as_far_as_it_was_read(simulator: Simulator, home: Path) -> None:
    simulator.answer(text="one two three four five six seven eight nine ten")
    llmtrace.instrument(home=home, capture_content=True)
    with make_clients(simulator).anthropic.messages.create(**ANTHROPIC, stream=True) as stream:
        for i, _ in enumerate(stream):
            if i == 4:
                break
    (message,) = loads(content_of(home).output_messages)
    assert message["finish_reason"] == "error"
    assert "one two three four five six seven eight nine ten".startswith(message["parts"][0]["content"])


def test_a_failed_call_keeps_its_prompt(simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.status(400))
    llmtrace.instrument(home=home, capture_content=True)
    with pytest.raises(Exception, match="400"):
        make_clients(simulator).openai.chat.completions.create(**OPENAI)
    content = content_of(home)
    assert "harbour" in str(content.input_messages)
    assert content.output_messages is None


def test_a_call_that_is_cancelled_before_the_answer_keeps_its_prompt(simulator: Simulator, home: Path) -> None:
    simulator.fault(Fault.hang())
    llmtrace.instrument(home=home, capture_content=True)
    clients = make_clients(simulator)

    async def cancel() -> None:
        task = asyncio.ensure_future(clients.openai_async.chat.completions.create(**OPENAI))
        while not simulator.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(closing(clients, cancel))
    assert "harbour" in str(content_of(home).input_messages)


def test_async_calls_keep_content_too(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    clients = make_clients(simulator)
    asyncio.run(closing(clients, lambda: clients.openai_async.chat.completions.create(**OPENAI)))
    assert "harbour" in str(content_of(home).input_messages)


def test_what_the_caller_changes_afterwards_does_not_change_the_record(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    messages: list[Any] = [{"role": "user", "content": "first"}]
    make_clients(simulator).openai.chat.completions.create(model="gpt-4o", messages=messages)
    messages.append({"role": "user", "content": "later"})
    messages[0]["content"] = "changed"
    assert loads(content_of(home).input_messages) == [{"role": "user", "parts": [{"type": "text", "content": "first"}]}]


def test_no_key_of_any_header_is_ever_kept(simulator: Simulator, home: Path) -> None:
    import openai

    llmtrace.instrument(home=home, capture_content=True)
    client = openai.OpenAI(
        base_url=simulator.openai_base_url, api_key="sk-secret-0123456789", organization="org-secret"
    )
    client.chat.completions.create(**OPENAI, extra_headers={"x-private": "secret-header"})
    client.close()
    recorded_calls(home)
    written = b"".join(p.read_bytes() for p in (home / "journal").iterdir())
    assert b"secret" not in written


@pytest.mark.parametrize("length", [10, 70_000, 2_000_000])
def test_json_stays_json_and_fits(length: int) -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "é" * length}]} for _ in range(30)]
    text = fit_json(messages)
    assert text is not None
    assert len(text.encode()) <= MAX_BYTES
    assert json.loads(text)[-1]["role"] == "user"


def test_usage_survives_a_huge_prompt(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    with llmtrace.feature("big"):
        make_clients(simulator).openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "😀" * 500_000}]
        )
    (call,) = recorded_calls(home)
    assert (call.feature, call.usage_source, call.request.model) == ("big", "provider", "gpt-4o")
    assert call.content is not None
    assert call.content.input_messages is not None
    assert json.loads(call.content.input_messages)


@pytest.mark.parametrize(
    ("schema", "provider"),
    [(name, p) for name in ("gen-ai-input-messages", "gen-ai-output-messages") for p in ("openai", "anthropic")],
)
def test_messages_fit_opentelemetrys_schemas(schema: str, provider: str, simulator: Simulator, home: Path) -> None:
    data = os.environ.get("LLMTRACE_TEST_DATA")
    if data is None:
        pytest.skip("external data: LLMTRACE_TEST_DATA is not set")
    definition = json.loads((Path(data) / "semconv" / "schemas" / f"{schema}.json").read_text())
    llmtrace.instrument(home=home, capture_content=True)
    clients = make_clients(simulator)
    if provider == "openai":
        clients.openai.chat.completions.create(**OPENAI, tools=[OPENAI_TOOL])
    else:
        clients.anthropic.messages.create(**ANTHROPIC, tools=[ANTHROPIC_TOOL])
    content = content_of(home)
    text = content.input_messages if "input" in schema else content.output_messages
    jsonschema.validate(loads(text), definition)
