"""The spans of a trace as a tree: order, depth, and everything that can be wrong with what was recorded."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from llmtrace.dashboard import tree

NOON = datetime(2026, 11, 14, 12)
EMPTY: dict[str, Any] = dict.fromkeys(
    ("feature", "provider", "status", "ttft_s", "input_tokens", "output_tokens", "cost_usd", "cost_status",
     "duplicate_of", "service", "status_message")
)  # fmt: skip


def span(name: str, parent: str | None = None, start_s: float = 0.0, duration_s: float = 1.0, **known: Any) -> Any:
    at = NOON + timedelta(seconds=start_s)
    return {
        **EMPTY, "span_id": name, "parent_span_id": parent, "name": name, "started_at": at,
        "duration_s": duration_s, "status_code": 0, "scope": "x", "is_call": False, **known,
    }  # fmt: skip


def outline(*rows: Any) -> list[tuple[str, int]]:
    return [(node.name, node.depth) for node in tree.nodes_of(rows)]


def test_children_follow_their_parent_by_their_start() -> None:
    rows = [span("c", "a", 2), span("b", "a", 1), span("a", None, 0, 9), span("d", "b", 1.5)]
    assert outline(*rows) == [("a", 0), ("b", 1), ("d", 2), ("c", 1)]
    nodes = {node.name: node for node in tree.nodes_of(rows)}
    assert (nodes["a"].children, nodes["b"].children, nodes["c"].children) == (2, 1, 0)
    assert (nodes["d"].start_s, nodes["d"].duration_s) == (1.5, 1.0)
    assert tree.length_s(tree.nodes_of(rows)) == 9


def test_one_span_is_a_tree() -> None:
    (node,) = tree.nodes_of([span("a", None, 5, 0.0)])
    assert (node.depth, node.start_s, node.duration_s) == (0, 0.0, 0.0)
    assert tree.drawn([node])[0]["left"] == 0


def test_no_span_is_no_tree() -> None:
    assert tree.nodes_of([]) == []
    assert tree.length_s([]) == 0.0


def test_children_of_a_parent_that_is_not_recorded_stand_together_below_its_place() -> None:
    rows = [span("root", None, 0, 9), span("late", "gone", 5, 2), span("early", "gone", 1, 1), span("deep", "late", 6)]
    assert outline(*rows) == [("root", 0), (tree.NOT_RECORDED, 0), ("early", 1), ("late", 1), ("deep", 2)]
    place = tree.nodes_of(rows)[1]
    assert (place.kind, place.span_id, place.start_s, place.duration_s) == (tree.MISSING, "gone", 1.0, 6.0)
    assert "Span gone was not sent here" in place.notes[0]


@pytest.mark.parametrize("rows", [[span("a", "a")], [span("a", "b"), span("b", "a")]])
def test_parents_in_a_circle_lose_no_span(rows: list[Any]) -> None:
    nodes = tree.nodes_of(rows)
    assert {node.span_id for node in nodes} == {row["span_id"] for row in rows}
    assert len(nodes) == len(rows)


def test_a_circle_is_said() -> None:
    first = tree.nodes_of([span("a", "b"), span("b", "a")])[0]
    assert "lead back to it" in first.notes[0]


def test_a_chain_of_thousands_is_walked() -> None:
    rows = [span(str(n), str(n - 1) if n else None, n / 1000) for n in range(5000)]
    nodes = tree.nodes_of(rows)
    assert [node.depth for node in nodes] == list(range(5000))


def test_a_child_that_begins_before_its_parent_is_said_and_not_moved() -> None:
    rows = [span("a", None, 1, 2, service="web"), span("b", "a", 0.5, 1, service="stock")]
    child = tree.nodes_of(rows)[1]
    assert child.start_s == 0.0 and tree.nodes_of(rows)[0].start_s == 0.5
    assert child.notes == ("Begins 500 ms before its parent: the clocks of stock and web differ.",)
    in_step = [span("a", None, 1, 2), span("b", "a", 0.999, 1)]
    assert tree.nodes_of(in_step)[1].notes == ()


def test_kinds_tell_calls_from_own_and_foreign_spans() -> None:
    rows = [span("a", is_call=True), span("b", scope="llmtrace"), span("c", scope="django"), span("d", scope=None)]
    assert [node.kind for node in tree.nodes_of(rows)] == [tree.CALL, tree.OWN, tree.FOREIGN, tree.FOREIGN]


def test_failures_are_marked_whether_the_call_or_the_span_failed() -> None:
    rows = [span("a", is_call=True, status="error"), span("b", status_code=2), span("c", status="cancelled")]
    assert [node.is_failed for node in tree.nodes_of(rows)] == [True, True, False]
    assert tree.drawn(tree.nodes_of(rows))[2]["cancelled"]


def test_what_is_drawn_of_a_call_is_its_cost_and_its_tokens() -> None:
    row = span("chat", None, 0, 2, is_call=True, status="ok", cost_usd=0.0035, cost_status="exact", ttft_s=0.5,
               input_tokens=1000, output_tokens=100)  # fmt: skip
    (drawn,) = tree.drawn(tree.nodes_of([row]))
    assert drawn["facts"] == "$0.0035 · 1.0k → 100 tokens"
    assert (drawn["left"], drawn["width"], drawn["first"]) == (0, 100, 25)
    assert drawn["said"] == "LLM call chat, $0.0035 · 1.0k → 100 tokens, after 0 ms, took 2.00 s."


def test_a_call_without_a_price_says_so() -> None:
    row = span("chat", is_call=True, status="ok", cost_status="unpriced", input_tokens=5)
    assert tree.drawn(tree.nodes_of([row]))[0]["facts"] == "unpriced · 5 → – tokens"
    twice = {**row, "duplicate_of": "f" * 16}
    assert tree.drawn(tree.nodes_of([twice]))[0]["facts"].startswith("counted elsewhere")
