"""Recorded answers, sent and worded in many other ways: the caller sees the same, and the row is right."""

from pathlib import Path

import pytest
from corpus.account import rows_of
from corpus.recorded import find_file
from kinds import BotoClients, Callers, HostCallers, NativeClients
from replaying import Row
from varying import pick, report, try_all, vary, wrong

pytestmark = [
    pytest.mark.skipif(
        find_file() is None, reason="external data: LLMTRACE_TEST_DATA names no folder with recorded traffic"
    ),
    pytest.mark.filterwarnings("ignore"),  # what SDKs warn about old models and about odd answers
    pytest.mark.timeout(1800),
]
KINDS = {"stainless": Callers(), "compatible": HostCallers(), "native": NativeClients(), "bedrock": BotoClients()}
SEED, EACH = 20261121, 2
MOST_BYTES = 200_000
# What is fetched would settle the calls that are varied.
FETCHES = ("retrieve", "run_retrieve", "interact_fetch")


def _rows(kind: str) -> list[tuple[str, Row]]:
    return [
        (kind, row)
        for row in rows_of(kind)
        if row.operation not in (*FETCHES, "complete") and len(row.body) < MOST_BYTES
    ]


def test_recorded_answers_in_other_forms_are_the_same_rows(home: Path) -> None:
    trials = vary(pick([pair for kind in KINDS for pair in _rows(kind)], SEED), SEED, EACH)
    report(trials, wrong(trials, try_all(trials, KINDS, home)))


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_any_recorded_answer_in_other_forms_is_the_same_row(kind: str, part: int, home: Path) -> None:
    trials = vary(_rows(kind)[part::4], SEED + part, 6)
    report(trials, wrong(trials, try_all(trials, {kind: KINDS[kind]}, home)))
