"""Every answer of the other SDKs, in every way of calling: one right row each, and the caller sees no difference."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import native
import pytest
from bodies.reading import COLUMNS
from native import Natives
from natives.reading import read_bodies
from replaying import LoopError, Row, captured_log, error_of, outcome, serve, stored
from samples import ns

import llmtrace
from llmtrace.instrument import invocation, quiet

pytestmark = pytest.mark.filterwarnings("ignore")  # what SDKs warn about experiments
# Less than an event, so that nobody has more than was read.
PIECE_BYTES = 60
CALLED_AT = datetime(2026, 11, 20, 12)
BODIES = read_bodies()
ROWS = {row.id: row for row, _ in BODIES}
LEAVING = ("break_early", "raise_in_loop", "break_early_async")

Outcomes = dict[tuple[str, str], tuple[str, list[str]]]


@dataclass
class Replayed:
    """What the callers saw, without and with llmtrace, and what was stored, by way and body."""

    bare: Outcomes = field(default_factory=dict)
    seen: Outcomes = field(default_factory=dict)
    calls: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)


def can_be_left(entry: Mapping[str, Any]) -> bool:
    return "left" in entry


def ways_of(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return ("plain", "compressed", "plain_async", *(LEAVING if can_be_left(entry) else ()))


def run_all(found: Outcomes) -> None:
    """Make every call in every way."""
    with (
        serve(ROWS, piece_bytes=PIECE_BYTES) as address,
        serve(ROWS, compressed=True) as unzipping,
        Natives(address) as natives,
        Natives(unzipping) as compressed,
    ):
        for row, entry in BODIES:
            call(found, "plain", row, native.plain, natives)
            call(found, "compressed", row, native.plain, compressed)
            if can_be_left(entry):
                call(found, "break_early", row, native.break_early, natives)
                call(found, "raise_in_loop", row, native.raise_in_loop, natives)
        asyncio.run(run_async(address, found))


def call(found: Outcomes, name: str, row: Row, way: Callable[[Natives, Row], list[str]], natives: Natives) -> None:
    with llmtrace.feature(f"{name}/{row.id}"):
        found[name, row.id] = outcome(lambda: way(natives, row))


async def run_async(address: str, found: Outcomes) -> None:
    async with Natives(address, is_async=True) as natives:
        for row, entry in BODIES:
            for way in (native.plain_async, *([native.break_early_async] if can_be_left(entry) else [])):
                with llmtrace.feature(f"{way.__name__}/{row.id}"):
                    try:
                        found[way.__name__, row.id] = "", await way(natives, row)
                    except Exception as err:
                        found[way.__name__, row.id] = error_of(err)


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


def wrong(call: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What is wrong with CALL, a row of `calls`, by the columns EXPECTED."""
    found = [
        f"{column} is {call[column]!r}, not {expected.get(column)!r}"
        for column in COLUMNS
        if call[column] != expected.get(column)
    ]
    if "cost_usd" in expected and call["cost_usd"] != Decimal(expected["cost_usd"]):
        found.append(f"cost_usd is {call['cost_usd']}, not {expected['cost_usd']}")
    return found


@pytest.mark.parametrize(("row", "entry"), BODIES, ids=[row.id for row, _ in BODIES])
def test_a_body_is_one_right_row_in_every_way_of_calling(
    row: Row, entry: Mapping[str, Any], replayed: Replayed
) -> None:
    problems = {}
    for way in ("plain", "compressed", "plain_async"):
        calls = replayed.calls.get((way, row.id), [])
        found = [f"{len(calls)} rows"] if len(calls) != 1 else wrong(calls[0], row.expect)
        if found:
            problems[way] = found
    assert not problems, "\n".join(f"{way}: {'; '.join(what)}" for way, what in problems.items())


@pytest.mark.parametrize(("row", "entry"), BODIES, ids=[row.id for row, _ in BODIES])
def test_the_caller_sees_what_it_sees_without_llmtrace(row: Row, entry: Mapping[str, Any], replayed: Replayed) -> None:
    for way in ways_of(entry):
        assert replayed.seen[way, row.id] == replayed.bare[way, row.id], way


@pytest.mark.parametrize(
    ("row", "entry"), [b for b in BODIES if can_be_left(b[1])], ids=[r.id for r, e in BODIES if can_be_left(e)]
)
def test_a_stream_that_is_left_is_one_row_that_says_so(row: Row, entry: Mapping[str, Any], replayed: Replayed) -> None:
    for way in LEAVING:
        (call,) = replayed.calls[way, row.id]
        if way == "raise_in_loop":
            assert replayed.seen[way, row.id][0] == f"{LoopError.__module__}.{LoopError.__qualname__}"
        assert {c: call[c] for c in entry["left"]} == entry["left"], way
        assert call["cost_status"] != "exact"


def test_streams_tell_when_they_began_to_speak(replayed: Replayed) -> None:
    spoken = [r.id for r, _ in BODIES if r.streaming and r.expect["status"] == "ok"]
    silent = [i for i in spoken for way in ("plain", "plain_async") if replayed.calls[way, i][0]["ttft_s"] is None]
    assert len(spoken) >= 10
    assert silent == []


def test_nothing_is_swallowed_meanwhile(replayed: Replayed) -> None:
    assert replayed.logged == []
