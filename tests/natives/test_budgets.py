"""Budgets with the other SDKs: refused before anything is sent, settled with what calls cost."""

from collections.abc import Callable
from pathlib import Path

import native
import pytest
from conftest import recorded_calls
from native import Natives
from natives.reading import read_bodies
from replaying import serve

import llmtrace
from llmtrace import lifecycle
from llmtrace.budgets.budget import BudgetState
from llmtrace.budgets.gate import Gate
from llmtrace.pricing import load_book, price_call

pytestmark = pytest.mark.filterwarnings("ignore")  # what SDKs warn about experiments
ROWS = {row.id: row for row, _ in read_bodies()}
WAYS = [f"{sdk}-{way}" for sdk in ("gemini", "mistral", "cohere", "ollama") for way in ("plain", "stream")]
PRICED = [name for name in WAYS if not name.startswith("ollama")]
NOWHERE = "http://127.0.0.1:9"


def state() -> BudgetState:
    assert llmtrace.flush(5)
    assert lifecycle._capture is not None
    gate = lifecycle._capture.gate
    assert isinstance(gate, Gate)
    (found,) = gate.states()
    return found


def assert_refused(home: Path, make: Callable[[], object]) -> None:
    """MAKE's call is refused, and is a row that says so."""
    llmtrace.budget("search", usd=0, on_exceed="raise", unknown="block")
    llmtrace.instrument(home=home)
    with llmtrace.feature("search"), pytest.raises(llmtrace.BudgetExceeded):
        make()
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type, call.request_sent) == ("error", "BudgetExceeded", False)
    assert call.feature == "search"


@pytest.mark.parametrize("name", WAYS)
def test_a_call_without_room_is_refused(name: str, home: Path) -> None:
    with Natives(NOWHERE) as natives:
        assert_refused(home, lambda: native.plain(natives, ROWS[name]))


@pytest.mark.parametrize("name", PRICED)
def test_a_call_is_settled_with_what_it_cost(name: str, home: Path) -> None:
    llmtrace.budget(usd=1, on_exceed="raise", warn_at=())
    llmtrace.instrument(home=home)
    with serve(ROWS) as address, Natives(address) as natives:
        native.plain(natives, ROWS[name])
    after = state()
    (call,) = recorded_calls(home)
    cost = price_call(load_book(), call).total_usd or 0
    assert (after.reserved_usd, after.calls) == (0, 1)
    assert abs(after.spent_usd - cost) < 1e-8
