"""Replays rows and their mutations without llmtrace and with it, and says what should not differ and does."""

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

import pytest
from mutations import MUTATIONS
from replaying import Row, captured_log, error_of, outcome, serve, stored

import llmtrace
from llmtrace.instrument import quiet

TOKENS = (
    "usage_source", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "input_audio_tokens", "output_audio_tokens", "image_tokens",
)  # fmt: skip
COLUMNS = (
    *TOKENS, "provider", "operation", "endpoint", "request_model", "response_model", "response_id", "status",
    "error_type", "http_status", "finish_reason", "service_tier", "stream", "cost_usd", "cost_status",
)  # fmt: skip
Seen = tuple[str, list[str]]
Way = Callable[[Any, Row], list[str]]


class Kind(Protocol):
    """How one kind of client calls rows."""

    ways: Sequence[Way]
    async_ways: Sequence[Callable[[Any, Row], Any]]

    def open(self, address: str) -> AbstractContextManager[Any]:
        """A client of it for the server at ADDRESS."""

    def open_async(self, address: str) -> Any:
        """The same, asynchronous."""


@dataclass(frozen=True)
class Trial:
    """A row, or a mutation of it: how it is called, and what it came from."""

    row: Row
    kind: str
    way: int
    base: str | None = None
    name: str = ""

    @property
    def group(self) -> str:
        """What of a sample it stands for."""
        return f"{self.kind} {self.row.provider} {self.row.operation}"


@dataclass
class Result:
    """What callers saw, by row, and what was stored."""

    bare: dict[str, Seen] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    calls: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    logged: list[str] = field(default_factory=list)


def vary(rows: Sequence[tuple[str, Row]], seed: int, most: int | None = None) -> list[Trial]:
    """Each of ROWS, by the kind of its client, and MOST of its mutations, or all; SEED and the row decide which."""
    trials = []
    for kind, row in rows:
        random = Random(zlib.crc32(f"{seed} {kind} {row.id}".encode()))
        base = Trial(replace(row, id=f"{kind}/{row.id}"), kind, random.randrange(1_000))
        trials.append(base)
        names = sorted(MUTATIONS)
        varied: list[Trial] = []
        for name in random.sample(names, len(names)):
            found = MUTATIONS[name][1](base.row, random) if len(varied) < (most or len(names)) else None
            if found is not None:
                changed = replace(found, id=f"{base.row.id}/{name}")
                varied.append(Trial(changed, kind, base.way, base.row.id, name))
        trials += varied
    return trials


def pick(rows: Sequence[tuple[str, Row]], seed: int) -> list[tuple[str, Row]]:
    """One of ROWS for each provider, operation, kind of answer and class of status; SEED decides which."""
    groups: dict[tuple[Any, ...], list[tuple[str, Row]]] = {}
    for kind, row in rows:
        groups.setdefault((kind, row.provider, row.operation, row.streaming, row.status // 100), []).append((kind, row))
    random = Random(seed)
    return [random.choice(groups[key]) for key in sorted(groups)]


def report(trials: Sequence[Trial], problems: Mapping[str, list[str]]) -> None:
    """Fail where there are PROBLEMS of TRIALS."""
    print(f"{sum(t.base is None for t in trials)} rows, {len(trials)} tried, {len(problems)} wrong")
    assert not problems, "\n".join(f"{key}: {'; '.join(what)}" for key, what in list(problems.items())[:40])


def try_all(trials: Sequence[Trial], kinds: Mapping[str, Kind], home: Path) -> Result:
    """Every one of TRIALS, bare and then with llmtrace."""
    result = Result()
    with pytest.MonkeyPatch.context() as patch, captured_log() as result.logged:
        patch.setattr(quiet, "LOG_INTERVAL_S", 0.0)
        with serve({t.row.id: t.row for t in trials}) as address:
            _call_all(trials, kinds, address, result.bare)
            llmtrace.instrument(home=home)
            _call_all(trials, kinds, address, result.seen)
        result.calls = stored(home)
    return result


def _call_all(trials: Sequence[Trial], kinds: Mapping[str, Kind], address: str, found: dict[str, Seen]) -> None:
    for name, kind in kinds.items():
        own = [t for t in trials if t.kind == name]
        number = len(kind.ways) + len(kind.async_ways)
        with kind.open(address) as client:
            for trial in own:
                way = trial.way % number
                if way < len(kind.ways):
                    with llmtrace.feature(trial.row.id):
                        found[trial.row.id] = outcome(partial(kind.ways[way], client, trial.row))
        asyncio.run(_call_async(own, kind, address, found))


async def _call_async(trials: Sequence[Trial], kind: Kind, address: str, found: dict[str, Seen]) -> None:
    number = len(kind.ways) + len(kind.async_ways)
    if not kind.async_ways:
        return
    async with kind.open_async(address) as client:
        for trial in trials:
            way = trial.way % number - len(kind.ways)
            if way < 0:
                continue
            with llmtrace.feature(trial.row.id):
                try:
                    found[trial.row.id] = "", await kind.async_ways[way](client, trial.row)
                except Exception as err:
                    found[trial.row.id] = error_of(err)


def wrong(trials: Sequence[Trial], result: Result) -> dict[str, list[str]]:
    """What is wrong, by row."""
    bases = {t.row.id: t for t in trials if t.base is None}
    problems = {"logged": sorted({text[-600:] for text in result.logged})} if result.logged else {}
    for trial in trials:
        found = list(_differences(trial, result, bases))
        if found:
            problems[f"{trial.row.id} ({trial.group}, way {trial.way})"] = found
    return problems


def _differences(trial: Trial, result: Result, bases: Mapping[str, Trial]) -> Iterator[str]:
    key = trial.row.id
    bare, seen, calls = result.bare[key], result.seen[key], result.calls.get(key, [])
    if seen != bare:
        yield f"the caller saw {_short(seen)}, and {_short(bare)} without llmtrace"
    if len(calls) != 1:
        yield f"{len(calls)} rows"
        return
    (call,) = calls
    is_unknown = call["http_status"] is None and (trial.row.breaks or bare[0].startswith(("builtins.", "json.")))
    if call["http_status"] != trial.row.status and not is_unknown:
        yield f"status {call['http_status']}, not {trial.row.status}"
    if (trial.row.status >= 400) > (call["status"] == "error"):
        yield f"{call['status']}, where the caller got {seen[0]}"
    if trial.row.status >= 400 and call["usage_source"] == "provider":
        yield "usage of an error"
    if trial.base is None:
        return
    keeps, before = MUTATIONS[trial.name][0], result.calls.get(trial.base, [])
    if keeps == "one" or len(before) != 1 or not _is_the_same_to_the_sdk(bare, result.bare[trial.base], trial.row):
        return
    if keeps == "tokens" and before[0]["input_tokens"] is None:
        return
    for column in COLUMNS if keeps == "row" else TOKENS:
        if call[column] != before[0][column] and not (column == "error_type" and call["status"] == "error"):
            yield f"{column} {call[column]}, and {before[0][column]} without the mutation"


def _is_the_same_to_the_sdk(bare: Seen, before: Seen, row: Row) -> bool:
    """Whether the SDK itself makes of the mutation what it makes of the answer."""
    if bare[0] or before[0]:
        return bare == before
    return not row.streaming or len(bare[1]) >= len(before[1])


def _short(seen: Seen) -> str:
    error, items = seen
    text = " ".join(items)
    return f"{error} {len(items)} items: {text[:160]} ... {text[-160:]}"
