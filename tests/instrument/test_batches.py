"""A batch is pending while it runs; its results are calls of whoever submitted it, in whatever process."""

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from batching import (
    ANTHROPIC_USD,
    CHAT,
    HAIKU,
    OPENAI_USD,
    UPLOADS,
    haiku_requests,
    lines,
    submit_openai,
    wait_anthropic,
    wait_openai,
)
from instrument.batch_rows import IS_ASYNC, accounted, ask, batch, calls, run
from surface import entered, make_anthropic, make_openai, settle

import llmtrace
from llmtrace.client import connect
from llmtrace.simulator import Fault, Simulator


@IS_ASYNC
def test_a_submitted_openai_batch_is_pending_and_no_call(sim: Simulator, home: Path, is_async: bool) -> None:
    with llmtrace.feature("nightly", user="u1", session="s1", tenant="acme", prompt_version="v3", team="search"):
        id_ = run(make_openai(sim, is_async), lambda c: submit_openai(c, lines(3)))
    assert calls(home) == []
    found = batch(home)
    assert (found["batch_id"], found["provider"], found["endpoint"]) == (id_, "openai", CHAT)
    assert (found["requests"], found["results"], found["pending"], found["cost_usd"]) == (3, 0, 3, None)
    assert (found["status"], found["request_model"], found["service"]) == ("validating", "gpt-4o", "jobs")
    assert (found["feature"], found["user_id"], found["session_id"], found["tenant"], found["prompt_version"]) == (
        "nightly", "u1", "s1", "acme", "v3",
    )  # fmt: skip
    assert json.loads(found["tags"]) == {"team": "search"}
    assert accounted(home) == {}


@IS_ASYNC
@pytest.mark.parametrize("resource", ["messages", "beta.messages"])
def test_a_submitted_anthropic_batch_is_pending_and_no_call(
    sim: Simulator, home: Path, is_async: bool, resource: str
) -> None:
    async def submit(client: Any) -> str:
        messages = client.messages if resource == "messages" else client.beta.messages
        return str((await settle(messages.batches.create(requests=haiku_requests(4)))).id)

    with llmtrace.feature("nightly"):
        id_ = run(make_anthropic(sim, is_async), submit)
    assert calls(home) == []
    found = batch(home)
    assert (found["batch_id"], found["provider"], found["feature"]) == (id_, "anthropic", "nightly")
    assert (found["requests"], found["pending"], found["request_model"]) == (4, 4, "claude-haiku-4-5")


@IS_ASYNC
@pytest.mark.parametrize("way", ["with_raw_response", "with_streaming_response"])
def test_a_raw_answer_to_a_submission_is_read_as_well(sim: Simulator, home: Path, is_async: bool, way: str) -> None:
    async def submit(client: Any) -> str:
        create = getattr(client.messages.batches, way).create(requests=haiku_requests(2))
        if way == "with_raw_response":
            return str(json.loads((await settle(create)).http_response.content)["id"])
        async with entered(create) as response:
            return str(json.loads(await settle(response.read()))["id"])

    with llmtrace.feature("nightly"):
        id_ = run(make_anthropic(sim, is_async), submit)
    assert (batch(home)["batch_id"], batch(home)["feature"], batch(home)["pending"]) == (id_, "nightly", 2)


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda u: str(u.__name__))
def test_however_the_file_is_given_its_requests_are_counted(
    sim: Simulator, home: Path, tmp_path: Path, upload: Callable[[bytes, Path], Any]
) -> None:
    client, sent = make_openai(sim, False), upload(lines(5), tmp_path)
    with client:
        file = client.files.create(file=sent, purpose="batch")
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    if hasattr(sent, "close"):
        sent.close()
    assert (batch(home)["requests"], batch(home)["request_model"]) == (5, "gpt-4o")


