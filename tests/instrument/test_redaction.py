"""With real SDKs: what must not be stored is in no file, with content and without; usage is always there."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import openai
import pytest
from calling import make_clients
from conftest import recorded_calls

import llmtrace
from llmtrace.redaction import redactor
from llmtrace.simulator import Fault, Simulator

SECRETS = ["sk-ant-api03-" + "a1B2" * 10, "bob@example.org", "4111 1111 1111 1111", "hunter22"]
PROMPT = f"key {SECRETS[0]}, mail {SECRETS[1]}, card {SECRETS[2]}, https://bob:{SECRETS[3]}@db.internal/x"
PICTURE = base64.b64encode(random.Random(2).randbytes(2000)).decode()


def written(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_secrets_in_prompts_and_answers_reach_no_file(
    provider: str, is_stream: bool, simulator: Simulator, home: Path
) -> None:
    simulator.answer(text=f"You said {SECRETS[1]} and {SECRETS[2]}.")
    llmtrace.instrument(home=home, capture_content=True)
    clients, messages = make_clients(simulator), [{"role": "user", "content": PROMPT}]
    with llmtrace.feature("support", user="carol@example.org"):
        if provider == "openai":
            got: Any = clients.openai.chat.completions.create(model="gpt-4o", messages=messages, stream=is_stream)  # type: ignore[call-overload]
        else:
            got = clients.anthropic.messages.create(
                model="claude-sonnet-4-6",
                max_tokens=99,
                messages=messages,  # type: ignore[arg-type]
                stream=is_stream,
            )
        if is_stream:
            list(got)
    (call,) = recorded_calls(home)
    assert [s for s in SECRETS if s.encode() in written(home)] == []
    assert call.content is not None
    assert "key [redacted:key], mail [redacted:email], card [redacted:card]" in str(call.content.input_messages)
    assert "You said [redacted:email] and [redacted:card]." in str(call.content.output_messages)
    assert (call.feature, call.user_id, call.usage.input_tokens is not None) == ("support", "carol@example.org", True)


def test_pictures_reach_no_file(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    source: Any = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    image: Any = {"type": "image", "source": source}
    result: Any = {"type": "tool_result", "tool_use_id": "t1", "content": [image]}
    clients = make_clients(simulator)
    clients.anthropic.messages.create(
        model="claude-sonnet-4-6", max_tokens=9, messages=[{"role": "user", "content": [image, result]}]
    )
    (call,) = recorded_calls(home)
    assert PICTURE[:50].encode() not in written(home)
    assert call.content is not None
    assert str(call.content.input_messages).count('"bytes":2000') == 2


def test_the_apps_own_objects_are_not_redacted(simulator: Simulator, home: Path) -> None:
    simulator.answer(text=PROMPT)
    llmtrace.instrument(home=home, capture_content=True)
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    got = make_clients(simulator).openai.chat.completions.create(model="gpt-4o", messages=messages)
    llmtrace.flush()
    assert got.choices[0].message.content == PROMPT
    assert messages == [{"role": "user", "content": PROMPT}]
    assert simulator.requests[0].body["messages"] == messages


def test_addresses_and_errors_are_redacted_without_content_too(simulator: Simulator, home: Path) -> None:
    key, password = "AIza" + "Sy-1a2B3c4" * 4, "hunter22"
    simulator.fault(Fault.status(401))
    llmtrace.instrument(home=home, http_spans=True)
    url = simulator.openai_base_url.replace("://", f"://bob:{password}@")
    client = openai.OpenAI(base_url=url, api_key="k", default_query={"key": key}, max_retries=0)
    with llmtrace.feature("a", note=f"uses {key}"), pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    client.close()
    assert llmtrace.flush()
    assert b"uses [redacted:key]" in written(home)
    assert [s for s in (key, password) if s.encode() in written(home)] == []
    assert b"key=[redacted:key]" in written(home)


@pytest.mark.expects_warning
def test_a_wrong_pattern_withholds_content_and_keeps_usage(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LLMTRACE_REDACT", "EMP-(")
    llmtrace.instrument(home=home, capture_content=True)
    with llmtrace.feature("support"):
        make_clients(simulator).openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "EMP-1 in the harbour"}]
        )
    (call,) = recorded_calls(home)
    assert call.content is not None
    assert call.content.input_messages is None
    assert "LLMTRACE_REDACT, line 1: 'EMP-(' is no regular expression" in str(call.content.withheld)
    assert b"harbour" not in written(home)
    assert (call.feature, call.usage_source, call.request.model) == ("support", "provider", "gpt-4o")
    assert "LLMTRACE_REDACT, line 1" in caplog.text


def test_patterns_of_ones_own_are_redacted(simulator: Simulator, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text("[privacy]\nredact = ['EMP-\\d{6}']\n")
    llmtrace.instrument(home=home, capture_content=True)
    make_clients(simulator).openai.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "ask EMP-123456 about EMP-12"}]
    )
    (call,) = recorded_calls(home)
    assert call.content is not None
    (message,) = json.loads(str(call.content.input_messages))
    assert message["parts"][0]["content"] == "ask [redacted:own] about EMP-12"


def test_redaction_runs_on_no_thread_of_the_app(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    threads: list[str] = []
    original = redactor.Redactor.content

    def content(self: redactor.Redactor, given: Any) -> Any:
        threads.append(threading.current_thread().name)
        return original(self, given)

    monkeypatch.setattr(redactor.Redactor, "content", content)
    llmtrace.instrument(home=home, capture_content=True)
    make_clients(simulator).openai.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    llmtrace.flush()
    assert threads == ["llmtrace-journal"]
