"""Recorded answers of Google, Mistral, Cohere and Ollama, through their SDKs: one row each, and their own counts."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import native
import pytest
from corpus.account import rows_of
from corpus.native_rows import expected_tokens, settled
from corpus.recorded import find_file
from corpus.sampling import PARTS, choose
from native import Natives, family_of
from replaying import LoopError, Row, error_of, outcome, serve, stored

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # what SDKs warn about old models and experiments
]
COLUMNS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
PROVIDERS = {"gemini": "gcp.gemini", "vertex": "gcp.vertex_ai", "mistral": "mistral_ai"}


@pytest.fixture(scope="module", params=PARTS)
def rows(request: pytest.FixtureRequest) -> list[Row]:
    assert FILE is not None
    return settled(choose(request.param, rows_of("native")))


def wrong(row: Row, calls: list[dict[str, Any]], *, error: str) -> list[str]:
    """What is wrong with the CALLS that one replay of ROW left behind, whose caller got ERROR or none."""
    if len(calls) != 1:
        return [f"{len(calls)} rows"]
    call, tokens = calls[0], expected_tokens(row)
    found = []
    if call["provider"] != PROVIDERS.get(row.provider, row.provider):
        found.append(f"provider {call['provider']}")
    if call["http_status"] != row.status:
        found.append(f"status {call['http_status']}, not {row.status}")
    has_failed = row.status >= 400 or (row.operation.startswith("interact") and _tells_of_failure(row))
    if has_failed != (call["status"] == "error"):
        found.append(f"{call['status']} where the answer is {row.status} and the caller got {error or 'no error'}")
    if row.status < 400 and call["request_model"] is None and row.operation != "interact_fetch":
        found.append("no model")
    if tokens is None:
        if call["usage_source"] == "provider":
            found.append("usage that nobody reported")
        return found
    if call["usage_source"] != "provider":
        found.append(f"usage is {call['usage_source']}")
    return found + [f"{c} {call[c]}, not {tokens.get(c)}" for c in COLUMNS if (call[c] or 0) != (tokens.get(c) or 0)]


def _tells_of_failure(row: Row) -> bool:
    """Whether ROW, status 200, is an interaction that failed."""
    return b'"status": "failed"' in row.body or b"event: error" in row.body


def report(problems: dict[str, list[str]], rows: list[Row]) -> None:
    print(f"{len(rows)} tried, {len(problems)} wrong")
    named = {row.id: f"{row.provider} {row.operation}{' stream' if row.streaming else ''}" for row in rows}
    assert not problems, "\n".join(f"{k} {named[k]}: {'; '.join(what)}" for k, what in list(problems.items())[:40])


def test_every_recorded_answer_is_one_row_with_its_tokens(rows: list[Row], home: Path) -> None:
    problems: dict[str, list[str]] = {}
    seen: dict[str, tuple[str, list[str]]] = {}
    with serve({r.id: r for r in rows}) as address, Natives(address) as natives:
        bare = {row.id: outcome(lambda row=row: native.plain(natives, row)) for row in rows}
        llmtrace.instrument(home=home)
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: native.plain(natives, row))
    calls = stored(home)
    for row in rows:
        found = wrong(row, calls.get(row.id, []), error=seen[row.id][0])
        if seen[row.id] != bare[row.id]:
            found.append(f"the caller saw {str(seen[row.id])[:200]}, and {str(bare[row.id])[:200]} without llmtrace")
        if found:
            problems[row.id] = found
    refused = Counter((family_of(row), seen[row.id][0]) for row in rows if seen[row.id][0] and row.status < 400)
    print(f"answers that the SDKs themselves do not take: {dict(refused)}")
    report(problems, rows)


def test_async_clients_record_the_same(rows: list[Row], home: Path) -> None:
    errors: dict[str, str] = {}

    async def call_all(address: str) -> None:
        async with Natives(address, is_async=True) as natives:
            for row in rows:
                with llmtrace.feature(row.id):
                    try:
                        await native.plain_async(natives, row)
                    except Exception as err:
                        errors[row.id] = error_of(err)[0]

    llmtrace.instrument(home=home)
    with serve({r.id: r for r in rows}) as address:
        asyncio.run(call_all(address))
    calls = stored(home)
    found = {r.id: wrong(r, calls.get(r.id, []), error=errors.get(r.id, "")) for r in rows}
    report({key: what for key, what in found.items() if what}, rows)


def test_compressed_answers_record_the_same(rows: list[Row], home: Path) -> None:
    seen: dict[str, str] = {}
    llmtrace.instrument(home=home)
    with serve({r.id: r for r in rows}, compressed=True) as address, Natives(address) as natives:
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: native.plain(natives, row))[0]
    calls = stored(home)
    found = {r.id: wrong(r, calls.get(r.id, []), error=seen[r.id]) for r in rows}
    report({key: what for key, what in found.items() if what}, rows)


@pytest.mark.parametrize("way", [native.break_early, native.raise_in_loop], ids=lambda way: str(way.__name__))
def test_a_stream_that_is_left_is_one_row_that_says_so(
    way: Callable[[Natives, Row], list[str]], rows: list[Row], home: Path
) -> None:
    chosen = [r for r in rows if r.streaming and r.status == 200]
    with serve({r.id: r for r in chosen}) as address, Natives(address) as natives:
        # What an SDK does not take, it does not take here either.
        chosen = [r for r in chosen if not outcome(lambda r=r: native.plain(natives, r))[0]]
        llmtrace.instrument(home=home)
        for row in chosen:
            with llmtrace.feature(row.id):
                error, _ = outcome(lambda row=row: way(natives, row))
            assert error in ("", f"{LoopError.__module__}.{LoopError.__qualname__}"), error
    calls = stored(home)
    problems = {}
    for row in chosen:
        found = calls.get(row.id, [])
        if len(found) != 1:
            problems[row.id] = [f"{len(found)} rows"]
        elif found[0]["usage_source"] == "missing":
            problems[row.id] = ["its tokens were not even estimated"]
    report(problems, chosen)
