"""A batch is pending while it runs; each result that is read is a call at batch rates, of whoever submitted it."""

import asyncio
import gc
import json
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from batching import (
    ANTHROPIC_USAGE,
    ANTHROPIC_USD,
    BODIES,
    CHAT,
    FILE_WAYS,
    HAIKU,
    OPENAI_USAGE,
    OPENAI_USD,
    RESULT_WAYS,
    UPLOADS,
    content,
    haiku_requests,
    lines,
    submit_openai,
    wait_anthropic,
    wait_openai,
)
from surface import entered, make_anthropic, make_azure, make_openai, settle

import llmtrace
from llmtrace.client import connect
from llmtrace.simulator import Fault, Simulator

IS_ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@pytest.fixture
def sim(simulator: Simulator, home: Path) -> Iterator[Simulator]:
    simulator.fix_usage("gpt-4o", OPENAI_USAGE)
    simulator.fix_usage("claude-haiku-4-5", ANTHROPIC_USAGE)
    llmtrace.instrument(home=home, service_name="jobs")
    yield simulator


def run(client: Any, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What WORK gives with CLIENT, which is closed after it, in the loop that it was used in."""

    async def use() -> Any:
        try:
            return await work(client)
        finally:
            await settle(client.close())

    return asyncio.run(use())


def ask(home: Path, relation: str, order: str = "started_at, span_id") -> list[dict[str, Any]]:
    assert llmtrace.flush(10.0)
    return list(connect(home=home).sql(f"SELECT * FROM {relation} ORDER BY {order}").to_pylist())


def calls(home: Path) -> list[dict[str, Any]]:
    return ask(home, "calls")


def batch(home: Path) -> dict[str, Any]:
    (found,) = ask(home, "batches", "batch_id")
    return found


def custom_ids(home: Path) -> list[str]:
    spans = ask(home, "spans WHERE name LIKE 'chat%'")
    return sorted(json.loads(span["attributes"])["llmtrace.batch.custom_id"] for span in spans)


def accounted(home: Path) -> dict[str, int]:
    """The figures of `doctor`, which add up."""
    assert llmtrace.flush(10.0)
    figures = connect(home=home).health()
    assert figures["ended"] == figures["stored"] + figures["pending"] + sum(figures["dropped"].values())
    assert figures["pending"] == 0
    return dict(figures["dropped"])


# Submitted


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


# Read


@IS_ASYNC
@pytest.mark.parametrize("way", FILE_WAYS, ids=lambda way: str(way.__name__))
def test_each_openai_result_that_is_read_is_a_call_at_batch_rates(
    sim: Simulator, home: Path, is_async: bool, way: Callable[[Any, str], Awaitable[str]]
) -> None:
    async def work(client: Any) -> tuple[str, str]:
        with llmtrace.feature("nightly", user="u1", team="search"):
            id_ = await submit_openai(client, lines(3))
        done = await wait_openai(client, id_)
        with llmtrace.feature("reader"):
            return id_, await way(client.files, done.output_file_id)

    id_, text = run(make_openai(sim, is_async), work)
    told = [json.loads(line) for line in text.splitlines()]
    found = calls(home)
    assert [str(call["cost_usd"]) for call in found] == [OPENAI_USD] * 3
    assert {call["response_id"] for call in found} == {row["response"]["body"]["id"] for row in told}
    assert {(c["cost_status"], c["status"], c["http_status"]) for c in found} == {("exact", "ok", 200)}
    assert {(c["feature"], c["user_id"], c["tags"]) for c in found} == {("nightly", "u1", '{"team":"search"}')}
    assert {(c["operation"], c["request_model"], c["response_model"]) for c in found} == {
        ("chat", "gpt-4o", "gpt-4o-2024-08-06")
    }
    assert {(c["batch_id"], c["duration_s"], c["input_tokens"], c["output_tokens"]) for c in found} == {
        (id_, None, 1000, 100)
    }
    assert custom_ids(home) == ["r0", "r1", "r2"]
    assert (batch(home)["results"], batch(home)["pending"], batch(home)["cost_usd"]) == (3, 0, 3 * Decimal(OPENAI_USD))
    assert accounted(home) == {}


@IS_ASYNC
@pytest.mark.parametrize("resource", ["messages", "beta.messages"])
@pytest.mark.parametrize("way", RESULT_WAYS, ids=lambda way: str(way.__name__))
def test_each_anthropic_result_that_is_read_is_a_call_at_batch_rates(
    sim: Simulator, home: Path, is_async: bool, resource: str, way: Callable[[Any, str], Awaitable[Any]]
) -> None:
    async def work(client: Any) -> Any:
        batches = (client.messages if resource == "messages" else client.beta.messages).batches
        with llmtrace.feature("nightly"):
            made = await settle(batches.create(requests=haiku_requests(3, invalid=[1])))
        await wait_anthropic(batches, made.id)
        return await way(batches, made.id)

    told = run(make_anthropic(sim, is_async), work)
    assert told == [("r0", "succeeded"), ("r1", "errored"), ("r2", "succeeded")]
    found = sorted(calls(home), key=lambda call: str(call["status"]))
    assert [(str(c["cost_usd"]), c["cost_status"], c["status"]) for c in found] == [
        ("0E-12", "not_billed", "error"), (ANTHROPIC_USD, "exact", "ok"), (ANTHROPIC_USD, "exact", "ok"),
    ]  # fmt: skip
    assert [c["error_type"] for c in found] == ["invalid_request_error", None, None]
    assert {(c["feature"], c["request_model"], c["operation"]) for c in found} == {
        ("nightly", "claude-haiku-4-5", "chat")
    }
    assert custom_ids(home) == ["r0", "r1", "r2"]
    assert batch(home)["pending"] == 0
    assert accounted(home) == {}


@pytest.mark.parametrize("path", sorted(BODIES))
def test_a_batch_of_any_endpoint_is_priced_as_that_endpoint_in_a_batch(sim: Simulator, home: Path, path: str) -> None:
    prices = {
        CHAT: ("chat", OPENAI_USD),
        "/v1/responses": ("chat", OPENAI_USD),
        "/v1/embeddings": ("embeddings", "0.000010000000"),  # 1,000 × 0.01 / 1M
        "/v1/completions": ("text_completion", None),  # the book has no batch price for it
    }
    usage = {"input_tokens": 1000, "output_tokens": 100} if path == "/v1/responses" else OPENAI_USAGE
    usage = {"prompt_tokens": 1000, "total_tokens": 1000} if path == "/v1/embeddings" else usage
    sim.fix_usage(BODIES[path]["model"], usage)

    async def work(client: Any) -> None:
        done = await wait_openai(client, await submit_openai(client, lines(1, path), path))
        await content(client.files, done.output_file_id)

    run(make_openai(sim, False), work)
    (found,) = calls(home)
    cost = None if found["cost_usd"] is None else str(found["cost_usd"])
    assert (found["operation"], cost, found["input_tokens"]) == (*prices[path], 1000)


def test_a_batch_on_azure_is_priced_as_a_global_batch_and_says_that_this_is_assumed(sim: Simulator, home: Path) -> None:
    async def work(client: Any) -> None:
        with llmtrace.feature("nightly"):
            id_ = await submit_openai(client, lines(2))
        done = await wait_openai(client, id_)
        await content(client.files, done.output_file_id)

    run(make_azure(sim, False), work)
    found = calls(home)
    assert [(c["provider"], str(c["cost_usd"]), c["cost_status"], c["feature"]) for c in found] == [
        ("azure.ai.openai", OPENAI_USD, "estimated", "nightly")
    ] * 2
    assert {row["cost_reason"] for row in ask(home, "calls_all")} == {
        "taken as a Global Batch deployment: the answer does not tell its type"
    }


def test_errors_of_an_openai_batch_are_calls_that_are_not_billed(sim: Simulator, home: Path) -> None:
    async def work(client: Any) -> None:
        done = await wait_openai(client, await submit_openai(client, lines(3, invalid=[2])))
        await content(client.files, done.error_file_id)

    run(make_openai(sim, False), work)
    (found,) = calls(home)
    assert (found["status"], found["error_type"], found["http_status"]) == ("error", "missing_required_parameter", 400)
    assert (found["cost_usd"], found["cost_status"], found["request_model"]) == (Decimal(0), "not_billed", "gpt-4o")
    assert batch(home)["pending"] == 2  # the answers, which are not read yet


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_what_an_openai_batch_left_undone_is_not_billed(sim: Simulator, home: Path, end: str) -> None:
    async def work(client: Any) -> None:
        id_ = await submit_openai(client, lines(4))
        if end == "cancelled":
            await settle(client.batches.cancel(id_))
        else:
            sim.expire_batch(id_)
        done = await wait_openai(client, id_)
        assert done.status == end
        for file in (done.output_file_id, done.error_file_id):
            await content(client.files, file)

    run(make_openai(sim, False), work)
    found = calls(home)
    billed = [c for c in found if c["status"] == "ok"]
    left = [c for c in found if c["status"] != "ok"]
    assert [str(c["cost_usd"]) for c in billed] == [OPENAI_USD] * 2
    assert {(c["status"], c["error_type"], c["cost_status"]) for c in left} == {
        ("cancelled" if end == "cancelled" else "error", f"batch_{end}", "not_billed")
    }
    assert (len(left), batch(home)["status"], batch(home)["pending"]) == (2, end, 0)


@pytest.mark.parametrize("end", ["canceled", "expired"])
def test_what_an_anthropic_batch_left_undone_is_not_billed(sim: Simulator, home: Path, end: str) -> None:
    async def work(client: Any) -> None:
        made = await settle(client.messages.batches.create(requests=haiku_requests(4)))
        if end == "canceled":
            await settle(client.messages.batches.cancel(made.id))
        else:
            sim.expire_batch(made.id)
        await wait_anthropic(client.messages.batches, made.id)
        for _ in client.messages.batches.results(made.id):
            pass

    run(make_anthropic(sim, False), work)
    found = calls(home)
    left = [c for c in found if c["status"] != "ok"]
    assert [str(c["cost_usd"]) for c in found if c["status"] == "ok"] == [ANTHROPIC_USD] * 2
    assert [(c["status"], c["error_type"], c["cost_status"]) for c in left] == [
        ("cancelled" if end == "canceled" else "error", end, "not_billed")
    ] * 2
    assert batch(home)["pending"] == 0


# Read in part, twice, elsewhere


@pytest.mark.parametrize("ending", ["close", "drop"])
def test_of_results_that_are_read_in_part_that_part_is_recorded(sim: Simulator, home: Path, ending: str) -> None:
    with make_anthropic(sim, False) as client:
        made = client.messages.batches.create(requests=haiku_requests(5))
        asyncio.run(wait_anthropic(client.messages.batches, made.id))
        found = client.messages.batches.results(made.id)
        read = [next(found).custom_id, next(found).custom_id]
        if ending == "close":
            found.close()
        del found
        gc.collect()
        assert custom_ids(home) == read
        assert (batch(home)["results"], batch(home)["pending"]) == (2, 3)
        for _ in client.messages.batches.results(made.id):
            pass
    assert (len(calls(home)), batch(home)["pending"]) == (5, 0)
    assert accounted(home) == {"duplicate": 2}


def test_an_openai_file_that_is_read_in_part_is_recorded_in_part(sim: Simulator, home: Path) -> None:
    with make_openai(sim, False) as client:
        id_ = asyncio.run(submit_openai(client, lines(5)))
        done = asyncio.run(wait_openai(client, id_))
        with client.files.with_streaming_response.content(done.output_file_id) as response:
            first = b""
            for piece in response.iter_bytes(64):
                first += piece
                if b"\n" in piece:
                    break
        first = first.splitlines()[0]
    assert [call["response_id"] for call in calls(home)] == [json.loads(first)["response"]["body"]["id"]]
    assert batch(home)["pending"] == 4


def test_results_that_are_read_twice_are_billed_once(sim: Simulator, home: Path) -> None:
    async def work(client: Any) -> None:
        done = await wait_openai(client, await submit_openai(client, lines(3)))
        for way in (*FILE_WAYS, content):
            await way(client.files, done.output_file_id)
            llmtrace.flush(5.0)

    run(make_openai(sim, False), work)
    assert [str(call["cost_usd"]) for call in calls(home)] == [OPENAI_USD] * 3
    assert accounted(home) == {"duplicate": 15}


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
