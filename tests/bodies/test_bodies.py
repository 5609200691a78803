"""Every answer that the API definitions allow, and some that they do not, through the real SDKs: one right row each."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bodies.reading import COLUMNS, read_bodies
from replaying import (
    ASYNC_WAYS,
    READERS,
    Caller,
    LoopError,
    Row,
    break_early,
    captured_log,
    error_of,
    helped,
    outcome,
    plain,
    plain_async,
    raise_in_loop,
    raw,
    serve,
    stored,
)
from samples import ns

import llmtrace
from llmtrace.instrument import invocation, quiet

# Bodies name old models and methods, about which the SDKs warn.
# The first of them makes all calls, which takes minutes on a busy machine.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(300)]

# When all calls are made: prices are dated, and the expected costs are those of this day.
CALLED_AT = datetime(2026, 11, 20, 12)
BODIES = read_bodies()
ROWS = {row.id: row for row, _ in BODIES}
SYNC_WAYS: tuple[Callable[[Caller, Row], list[str]], ...] = (plain, raw, *READERS, helped)
LEAVING = (break_early, raise_in_loop)
# Ways in which nobody parses the answer but llmtrace: what the SDK would make of it, the caller never learns.
UNPARSED = ("streamed_lines", "streamed_bytes", "streamed_whole", "streamed_bytes_async")

Outcomes = dict[tuple[str, str], tuple[str, list[str]]]


@dataclass
class Replayed:
    """What the callers saw, without and with llmtrace, and what was stored, by way and body."""

    bare: Outcomes = field(default_factory=dict)
    seen: Outcomes = field(default_factory=dict)
    calls: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)


def run_all(found: Outcomes) -> None:
    """Make every call in every way."""
    with serve(ROWS) as address, serve(ROWS, compressed=True) as compressed:
        caller, unzipping = Caller(address), Caller(compressed)
        for way in (*SYNC_WAYS, *LEAVING):
            for row in ROWS.values():
                if is_offered(way, row):
                    call(found, way.__name__, row, caller, way)
        for row in ROWS.values():
            call(found, "compressed", row, unzipping, plain)
        asyncio.run(run_async(address, found))


def call(found: Outcomes, name: str, row: Row, caller: Caller, way: Callable[[Caller, Row], list[str]]) -> None:
    with llmtrace.feature(f"{name}/{row.id}"):
        found[name, row.id] = outcome(lambda: way(caller, row))


async def run_async(address: str, found: Outcomes) -> None:
    caller = Caller(address, is_async=True)
    for way in ASYNC_WAYS:
        for row in (r for r in ROWS.values() if is_offered(way, r)):
            with llmtrace.feature(f"{way.__name__}/{row.id}"):
                try:
                    found[way.__name__, row.id] = "", await way(caller, row)
                except Exception as err:
                    found[way.__name__, row.id] = error_of(err)
    for client in caller.clients.values():
        await client.close()


def can_be_left(row: Row) -> bool:
    """Whether ROW is a stream of which there is more after the second item."""
    return row.streaming and row.status == 200 and row.body.count(b"data: {") - row.body.count(b'"ping"') > 2


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """All calls in all ways, made once for all tests of this module."""
    home: Path = tmp_path_factory.mktemp("home")
    result = Replayed()
    with pytest.MonkeyPatch.context() as patch, captured_log() as result.logged:
        clock = SimpleNamespace(time_ns=lambda: ns(CALLED_AT), perf_counter_ns=invocation.time.perf_counter_ns)
        patch.setattr(invocation, "time", clock)
        patch.setattr(quiet, "LOG_INTERVAL_S", 0.0)
        run_all(result.bare)
        llmtrace.instrument(home=home)
        try:
            run_all(result.seen)
            for feature, calls in stored(home).items():
                way, _, name = feature.partition("/")
                result.calls[way, name] = calls
        finally:
            llmtrace.shutdown(10.0)
    yield result


def ways_of(row: Row) -> list[str]:
    return [w.__name__ for w in (*SYNC_WAYS, *ASYNC_WAYS) if is_offered(w, row)] + ["compressed"]


def is_offered(way: Callable[..., Any], row: Row) -> bool:
    """Whether ROW can be called in WAY: some ways need a method of the SDK's, and some more of a stream."""
    if way in LEAVING:
        return can_be_left(row)
    if way is helped:
        return row.streaming and row.operation in ("chat", "responses", "messages", "beta_messages")
    return row.operation != "complete" or way in (plain, plain_async)


def expected_in(way: str, ways: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is different in WAY of calling."""
    found: dict[str, Any] = {}
    for key, columns in ways.items():
        if way.startswith(key) or (key == "unparsed" and way in UNPARSED):
            found |= columns
    return found


def wrong(call: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What is wrong with CALL, a row of `calls`, by the columns EXPECTED."""
    found = [
        f"{column} is {call[column]!r}, not {expected.get(column)!r}"
        for column in COLUMNS
        if call[column] != expected.get(column)
    ]
    if "cost_usd" in expected:
        cost = None if expected["cost_usd"] is None else Decimal(expected["cost_usd"])
        if call["cost_usd"] != cost:
            found.append(f"cost_usd is {call['cost_usd']}, not {cost}")
    return found


@pytest.mark.parametrize(("row", "entry"), BODIES, ids=[row.id for row, _ in BODIES])
def test_a_body_is_one_right_row_in_every_way_of_calling(
    row: Row, entry: Mapping[str, Any], replayed: Replayed
) -> None:
    problems = {}
    for way in ways_of(row):
        calls = replayed.calls.get((way, row.id), [])
        expected = {**row.expect, **expected_in(way, entry.get("ways", {}))}
        found = [] if len(calls) == 1 else [f"{len(calls)} rows"]
        # What the SDK's own helper cannot follow, it gives up.
        if calls and not (way == "helped" and replayed.bare[way, row.id][0] != replayed.bare["plain", row.id][0]):
            found += wrong(calls[0], expected)
        if found:
            problems[way] = found
    assert not problems, "\n".join(f"{way}: {'; '.join(what)}" for way, what in problems.items())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_caller_sees_what_it_sees_without_llmtrace(row: Row, replayed: Replayed) -> None:
    for (way, name), seen in replayed.seen.items():
        if name == row.id:
            assert seen == replayed.bare[way, name], way


@pytest.mark.parametrize(
    ("row", "entry"), [b for b in BODIES if can_be_left(b[0])], ids=[r.id for r in ROWS.values() if can_be_left(r)]
)
def test_a_stream_that_is_left_is_one_row_that_says_so(row: Row, entry: Mapping[str, Any], replayed: Replayed) -> None:
    for way in LEAVING:
        (call,) = replayed.calls[way.__name__, row.id]
        error = replayed.seen[way.__name__, row.id][0]
        expected = entry.get("left", {})
        if way is raise_in_loop:
            assert error == f"{LoopError.__module__}.{LoopError.__qualname__}"
        assert {c: call[c] for c in expected} == expected
        assert call["usage_source"] != "missing" or expected.get("usage_source") == "missing"
        assert call["cost_status"] != "exact"


def test_nothing_is_swallowed_meanwhile(replayed: Replayed) -> None:
    assert replayed.logged == []
