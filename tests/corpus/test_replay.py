"""Recorded answers of the providers, through the real SDKs: one row each, and the provider's own token counts."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corpus.account import rows_of
from corpus.recorded import expected_tokens, find_file, settled
from corpus.sampling import PARTS, choose
from replaying import (
    READERS,
    Caller,
    LoopError,
    Row,
    break_early,
    outcome,
    plain,
    plain_async,
    raise_in_loop,
    raw,
    serve,
    stored,
)

import llmtrace

FILE = find_file()
pytestmark = [
    pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # old models, about which the SDKs warn
]
# What breaks off has its tokens counted here; what is no text has none to count.
ESTIMATED = ("chat", "completions", "responses", "messages")
COLUMNS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


@pytest.fixture(scope="module", params=PARTS)
def rows(request: pytest.FixtureRequest) -> list[Row]:
    assert FILE is not None
    return choose(request.param, rows_of("stainless"))


def read_in_turn(caller: Caller, row: Row) -> list[str]:
    """`with_streaming_response`, read in one of the ways that it offers."""
    return READERS[sum(row.id.encode()) % len(READERS)](caller, row)


def is_offered(way: Callable[[Caller, Row], list[str]], row: Row) -> bool:
    """Whether ROW can be called in WAY: there is no method any more for the older completion."""
    return row.operation != "complete" or way is plain


SYNC_WAYS: tuple[Callable[[Caller, Row], list[str]], ...] = (plain, raw, read_in_turn)


def wrong(row: Row, calls: list[dict[str, Any]], *, error: str) -> list[str]:
    """What is wrong with the CALLS that one replay of ROW left behind, whose caller got ERROR or none."""
    if len(calls) != 1:
        return [f"{len(calls)} rows"]
    call, tokens = calls[0], expected_tokens(row)
    found = []
    if call["http_status"] != row.status:
        found.append(f"status {call['http_status']}, not {row.status}")
    if error and call["status"] != "error":
        found.append(f"{call['status']} where the caller got {error}")
    if tokens is None:
        if call["usage_source"] == "provider":
            found.append("usage that nobody reported")
        return found
    if call["usage_source"] != "provider":
        found.append(f"usage is {call['usage_source']}")
    return found + [f"{c} {call[c]}, not {tokens.get(c)}" for c in COLUMNS if (call[c] or 0) != (tokens.get(c) or 0)]


def report(problems: dict[str, list[str]], tried: int) -> None:
    print(f"{tried} tried, {len(problems)} wrong")
    assert not problems, "\n".join(f"{key}: {'; '.join(what)}" for key, what in list(problems.items())[:40])


@pytest.mark.parametrize("way", SYNC_WAYS, ids=lambda way: str(way.__name__))
def test_every_recorded_answer_is_one_row_with_its_tokens(
    way: Callable[[Caller, Row], list[str]], rows: list[Row], home: Path
) -> None:
    rows = [row for row in rows if is_offered(way, row)]
    problems: dict[str, list[str]] = {}
    seen: dict[str, tuple[str, list[str]]] = {}
    with serve({r.id: r for r in rows}) as address:
        caller = Caller(address)
        bare = {row.id: outcome(lambda row=row: way(caller, row)) for row in rows}
        llmtrace.instrument(home=home)
        for row in rows:
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda row=row: way(caller, row))
    calls = stored(home)
    for row in settled(rows):
        found = wrong(row, calls.get(row.id, []), error=seen[row.id][0])
        if seen[row.id] != bare[row.id]:
            found.append(f"the caller saw {str(seen[row.id])[:200]}, and {str(bare[row.id])[:200]} without llmtrace")
        if found:
            problems[row.id] = found
    report(problems, len(rows))


def test_async_clients_record_the_same(rows: list[Row], home: Path) -> None:
    chosen = rows
    errors: dict[str, str] = {}

    async def call_all(address: str) -> None:
        caller = Caller(address, is_async=True)
        for row in chosen:
            with llmtrace.feature(row.id):
                try:
                    await plain_async(caller, row)
                except Exception as err:
                    errors[row.id] = repr(err)
        for client in caller.clients.values():
            await client.close()

    llmtrace.instrument(home=home)
    with serve({r.id: r for r in chosen}) as address:
        asyncio.run(call_all(address))
    calls = stored(home)
    found = {r.id: wrong(r, calls.get(r.id, []), error=errors.get(r.id, "")) for r in settled(chosen)}
    report({key: what for key, what in found.items() if what}, len(chosen))


def test_compressed_answers_record_the_same(rows: list[Row], home: Path) -> None:
    chosen = rows
    seen: dict[str, str] = {}
    llmtrace.instrument(home=home)
    with serve({r.id: r for r in chosen}, compressed=True) as address:
        caller = Caller(address)
        for number, row in enumerate(chosen):
            way = SYNC_WAYS[number % len(SYNC_WAYS)] if row.operation != "complete" else plain
            with llmtrace.feature(row.id):
                seen[row.id] = outcome(lambda way=way, row=row: way(caller, row))[0]
    calls = stored(home)
    found = {r.id: wrong(r, calls.get(r.id, []), error=seen[r.id]) for r in settled(chosen)}
    report({key: what for key, what in found.items() if what}, len(chosen))


@pytest.mark.parametrize("way", [break_early, raise_in_loop], ids=lambda way: str(way.__name__))
def test_a_stream_that_is_left_is_one_row_that_says_so(
    way: Callable[[Caller, Row], list[str]], rows: list[Row], home: Path
) -> None:
    chosen = [r for r in rows if r.streaming and r.status == 200 and r.operation in ESTIMATED]
    llmtrace.instrument(home=home)
    with serve({r.id: r for r in chosen}) as address:
        caller = Caller(address)
        for row in chosen:
            with llmtrace.feature(row.id):
                error, _ = outcome(lambda row=row: way(caller, row))
            assert error in ("", f"{LoopError.__module__}.{LoopError.__qualname__}"), error
    calls = stored(home)
    problems = {}
    for row in chosen:
        found = calls.get(row.id, [])
        if len(found) != 1:
            problems[row.id] = [f"{len(found)} rows"]
        elif found[0]["usage_source"] == "missing":
            problems[row.id] = ["its tokens were not even estimated"]
        elif found[0]["usage_source"] == "provider" and found[0]["input_tokens"] is None:
            problems[row.id] = ["no input tokens"]
    report(problems, len(chosen))
