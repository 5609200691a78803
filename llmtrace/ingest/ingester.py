"""Reads the journal from where it was left, and commits what it finds with how far it came."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from llmtrace import wire
from llmtrace.ingest.account import account_for, close_account
from llmtrace.ingest.batches import BatchSettler
from llmtrace.ingest.pricing import price_span
from llmtrace.ingest.settle import Settler
from llmtrace.journal import (
    Counter,
    Damage,
    Eviction,
    Record,
    Segment,
    delete_read_segments,
    list_segments,
    read_counters,
    read_evictions,
    read_segment,
)
from llmtrace.journal.cursor import has_passed, read_cursors
from llmtrace.journal.retention import delete_counters
from llmtrace.model import Span
from llmtrace.pricing import PriceBook
from llmtrace.store.base import Batch, PricedCall, Process, Store, settle

BATCH_RECORDS = 64
log = logging.getLogger("llmtrace.ingest")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one pass did. `is_done`: it came to the end of the journal."""

    stored: int = 0
    is_done: bool = True


@dataclass
class _Work:
    """What a batch has gathered: rows, and the progress to commit with them."""

    spans: list[tuple[Span, str]] = field(default_factory=list)
    calls: list[PricedCall] = field(default_factory=list)
    positions: dict[str, tuple[str, int]] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)


class Ingester:
    """Feeds one store from the journal in one folder. One thread only, in the process that owns the store."""

    def __init__(self, store: Store, folder: Path, book: PriceBook) -> None:
        """Read on where STORE's cursors stand; price by BOOK."""
        self._store, self._folder, self._book = store, folder, book
        self._settler, self._batches = Settler(store, book), BatchSettler(store, book)
        progress = store.progress()
        self._positions, self._processes = progress.positions, progress.processes

    def price_by(self, book: PriceBook) -> None:
        """Price what is read from now on by BOOK."""
        if book.version != self._book.version:
            self._book = book
            self._settler, self._batches = Settler(self._store, book), BatchSettler(self._store, book)

    @property
    def processes(self) -> dict[str, Process]:
        """The account of each process whose journal was read."""
        return dict(self._processes)

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Ingested:
        """Store what is new. SHOULD_STOP is asked after each batch: work that is left stays in the journal."""
        stored = 0
        evictions = read_evictions(self._folder)
        for segment in list_segments(self._folder):
            found = self._read(segment)
            while chunk := list(islice(found, BATCH_RECORDS)):
                stored += self._store_chunk(segment, chunk, evictions)
                if should_stop():
                    return Ingested(stored, is_done=False)
        self._close_accounts(evictions)
        self._delete_old()
        return Ingested(stored)

    def _read(self, segment: Segment) -> Iterator[Record | Damage]:
        position = self._positions.get(segment.name, 0)
        if position < segment.size:
            yield from read_segment(segment, position)

    def _store_chunk(self, segment: Segment, chunk: list[Record | Damage], evictions: list[Eviction]) -> int:
        work = _Work()
        for found in chunk:
            if isinstance(found, Record):
                self._take(segment, found, work, evictions)
            work.positions[segment.name] = (segment.process, found.end)
        calls, revisions = self._settler.settle(work.calls)
        calls, attributed = self._batches.settle([span for span, _ in work.spans], calls)
        revisions += attributed
        batch = Batch(work.spans, calls, revisions, work.positions, tuple(work.processes.values()))
        stored = self._store.commit(batch)
        self._positions.update({name: at for name, (_, at) in work.positions.items()})
        repeated = len(work.spans) - stored
        self._processes.update({name: settle(p, repeated) for name, p in work.processes.items()})  # it is one process
        return stored

    def _take(self, segment: Segment, record: Record, work: _Work, evictions: list[Eviction]) -> None:
        name = segment.process
        known = work.processes.get(name) or self._processes.get(name)
        spans, calls = self._decode(record)
        work.processes[name] = account_for(
            known or Process(name),
            record.first_span,
            record.span_count,
            len(spans),
            evictions,
            is_first=known is None and segment.number > 1,
        )
        work.spans += [(span, name) for span in spans]
        work.calls += calls

    def _decode(self, record: Record) -> tuple[list[Span], list[PricedCall]]:
        """The usable spans of RECORD and the calls among them: a bad span is left out, and counted by its absence."""
        spans: list[Span] = []
        calls: list[PricedCall] = []
        try:
            for span in wire.decode(record.payload):
                if _is_usable(span):
                    self._read_span(span, spans, calls)
        except ValueError as err:
            log.warning("a journal record could not be decoded: %s", err)
        return spans, calls

    def _read_span(self, span: Span, spans: list[Span], calls: list[PricedCall]) -> None:
        try:
            priced = price_span(self._book, span)
        except Exception:  # a span that defeats its reader is rejected alone
            log.exception("a span of scope %r could not be read", span.scope)
            return
        spans.append(span)
        if priced is not None:
            calls.append(priced)

    def _close_accounts(self, evictions: list[Eviction]) -> None:
        """Take over the figures of processes that are over, once nothing of theirs is unread."""
        # Counters first: what a process that is dead by now has written is in the list that follows.
        over = [c for c in read_counters(self._folder) if not c.is_alive and not self._is_closed(c)]
        unread = {s.process for s in list_segments(self._folder) if self._positions.get(s.name, 0) < s.size}
        closed = [
            close_account(self._processes.get(c.process, Process(c.process)), c, evictions)
            for c in over
            if c.process not in unread
        ]
        if closed:
            self._store.commit(Batch(processes=closed))
            self._processes.update({p.process: p for p in closed})

    def _is_closed(self, counter: Counter) -> bool:
        known = self._processes.get(counter.process)
        return known is not None and known.ended is not None

    def _delete_old(self) -> None:
        """Delete read segments past their retention, and the counters of dead processes that have none left."""
        others = read_cursors(self._folder).values()
        deleted = delete_read_segments(
            self._folder,
            lambda s: self._positions.get(s.name, 0) >= s.size and all(has_passed(other, s) for other in others),
        )
        remaining = {s.process for s in list_segments(self._folder)}
        gone = [name for name in self._positions if name in set(deleted)]
        if gone:
            self._store.commit(Batch(forgotten_segments=gone))
            for name in gone:
                del self._positions[name]
        over = [n for n, p in self._processes.items() if p.ended is not None and n not in remaining]
        delete_counters(self._folder, over)


def _is_usable(span: Span) -> bool:
    """Whether SPAN has the ids and times without which it cannot be stored."""
    return len(span.trace_id) == 32 and len(span.span_id) == 16 and 0 < span.start_ns <= span.end_ns < 2**63