def test_a_file_that_another_process_uploaded_is_counted_when_the_provider_has(sim: Simulator, home: Path) -> None:
    with make_openai(sim, False) as client:
        llmtrace.uninstrument()
        file = client.files.create(file=("batch.jsonl", lines(5)), purpose="batch")
        llmtrace.instrument(home=home)
        made = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        assert (batch(home)["requests"], batch(home)["pending"]) == (None, None)
        client.batches.retrieve(made.id)
    assert (batch(home)["requests"], batch(home)["pending"]) == (5, 5)


def test_files_of_other_purposes_and_other_downloads_leave_nothing_behind(sim: Simulator, home: Path) -> None:
    with make_openai(sim, False) as client:
        file = client.files.create(file=("notes.txt", b"not a batch"), purpose="assistants")
        assert client.files.content(file.id).text == "not a batch"
        inputs = client.files.create(file=("batch.jsonl", lines(2)), purpose="batch")
        assert client.files.content(inputs.id).content == lines(2)
    assert ask(home, "spans") == []
    assert accounted(home) == {}


def test_a_batch_that_is_refused_is_an_error_and_not_pending(sim: Simulator, home: Path) -> None:
    sim.fault(Fault.status(400))
    with make_anthropic(sim, False) as client, pytest.raises(Exception, match="400"):
        client.messages.batches.create(requests=haiku_requests(2))
    assert ask(home, "batches", "batch_id") == []
    (span,) = ask(home, "spans")
    assert (span["name"], span["status_code"]) == ("create_batch", 2)


def test_a_batch_that_fails_its_validation_is_not_pending(sim: Simulator, home: Path) -> None:
    async def submit(client: Any) -> Any:
        return await wait_openai(client, await submit_openai(client, b'{"custom_id": "r0"}\n{"custom_id": "r1"}'))

    assert run(make_openai(sim, False), submit).status == "failed"
    assert (batch(home)["status"], batch(home)["requests"], batch(home)["pending"]) == ("failed", 2, 0)


def test_a_poll_that_says_nothing_new_leaves_no_span(sim: Simulator, home: Path) -> None:
    async def poll(client: Any) -> None:
        id_ = await submit_openai(client, lines(2))
        for _ in range(8):
            await settle(client.batches.retrieve(id_))
            await settle(client.batches.list())

    run(make_openai(sim, False), poll)
    names = [span["name"] for span in ask(home, "spans")]
    assert names == ["create_batch", "retrieve_batch", "retrieve_batch"]
    assert accounted(home) == {}


READER = """
    import sys
    import llmtrace, openai, anthropic
    llmtrace.instrument(home=sys.argv[1], service_name="reader")
    provider, address, id_ = sys.argv[2:]
    if provider == "anthropic":
        with anthropic.Anthropic(base_url=address, api_key="k") as client:
            print(len(list(client.messages.batches.results(id_))))
    else:
        with openai.OpenAI(base_url=address, api_key="k") as client:
            print(len(client.files.content(id_).text.splitlines()))
    llmtrace.shutdown()
"""


def read_elsewhere(home: Path, provider: str, address: str, id_: str) -> str:
    program = textwrap.dedent(READER)
    command = [sys.executable, "-c", program, str(home), provider, address, id_]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_another_process_reads_the_results_for_the_feature_that_submitted(sim: Simulator, home: Path) -> None:
    with make_anthropic(sim, False) as client, llmtrace.feature("nightly", tenant="acme"):
        id_ = client.messages.batches.create(requests=haiku_requests(3)).id
        asyncio.run(wait_anthropic(client.messages.batches, id_))
    llmtrace.shutdown()
    assert read_elsewhere(home, "anthropic", sim.anthropic_base_url, id_) == "3"
    found = connect(home=home).sql("SELECT * FROM calls").to_pylist()
    assert [(c["feature"], c["tenant"], c["service"], str(c["cost_usd"])) for c in found] == [
        ("nightly", "acme", "jobs", ANTHROPIC_USD)
    ] * 3


