"""Spans of others at the sidecar: redacted in the database and in what is forwarded; keys are in no log."""

import base64
import json
import random
from pathlib import Path

import pytest
from foreign_spans import failure, langfuse, litellm, logfire, openinference, otel_new, vercel, vercel_7
from otlp_receiver import Receiver
from serving import serve, settled

import llmtrace
from llmtrace import otlp_bytes

KEY = "sk-ant-api03-" + "a1B2" * 10
PICTURE = base64.b64encode(random.Random(3).randbytes(60_000)).decode()
SECRETS = [KEY, "bob@example.org", "4111 1111 1111 1111", "hunter22", PICTURE[:60], "EMP-123456"]
PROMPT = f"{SECRETS[1]} pays {SECRETS[2]} with {KEY} at https://bob:hunter2222@h/x, EMP-123456"
MESSAGES = json.dumps([{"role": "user", "parts": [{"type": "text", "content": PROMPT}]}])


def test_spans_of_others_are_redacted_in_the_database_and_where_they_are_forwarded(
    home: Path, receiver: Receiver
) -> None:
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text("[privacy]\nredact = ['EMP-\\d{6}']\n")
    spans = [
        otel_new(1, attributes={"gen_ai.input.messages": MESSAGES, "llmtrace.feature": "a"}, **failure("E", PROMPT)),
        openinference(2, attributes={"input.value": PROMPT + f" data:image/png;base64,{PICTURE}"}),
    ]
    with serve(home, "--forward", receiver.url) as sidecar:
        for span in spans:
            assert sidecar.send(otlp_bytes.encode([span]))[0] == 200
        sidecar.settled(2)
        settled(lambda: {"stored": len(receiver.spans()), "pending": 0}, 2)
        client = llmtrace.connect(url=sidecar.url)
        calls = client.sql("SELECT feature, cost_usd, input_tokens FROM calls ORDER BY started_at").to_pylist()
        contents = client.sql("SELECT input_messages FROM contents").to_pylist()
        _, errors = sidecar.stop()
    forwarded = b"".join(body for _, _, body in receiver.requests)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert [s for s in SECRETS if s.encode() in kept or s.encode() in forwarded or s in errors] == []
    assert (calls[0]["feature"], calls[0]["input_tokens"]) == ("a", 1000)
    assert all(c["cost_usd"] is not None for c in calls)
    assert "[redacted:email] pays [redacted:card] with [redacted:key]" in str(contents)
    assert len(receiver.spans()) == 2


def test_content_of_langfuse_and_of_the_ai_sdk_is_redacted_too(home: Path, receiver: Receiver) -> None:
    said = json.dumps([{"role": "user", "content": PROMPT}])
    spans = [
        langfuse(
            1,
            attributes={
                "langfuse.observation.input": said,
                "langfuse.observation.output": json.dumps({"role": "assistant", "content": PROMPT}),
                "langfuse.observation.metadata.note": json.dumps(PROMPT),
                "langfuse.trace.input": said,
            },
        ),
        vercel(
            2, attributes={"ai.prompt.messages": said, "ai.response.text": PROMPT, "ai.telemetry.metadata.n": PROMPT}
        ),
        vercel_7(3, attributes={"gen_ai.input.messages": MESSAGES, "ai.settings.context.note": PROMPT}),
        litellm(4, attributes={"hidden_params": json.dumps({"note": PROMPT}), "metadata.note": PROMPT}),
        logfire(5, attributes={"request_data": json.dumps({"model": "gpt-4o", "messages": PROMPT})}),
    ]
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text("[privacy]\nredact = ['EMP-\\d{6}']\n")
    with serve(home, "--forward", receiver.url) as sidecar:
        for span in spans:
            assert sidecar.send(otlp_bytes.encode([span]))[0] == 200
        sidecar.settled(len(spans))
        settled(lambda: {"stored": len(receiver.spans()), "pending": 0}, len(spans))
        client = llmtrace.connect(url=sidecar.url)
        costs = [row["cost_usd"] for row in client.sql("SELECT cost_usd FROM calls").to_pylist()]
        attributes = client.sql("SELECT CAST(attributes AS VARCHAR) AS a FROM spans WHERE scope = 'langfuse-sdk'")
        contents = client.sql("SELECT input_messages FROM contents").to_pylist()
        _, errors = sidecar.stop()
    forwarded = b"".join(body for _, _, body in receiver.requests)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert [s for s in SECRETS if s.encode() in kept or s.encode() in forwarded or s in errors] == []
    assert (len(costs), None in costs) == (len(spans), False)
    # Content is kept as content alone.
    assert "langfuse.observation.input" not in attributes.to_pylist()[0]["a"]
    assert "[redacted:email] pays [redacted:card] with [redacted:key]" in str(contents)


def test_a_destination_that_echoes_the_token_puts_it_into_no_log(home: Path, receiver: Receiver) -> None:
    receiver.statuses = [400, 400, 400]
    headers = f"Authorization=Bearer {KEY}"
    with serve(home, "--forward", f"{receiver.url}?api_key={KEY}", OTEL_EXPORTER_OTLP_HEADERS=headers) as sidecar:
        sidecar.send(otlp_bytes.encode([otel_new(1)]))
        settled(lambda: {"stored": receiver.tries, "pending": 0}, 1)
        doctor = json.dumps(sidecar.json("/api/v1/doctor"))
        metrics = sidecar.ask("GET", "/metrics")[2].decode()
        _, errors = sidecar.stop()
    assert KEY not in doctor + metrics + errors


@pytest.mark.expects_warning
def test_doctor_names_a_wrong_pattern_and_counts_what_was_withheld(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "llmtrace.toml").write_text("\n[privacy]\nredact = ['(']\n")
    with serve(home) as sidecar:
        sidecar.send(otlp_bytes.encode([otel_new(1, attributes={"gen_ai.input.messages": MESSAGES})]))
        health = sidecar.settled(1)
        calls = llmtrace.connect(url=sidecar.url).sql("SELECT input_tokens FROM calls").to_pylist()
        _, errors = sidecar.stop()
    (reason,) = health["content_withheld"]
    assert "llmtrace.toml, line 3, pattern 1: '(' is no regular expression" in reason
    assert health["content_withheld"][reason] == 1
    assert "llmtrace.toml, line 3" in health["problems"][0]
    assert "llmtrace.toml, line 3" in errors
    assert calls == [{"input_tokens": 1000}]
