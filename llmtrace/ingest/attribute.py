"""Applies the rules to calls that are stored already: a new revision where the feature changes, the old in the history.

What somebody named is left alone; what a rule named, the rules of today name anew, or nobody any more.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

import ibis
import ibis.expr.types as ir

from llmtrace.analytics import Filter, compile_expression
from llmtrace.analytics.filters import apply_filter
from llmtrace.analytics.relations import SPANS
from llmtrace.analytics.tables import CALLS, UNPRICED
from llmtrace.ingest.batches import BatchSettler
from llmtrace.ingest.pricing import price_span
from llmtrace.pricing import PriceBook
from llmtrace.rules import Found, Rules
from llmtrace.rules.rule import SOURCE
from llmtrace.store.base import Attribution, Batch, PricedCall, Store
from llmtrace.store.rows import read_span

BATCH_CALLS = 5000
KEYS = ("trace_id", "span_id", "started_at")
STATE = ("feature", "feature_source", "cost_usd", "cost_status")


@dataclass
class _Move:
    """The calls that go from one feature to another; an unknown cost is not in the sum."""

    calls: int = 0
    cost_usd: Decimal | None = None
    unpriced_calls: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.calls += 1
        self.unpriced_calls += row["cost_status"] in UNPRICED
        if row["cost_usd"] is not None:
            self.cost_usd = (self.cost_usd or Decimal(0)) + row["cost_usd"]


@dataclass
class _Applied:
    """What applying the rules changes, or would."""

    calls: int = 0
    changed: _Move = field(default_factory=_Move)
    unreadable: int = 0
    moves: dict[tuple[str | None, str | None, str | None], _Move] = field(default_factory=dict)

    def add(self, row: dict[str, Any], found: Found | None) -> None:
        key = (row["feature"], *_names(found))
        for move in (self.changed, self.moves.setdefault(key, _Move())):
            move.add(row)

    def answer(self, rules: Rules, *, is_dry: bool) -> dict[str, Any]:
        ordered = sorted(self.moves.items(), key=lambda m: (-(m[1].cost_usd or 0), -m[1].calls, str(m[0])))
        return {
            "dry_run": is_dry,
            "rules": len(rules.rules),
            "calls": self.calls,
            "changed": self.changed.calls,
            "changed_usd": self.changed.cost_usd,
            "unreadable": self.unreadable,
            "rows": [
                {
                    "before": before,
                    "after": after,
                    "source": source,
                    "calls": move.calls,
                    "cost_usd": move.cost_usd,
                    "unpriced_calls": move.unpriced_calls,
                }
                for (before, after, source), move in ordered
            ],
        }


def apply_rules(
    store: Store,
    book: PriceBook,
    rules: Rules,
    chosen: Filter,
    turn: AbstractContextManager[Any],
    *,
    is_dry: bool,
) -> dict[str, Any]:
    """What changes where RULES name the feature of the calls of CHOSEN in STORE; unless IS_DRY, it is written.

    BOOK reads the results of batches. Written in batches, each of which waits for its TURN. Calls whose feature
    somebody named are not looked at.
    """
    applied = _Applied()
    changes = _changes(store, book, rules, chosen, applied)
    while batch := list(islice(changes, BATCH_CALLS)):
        if not is_dry:
            with turn:
                store.commit(Batch(attributions=batch))
    return applied.answer(rules, is_dry=is_dry)


def _changes(store: Store, book: PriceBook, rules: Rules, chosen: Filter, applied: _Applied) -> Iterator[Attribution]:
    """The calls of CHOSEN whose feature is another than the stored one."""
    batches = BatchSettler(store, book)
    for batch in store.stream([compile_expression(_ruled(chosen), store.dialect)]):
        rows = batch.to_pylist()
        read = [price_span(book, read_span(row)) for row in rows]
        results = [priced for priced in read if priced is not None and priced.call.batch is not None]
        of_batches = {_key(p): p for p in batches.settle_stored(results)} if results else {}
        for row, priced in zip(rows, read, strict=True):
            applied.calls += 1
            if priced is None:
                applied.unreadable += 1
                continue
            priced = of_batches.get(_key(priced), priced)
            if priced.call.feature is not None:
                continue  # the one who made the batch named it since
            found = rules.find(priced.call, priced.service, priced.environment)
            if (row["feature"], row["feature_source"]) != _names(found):
                applied.add(row, found)
                yield Attribution(row["trace_id"], row["span_id"], *_names(found))


def _key(priced: PricedCall) -> tuple[str, str]:
    return priced.call.trace_id, priced.call.span_id


def _names(found: Found | None) -> tuple[str | None, str | None]:
    return (None, None) if found is None else (found.feature, found.source)


def _ruled(chosen: Filter) -> ir.Table:
    """The calls of CHOSEN whose feature nobody named, or a rule did, with their spans."""
    calls = apply_filter(CALLS, chosen)
    by_rule = (calls.feature_source == SOURCE) | calls.feature_source.startswith(f"{SOURCE}:")
    mine = calls.filter(calls.feature.isnull() | by_rule).select(*KEYS, *STATE)
    spans = SPANS.select(*(name for name in SPANS.columns if name != "process"))
    return spans.inner_join(mine, KEYS).order_by([ibis.asc("started_at"), ibis.asc("span_id")])