def test_another_process_that_knows_no_more_than_the_file_reads_for_the_feature_that_submitted(
    sim: Simulator, home: Path
) -> None:
    with make_openai(sim, False) as client, llmtrace.feature("nightly"):
        done = asyncio.run(wait_openai(client, asyncio.run(submit_openai(client, lines(3, invalid=[0])))))
    llmtrace.shutdown()
    for file in (done.output_file_id, done.error_file_id):
        read_elsewhere(home, "openai", sim.openai_base_url, file)
    found = connect(home=home).sql("SELECT * FROM calls ORDER BY cost_usd").to_pylist()
    assert [(c["feature"], c["batch_id"], c["operation"], c["request_model"], str(c["cost_usd"])) for c in found] == [
        ("nightly", done.id, "chat", "gpt-4o", cost) for cost in ("0E-12", OPENAI_USD, OPENAI_USD)
    ]


def test_results_of_a_batch_that_was_submitted_without_llmtrace_are_the_readers(sim: Simulator, home: Path) -> None:
    with make_openai(sim, False) as client:
        llmtrace.uninstrument()
        done = asyncio.run(wait_openai(client, asyncio.run(submit_openai(client, lines(2)))))
        llmtrace.instrument(home=home)
        with llmtrace.feature("reader"):
            client.files.content(done.output_file_id)
    assert [(c["feature"], c["request_model"], str(c["cost_usd"])) for c in calls(home)] == [
        ("reader", None, OPENAI_USD)
    ] * 2
    assert ask(home, "batches", "batch_id") == []


def test_a_batch_that_was_submitted_without_a_feature_stays_untagged(sim: Simulator, home: Path) -> None:
    with make_anthropic(sim, False) as client:
        id_ = client.messages.batches.create(requests=haiku_requests(1)).id
        asyncio.run(wait_anthropic(client.messages.batches, id_))
        with llmtrace.feature("reader"):
            list(client.messages.batches.results(id_))
    assert [c["feature"] for c in calls(home)] == [None]


def test_with_content_on_the_answers_are_kept(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    simulator.answer("The harbour sleeps.")
    with make_anthropic(simulator, False) as client:
        id_ = client.messages.batches.create(requests=haiku_requests(1)).id
        asyncio.run(wait_anthropic(client.messages.batches, id_))
        list(client.messages.batches.results(id_))
    (found,) = ask(home, "contents")
    assert "The harbour sleeps." in found["output_messages"]


def test_attempts_are_traced_of_submissions_alone(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home, http_spans=True)
    with make_anthropic(simulator, False) as client:
        client.messages.create(**HAIKU)
        id_ = client.messages.batches.create(requests=haiku_requests(1)).id
        asyncio.run(wait_anthropic(client.messages.batches, id_))
        list(client.messages.batches.results(id_))
    spans = {span["span_id"]: span for span in ask(home, "spans")}
    attempts = [span for span in spans.values() if span["name"] == "POST"]
    assert sorted(spans[a["parent_span_id"]]["name"] for a in attempts) == ["chat claude-haiku-4-5", "create_batch"]
    assert not [span for span in spans.values() if span["name"] == "GET"]


def test_a_large_result_file_becomes_as_many_calls(sim: Simulator, home: Path) -> None:
    with make_anthropic(sim, False) as client:
        id_ = client.messages.batches.create(requests=haiku_requests(3000)).id
        asyncio.run(wait_anthropic(client.messages.batches, id_))
        assert sum(1 for _ in client.messages.batches.results(id_)) == 3000
    assert llmtrace.flush(30.0)
    (total,) = connect(home=home).sql("SELECT count(*) AS n, sum(cost_usd) AS usd FROM calls").to_pylist()
    assert (total["n"], total["usd"]) == (3000, 3000 * Decimal(ANTHROPIC_USD))
    assert accounted(home) == {}
