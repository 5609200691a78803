"""Answers written by hand, sent and worded in many other ways: the caller sees the same, and the row is right."""

from pathlib import Path

import pytest
from bodies.reading import read_bodies
from kinds import Callers, NativeClients
from natives.reading import read_bodies as read_native_bodies
from replaying import Row
from varying import pick, report, try_all, vary, wrong

pytestmark = pytest.mark.filterwarnings("ignore")  # what SDKs warn about old models and about odd answers
KINDS = {"stainless": Callers(), "native": NativeClients()}
ALL = [
    *(("stainless", row) for row, _ in read_bodies() if row.operation != "complete"),
    *(("native", row) for row, _ in read_native_bodies()),
]
# What is fetched would settle calls that have the same id.
FETCHED = [(kind, row) for kind, row in ALL if row.operation.endswith("retrieve")]
ROWS = [pair for pair in ALL if pair not in FETCHED]
SEED, EACH = 20261121, 3
Rows = list[tuple[str, Row]]


@pytest.mark.parametrize("rows", [ROWS, FETCHED], ids=["made", "fetched"])
def test_an_answer_in_other_forms_is_the_same_row(rows: Rows, home: Path) -> None:
    trials = vary(pick(rows, SEED), SEED, EACH)
    report(trials, wrong(trials, try_all(trials, KINDS, home)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rows", [ROWS, FETCHED], ids=["made", "fetched"])
def test_any_answer_in_every_other_form_is_the_same_row(rows: Rows, seed: int, home: Path) -> None:
    trials = vary(rows, seed)
    report(trials, wrong(trials, try_all(trials, KINDS, home)))
