"""xAI's batches, through OpenAI's SDK: made empty or of a file, filled, asked about, and read page by page."""

from pathlib import Path
from typing import Any

import pytest
from instrument.batch_rows import IS_ASYNC, accounted, ask, batch, calls
from instrument.xai_host import Answers, get, post, use
from openai import HttpxBinaryResponseContent as Raw

import llmtrace

TICKS = 37_000_000
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cost_in_usd_ticks": TICKS}
MADE = {"batch_id": "batch_1", "name": "nightly", "create_time": "2026-11-20T10:00:00.123456789Z"}
NUMBERS = {"num_requests": 3, "num_pending": 3, "num_success": 0, "num_error": 0, "num_cancelled": 0}
OVER = {**NUMBERS, "num_pending": 0, "num_success": 2, "num_error": 1}


def answer(number: int) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Boats."}}
    chat = {"id": f"c-{number}", "object": "chat.completion", "model": "grok-4.20", "choices": [choice], "usage": USAGE}
    return {"batch_request_id": f"r{number}", "batch_result": {"response": {"chat_get_completion": chat}}}


PAGES = [
    {"results": [answer(0)], "pagination_token": "r0"},
    {
        "results": [answer(1), {"batch_request_id": "r2", "batch_result": {"error": {"code": 3, "message": "no"}}}],
        "pagination_token": None,
    },
]


def answers(**more: list[tuple[int, Any]]) -> Answers:
    return {
        "/batches": [(200, {**MADE, "state": dict.fromkeys(NUMBERS, 0)})],
        "/batches/batch_1/requests": [(200, {})],
        "/batches/batch_1": [(200, {**MADE, "state": NUMBERS}), (200, {**MADE, "state": OVER})],
        "/batches/batch_1/results?limit=1": [(200, PAGES[0]), (200, PAGES[0])],
        "/batches/batch_1/results?limit=1&pagination_token=r0": [(200, PAGES[1]), (200, PAGES[1])],
        **more,
    }


async def submit(client: Any) -> None:
    with llmtrace.feature("nightly", team="search"):
        await post(client, "/batches", name="nightly")
        request = {"chat_get_completion": {"model": "grok-4.20", "messages": []}}
        requests = [{"batch_request_id": f"r{n}", "batch_request": request} for n in range(3)]
        await post(client, "/batches/batch_1/requests", batch_requests=requests)


async def read(client: Any) -> None:
    assert await get(client, "/batches/batch_1/results?limit=1") == PAGES[0]
    assert await get(client, "/batches/batch_1/results?limit=1&pagination_token=r0") == PAGES[1]


@IS_ASYNC
def test_it_is_pending_until_its_results_are_read_and_billed_once(home: Path, is_async: bool) -> None:
    async def body(client: Any) -> None:
        await submit(client)
        assert calls(home) == []
        await get(client, "/batches/batch_1")
        found = batch(home)
        assert (found["batch_id"], found["provider"], found["feature"]) == ("batch_1", "x_ai", "nightly")
        assert (found["status"], found["requests"], found["pending"]) == ("in_progress", 3, 3)
        await get(client, "/batches/batch_1")
        assert (batch(home)["status"], batch(home)["pending"]) == ("ended", 2)
        await read(client)
        await read(client)

    llmtrace.instrument(home=home)
    use(answers(), is_async, body)
    rows = calls(home)
    assert {(r["feature"], r["batch_id"], r["operation"]) for r in rows if r["status"] == "ok"} == {
        ("nightly", "batch_1", "chat")
    }
    assert sorted((str(r["cost_usd"]), r["cost_status"], r["error_type"] or "") for r in rows) == [
        ("0.003700000000", "provider_reported", ""),
        ("0.003700000000", "provider_reported", ""),
        ("0E-12", "not_billed", "INVALID_ARGUMENT"),
    ]
    assert (batch(home)["results"], batch(home)["errors"], batch(home)["pending"]) == (3, 1, 0)
    assert accounted(home) == {"duplicate": 3}


def test_an_answer_that_is_taken_raw_is_read_as_well(home: Path) -> None:
    async def body(client: Any) -> None:
        await submit(client)
        raw = client.get("/batches/batch_1/results?limit=1", cast_to=Raw)
        assert raw.content.startswith(b'{"results"')

    llmtrace.instrument(home=home)
    use(answers(), False, body)
    assert [(r["feature"], r["batch_id"]) for r in calls(home)] == [("nightly", "batch_1")]
    assert accounted(home) == {}


def test_one_that_is_cancelled_is_told_by_the_answer_to_that(home: Path) -> None:
    over = {**NUMBERS, "num_pending": 0, "num_cancelled": 3}

    async def body(client: Any) -> None:
        await submit(client)
        await post(client, "/batches/batch_1:cancel")

    llmtrace.instrument(home=home)
    use(answers(**{"/batches/batch_1:cancel": [(200, {**MADE, "state": over})]}), False, body)
    assert (batch(home)["status"], batch(home)["requests"], batch(home)["pending"]) == ("ended", 3, 0)
    assert calls(home) == []


@pytest.mark.parametrize("page", [{"results": None}, {"results": ["odd", {}, {"batch_request_id": "r"}]}, {}])
def test_a_page_without_results_leaves_nothing_behind(page: Any, home: Path) -> None:
    async def body(client: Any) -> None:
        await get(client, "/batches/batch_1/results?limit=1")

    llmtrace.instrument(home=home)
    use({"/batches/batch_1/results?limit=1": [(200, page)]}, False, body)
    assert ask(home, "spans") == []
    assert accounted(home) == {}
