"""Prices stored calls anew from their spans: a new revision where the cost changes, the old one in the history.

A call keeps what else is known of it: that it is a duplicate's original, and the usage of a response made in the
background, which its own span never had.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import Any

from llmtrace.analytics import Filter, compile_expression
from llmtrace.analytics.filters import apply_filter
from llmtrace.analytics.relations import CALLS_ALL, COST_ITEMS, SPANS
from llmtrace.analytics.tables import CALLS
from llmtrace.ingest.pricing import price_span
from llmtrace.ingest.settle import find_settled
from llmtrace.model import Cost
from llmtrace.pricing import PriceBook
from llmtrace.store.base import Batch, PricedCall, Store
from llmtrace.store.rows import read_span

BATCH_CALLS = 1000
LIST_TIMEOUT_S = 120.0
STATE = (
    "trace_id", "span_id", "revision", "usage_source", "duplicate_of", "request_model", "response_model", "cost_usd",
    "cost_status",
)  # fmt: skip
Key = tuple[str, str]
Sums = dict[str, Decimal]


@dataclass
class _Change:
    """What changes about one component of one model; an unknown amount is in none of the sums."""

    calls: int = 0
    before: Decimal | None = None
    after: Decimal | None = None

    def add(self, before: Decimal | None, after: Decimal | None) -> None:
        self.calls += 1
        self.before = _plus(self.before, before)
        self.after = _plus(self.after, after)


@dataclass
class Repriced:
    """What pricing anew changes, or would: all amounts are of the calls that change, unknown ones in no sum."""

    calls: int = 0
    changed: int = 0
    unreadable: int = 0
    before: _Change = field(default_factory=_Change)
    unknown_before: int = 0
    unknown_after: int = 0
    components: dict[tuple[str | None, str], _Change] = field(default_factory=dict)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, row: Mapping[str, Any], items: Sums, cost: Cost) -> None:
        """Count the call of ROW, with ITEMS before, which costs COST now."""
        self.changed += 1
        self.before.add(row["cost_usd"], cost.total_usd)
        self.unknown_before += row["cost_usd"] is None
        self.unknown_after += cost.total_usd is None
        self.statuses[row["cost_status"], cost.status] += 1
        now = _sums(cost)
        model = row["response_model"] or row["request_model"]
        for component in {*items, *now}:
            before = None if row["cost_usd"] is None else items.get(component, Decimal(0))
            after = None if cost.total_usd is None else now.get(component, Decimal(0))
            if before != after:
                self.components.setdefault((model, component), _Change()).add(before, after)

    def answer(self, book: PriceBook, *, is_dry: bool) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "dry_run": is_dry,
            "price_book": book.version,
            "calls": self.calls,
            "changed": self.changed,
            "unreadable": self.unreadable,
            **_amounts(self.before),
            "unpriced_before": self.unknown_before,
            "unpriced_after": self.unknown_after,
            "rows": [
                {"model": model, "component": component, "calls": change.calls, **_amounts(change)}
                for (model, component), change in sorted(
                    self.components.items(), key=lambda found: (found[0][0] or "", found[0][1])
                )
            ],
            "statuses": [{"before": a, "after": b, "calls": n} for (a, b), n in sorted(self.statuses.items())],
        }


def reprice(
    store: Store,
    book: PriceBook,
    chosen: Filter,
    turn: AbstractContextManager[Any],
    *,
    is_dry: bool,
) -> dict[str, Any]:
    """What changes where the calls of CHOSEN in STORE are priced by BOOK; unless IS_DRY, it is written.

    In batches, each of which waits for its TURN: nobody else writes to the store between reading and writing it.
    """
    found = Repriced()
    calls = _list_calls(store, chosen)
    while keys := list(islice(calls, BATCH_CALLS)):
        with turn:
            revisions = list(_changed(store, book, keys, found))
            if revisions and not is_dry:
                store.commit(Batch(revisions=revisions))
    return found.answer(book, is_dry=is_dry)


def _list_calls(store: Store, chosen: Filter) -> Iterator[tuple[Any, ...]]:
    """Started_at, trace id and span id of the calls of CHOSEN, oldest first."""
    calls = apply_filter(CALLS, chosen).select("started_at", "trace_id", "span_id").order_by("started_at", "span_id")
    table = store.arrow(compile_expression(calls, store.dialect), limit=None, timeout_s=LIST_TIMEOUT_S)
    for part in table.to_batches(max_chunksize=BATCH_CALLS):
        yield from zip(*(column.to_pylist() for column in part.columns), strict=True)


def _changed(store: Store, book: PriceBook, keys: Sequence[tuple[Any, ...]], found: Repriced) -> Iterator[PricedCall]:
    """The calls of KEYS whose cost by BOOK is another than the stored one, with it."""
    for row, items in _latest(store, keys):
        found.calls += 1
        priced = price_span(book, read_span(row))
        if priced is not None and row["usage_source"] == "provider" != priced.call.usage_source:
            priced = find_settled(store, book, priced)
        if priced is None:
            found.unreadable += 1
            continue
        is_same = (priced.cost.total_usd, priced.cost.status) == (row["cost_usd"], row["cost_status"])
        if is_same and _sums(priced.cost) == items:
            continue
        found.add(row, items, priced.cost)
        yield replace(priced, duplicate_of=row["duplicate_of"])


def _latest(store: Store, keys: Sequence[tuple[Any, ...]]) -> Iterator[tuple[dict[str, Any], Sums]]:
    """The calls of KEYS, oldest first, as their latest revision and their span tell them, and what each item cost."""
    first, last, ids = keys[0][0], keys[-1][0], [key[2] for key in keys]
    calls = CALLS_ALL.filter(CALLS_ALL.started_at.between(first, last), CALLS_ALL.span_id.isin(ids)).select(*STATE)
    spans = SPANS.filter(SPANS.started_at.between(first, last), SPANS.span_id.isin(ids))
    latest: dict[Key, dict[str, Any]] = {}
    for row in _rows(store, calls.join(spans, ["trace_id", "span_id"])):
        key = row["trace_id"], row["span_id"]
        if key not in latest or latest[key]["revision"] < row["revision"]:
            latest[key] = row
    items: dict[Key, Sums] = {}
    for item in _rows(store, COST_ITEMS.filter(COST_ITEMS.span_id.isin(ids))):
        key = item["trace_id"], item["span_id"]
        if key in latest and item["revision"] == latest[key]["revision"] and item["cost_usd"] is not None:
            _add(items.setdefault(key, {}), item["component"], item["cost_usd"])
    for _, trace_id, span_id in keys:
        if (trace_id, span_id) in latest:
            yield latest[trace_id, span_id], items.get((trace_id, span_id), {})


def _rows(store: Store, expression: Any) -> list[dict[str, Any]]:
    return store.query(compile_expression(expression, store.dialect), limit=None).dicts()


def _sums(cost: Cost) -> Sums:
    """What each component of COST costs, as far as that is known."""
    found: Sums = {}
    for item in cost.items:
        if item.cost_usd is not None:
            _add(found, item.component, item.cost_usd)
    return found


def _add(sums: Sums, component: str, amount: Decimal) -> None:
    sums[component] = sums.get(component, Decimal(0)) + amount


def _plus(total: Decimal | None, amount: Decimal | None) -> Decimal | None:
    return total if amount is None else (total or Decimal(0)) + amount


def _amounts(change: _Change) -> dict[str, Decimal | None]:
    both = None if change.before is None or change.after is None else change.after - change.before
    return {"before_usd": change.before, "after_usd": change.after, "difference_usd": both}
