"""`instrument(http_spans=True)` with the other SDKs: a span for each HTTP attempt, below its call's."""

import asyncio
from pathlib import Path

import native
import pytest
from instrument.test_http_spans import split
from native import Natives
from natives.reading import read_bodies
from replaying import serve

import llmtrace

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = {row.id: row for row, _ in read_bodies()}
NAMES = (
    "gemini-plain", "gemini-stream", "interaction", "mistral-plain", "mistral-stream", "cohere-plain", "cohere-stream",
    "ollama-plain", "ollama-stream",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_attempt_is_a_child_of_its_call(name: str, is_async: bool, home: Path) -> None:
    llmtrace.instrument(home=home, http_spans=True)

    async def use(address: str) -> None:
        async with Natives(address, is_async=True) as natives:
            await native.plain_async(natives, ROWS[name])

    with serve(ROWS) as address:
        if is_async:
            asyncio.run(use(address))
        else:
            with Natives(address) as natives:
                native.plain(natives, ROWS[name])
    (call,), (attempt,) = split(home)
    assert (attempt.trace_id, attempt.parent_span_id) == (call.trace_id, call.span_id)
    assert attempt.attributes["http.response.status_code"] == 200
