"""Each result of a batch that is read is a call at batch rates; what was left undone costs nothing."""

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from batching import (
    ANTHROPIC_USD,
    BODIES,
    CHAT,
    FILE_WAYS,
    OPENAI_USAGE,
    OPENAI_USD,
    RESULT_WAYS,
    content,
    haiku_requests,
    lines,
    submit_openai,
    wait_anthropic,
    wait_openai,
)
from instrument.batch_rows import IS_ASYNC, accounted, ask, batch, calls, custom_ids, run
from surface import make_anthropic, make_azure, make_openai, settle

import llmtrace
from llmtrace.simulator import Simulator


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
