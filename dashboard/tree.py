"""The spans of a trace as a tree on one axis of time: pure, and able to take whatever was recorded.

A parent that is not recorded gets a place of its own above its children; a circle of parents is cut open; times are
never moved, but where a child begins before its parent, that is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from llmtrace import semconv

from . import format as fmt
from .listing import cost_text

Row = Mapping[str, Any]
CALL, OWN, FOREIGN, MISSING = "call", "own", "foreign", "missing"
SKEW_S = 0.002  # clocks of two machines that differ by less than this are in step
NOT_RECORDED = "(parent not recorded)"


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the waterfall: a span at its DEPTH, `start_s` after the trace began.

    `kind` is `call`, `own` (another span of llmtrace), `foreign`, or `missing` for a parent that is not recorded;
    `notes` say what is odd about it.
    """

    span_id: str
    depth: int
    children: int
    name: str
    kind: str
    start_s: float
    duration_s: float
    row: Row | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_failed(self) -> bool:
        """Whether it ended in an error."""
        return self.row is not None and (self.row["status"] == "error" or self.row["status_code"] == 2)


def nodes_of(rows: Sequence[Row]) -> list[Node]:
    """The answer ROWS of `trace` as a tree, read from the top down; children by their start."""
    if not rows:
        return []
    began = min(row["started_at"] for row in rows)
    by_id = {row["span_id"]: row for row in rows}
    children: dict[str | None, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r["started_at"], -r["duration_s"], r["span_id"])):
        parent = row["parent_span_id"]
        children.setdefault(None if parent == row["span_id"] else parent, []).append(row)
    walk = _Walk(by_id, children, began)
    found = list(walk.down(None, 0))
    # Above the first of its children, so that siblings stay together.
    for parent in sorted((p for p in children if p is not None and p not in by_id), key=lambda p: _began(children[p])):
        found += walk.below_missing(parent)
    for row in rows:  # what is left has parents in a circle
        if row["span_id"] not in walk.seen:
            found += walk.circle(row)
    return found


def _began(rows: Sequence[Row]) -> datetime:
    first: datetime = min(row["started_at"] for row in rows)
    return first


class _Walk:
    """One walk over the spans of a trace, each of which is met once."""

    def __init__(self, by_id: Mapping[str, Row], children: Mapping[str | None, list[Row]], began: datetime) -> None:
        self._by_id, self._children, self._began = by_id, children, began
        self.seen: set[str] = set()

    def down(self, parent: str | None, depth: int) -> Iterator[Node]:
        """What is below PARENT. Not by recursion: a chain of spans may be longer than Python's stack."""
        waiting = [(row, depth) for row in reversed(self._children.get(parent, []))]
        while waiting:
            row, at = waiting.pop()
            if row["span_id"] in self.seen:
                continue
            self.seen.add(row["span_id"])
            yield self._node(row, at)
            waiting += [(child, at + 1) for child in reversed(self._children.get(row["span_id"], []))]

    def below_missing(self, parent: str) -> Iterator[Node]:
        """A place for the PARENT that is not recorded, and what is below it."""
        rows = self._children[parent]
        first = _began(rows)
        last = max(row["started_at"] + timedelta(seconds=row["duration_s"]) for row in rows)
        yield Node(
            parent, 0, len(rows), NOT_RECORDED, MISSING, self._since(first), (last - first).total_seconds(),
            notes=(f"Span {parent} was not sent here: perhaps its service is not traced, or it has not ended yet.",),
        )  # fmt: skip
        yield from self.down(parent, 1)

    def circle(self, row: Row) -> Iterator[Node]:
        """ROW, whose parents lead back to it, and what is below it."""
        self.seen.add(row["span_id"])
        node = self._node(row, 0)
        yield replace(node, notes=(*node.notes, "Its parents lead back to it: the ids are wrong."))
        yield from self.down(row["span_id"], 1)

    def _node(self, row: Row, depth: int) -> Node:
        kind = CALL if row["is_call"] else OWN if row["scope"] == semconv.SCOPE_NAME else FOREIGN
        below = len(self._children.get(row["span_id"], []))
        start_s = self._since(row["started_at"])
        return Node(row["span_id"], depth, below, fmt.plain(row["name"]), kind, start_s, row["duration_s"], row,
                    tuple(self._notes(row)))  # fmt: skip

    def _notes(self, row: Row) -> Iterator[str]:
        if row["duplicate_of"]:
            yield f"The same call as span {row['duplicate_of']}, where it is counted."
        parent = self._by_id.get(row["parent_span_id"])
        if parent is None or parent is row:
            return
        early_s = (parent["started_at"] - row["started_at"]).total_seconds()
        if early_s > SKEW_S:
            where = f" of {row['service']} and {parent['service']}" if row["service"] != parent["service"] else ""
            yield f"Begins {fmt.seconds(early_s)} before its parent: the clocks{where} differ."

    def _since(self, at: datetime) -> float:
        return (at - self._began).total_seconds()


def length_s(nodes: Sequence[Node]) -> float:
    """How long the trace took: from its first start to its last end."""
    return max((node.start_s + node.duration_s for node in nodes), default=0.0)


def drawn(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """NODES as the browser draws them: places in percent of the whole, and texts that are only text."""
    whole = length_s(nodes) or 1e-9
    return [
        {
            "id": node.span_id,
            "depth": node.depth,
            "children": node.children,
            "name": fmt.shorten(node.name, 120),
            "kind": node.kind,
            "left": round(100 * node.start_s / whole, 3),
            "width": round(100 * node.duration_s / whole, 3),
            "first": _first_share(node),
            "took": fmt.seconds(node.duration_s),
            "facts": _facts(node),
            "failed": node.is_failed,
            "cancelled": node.row is not None and node.row["status"] == "cancelled",
            "notes": list(node.notes),
            "said": _said(node),
        }
        for node in nodes
    ]


def _first_share(node: Node) -> float | None:
    """After what part of its bar the first token came, in percent."""
    ttft_s = node.row["ttft_s"] if node.row is not None else None
    return None if ttft_s is None or not node.duration_s else round(min(100 * ttft_s / node.duration_s, 100), 2)


def _facts(node: Node) -> str:
    """What is shown beside the name: of a call its cost and tokens, else the service."""
    row = node.row
    if row is None:
        return ""
    if node.kind != CALL:
        return fmt.plain(row["service"] or "")
    counted = "counted elsewhere" if row["duplicate_of"] else cost_text(row)
    if row["input_tokens"] is None and row["output_tokens"] is None:
        return counted
    return f"{counted} · {fmt.tokens(row['input_tokens'])} → {fmt.tokens(row['output_tokens'])} tokens"


def _said(node: Node) -> str:
    """The line in words, for those who do not see it."""
    kinds = {CALL: "LLM call", OWN: "span", FOREIGN: "span of another instrumentation", MISSING: "span"}
    failed = ", failed" if node.is_failed else ""
    facts = f", {_facts(node)}" if _facts(node) else ""
    at = f"after {fmt.seconds(node.start_s)}, took {fmt.seconds(node.duration_s)}"
    return f"{kinds[node.kind]} {node.name}{failed}{facts}, {at}. {' '.join(node.notes)}".strip()
