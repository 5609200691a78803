"""The embedded store: one DuckDB file, opened by one process.

One connection writes; every query runs on a cursor of its own, in a read-only transaction, with a time limit. The
engine is locked down: no file, network or extension is reachable from SQL.
"""

import contextlib
import json
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from llmtrace import semconv
from llmtrace.errors import QueryError, StoreError
from llmtrace.store import rows
from llmtrace.store.base import (
    CUT_KEY,
    QUERY_ROWS,
    QUERY_TIMEOUT_S,
    STREAM_ROWS,
    Batch,
    PricedCall,
    Process,
    Progress,
    Rows,
    settle,
)
from llmtrace.store.duckdb_duplicates import DuplicateMarks
from llmtrace.store.duckdb_file import open_file, transaction
from llmtrace.store.stream import BatchStream, with_integers

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")

REVISED = "(trace_id, span_id) IN (SELECT unnest($traces), unnest($spans))"
KEEP_REVISED = f"INSERT INTO call_history FROM call_rows WHERE {REVISED}"
DELETE_REVISED = f"DELETE FROM call_rows WHERE {REVISED} RETURNING trace_id, span_id, revision"  # noqa: S608  (no value)
CLOSE_TIMEOUT_S = 5.0
READING = frozenset({"SELECT", "EXPLAIN"})


class DuckStore:
    """The store in the file at `path`; the caller owns the file's lock."""

    dialect = "duckdb"

    def __init__(self, path: Path) -> None:
        """Open PATH, creating or migrating it as needed.

        Raises:
            StoreUnreadable: the file is damaged, no database, or of a newer llmtrace.
            StoreLocked: a process that takes no part in the hand-over has the file open.
        """
        self.path = path
        self._write_lock = threading.Lock()
        self._cursor_lock = threading.Condition()
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._is_closed = False
        self._streams: weakref.WeakSet[BatchStream] = weakref.WeakSet()
        self._connection = open_file(path)
        self._duplicates = DuplicateMarks(self._connection)
        self._protect_files()

    def commit(self, batch: Batch) -> int:
        """Store BATCH in one transaction; how many of its spans were new. The others are settled in the account."""
        with self._write_lock, transaction(self._connection):
            known = self._known([(s.trace_id, s.span_id) for s, _ in batch.spans], batch)
            spans, seen, known_of = [], known, Counter[str]()
            for span, process in batch.spans:
                key = (span.trace_id, span.span_id)
                if key not in seen:
                    seen.add(key)
                    spans.append(rows.span_row(span, process))
                else:
                    known_of[process] += 1
            self._append("spans", spans)
            self._append_calls(batch.calls, {(r[0], r[1]) for r in spans})
            self._revise(batch.revisions)
            settled = [settle(p, known_of[p.process]) for p in batch.processes]
            self._write_progress(replace(batch, processes=settled))
        self._protect_files()
        return len(spans)

    def progress(self) -> Progress:
        """How far the journal has been read."""
        positions = self._read("SELECT segment, position FROM journal_cursors")
        accounts = self._read(
            "SELECT process, service, next_span, stored, dropped, ended, dropped_in_process FROM journal_processes"
        )
        processes = [
            Process(name, service, next_span, stored, json.loads(dropped), ended, _loads(in_process))
            for name, service, next_span, stored, dropped, ended, in_process in accounts
        ]
        return Progress(dict(positions), {p.process: p for p in processes})

    def query(self, sql: str, *, limit: int | None = QUERY_ROWS, timeout_s: float = QUERY_TIMEOUT_S) -> Rows:
        """The answer to SQL, one statement that only reads; at most LIMIT rows of it.

        Raises:
            QueryError: it does more, fails, or takes longer than TIMEOUT_S.
        """

        def run(cursor: duckdb.DuckDBPyConnection) -> Rows:
            cursor.execute(sql)
            columns = tuple(column[0] for column in cursor.description or ())
            found = cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
            return Rows(columns, found[:limit], limit is not None and len(found) > limit)

        return self._run(sql, run, timeout_s)

    def arrow(self, sql: str, *, limit: int | None = QUERY_ROWS, timeout_s: float = QUERY_TIMEOUT_S) -> "pyarrow.Table":
        """The answer to SQL as an Arrow table; its metadata tell where it was cut. Raises like `query`."""

        def run(cursor: duckdb.DuckDBPyConnection) -> "pyarrow.Table":
            table = with_integers(cursor.sql(sql).to_arrow_table())
            if limit is None or table.num_rows <= limit:
                return table
            return table.slice(0, limit).replace_schema_metadata({CUT_KEY: b"true"})

        return self._run(sql, run, timeout_s)

    def stream(self, statements: Iterable[str]) -> "pyarrow.RecordBatchReader":
        """The whole answers to STATEMENTS, one after the other, in batches from one snapshot. Raises QueryError."""
        import pyarrow as pa

        def answer(cursor: duckdb.DuckDBPyConnection, sql: str) -> "pyarrow.RecordBatchReader":
            _require_reading(cursor, sql)
            return cursor.sql(sql).to_arrow_reader(STREAM_ROWS)

        with self._cursor_lock:
            cursor = self._connection.cursor()
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            stream = BatchStream(cursor, statements, answer)
        except duckdb.Error as err:
            cursor.close()
            raise QueryError(str(err)) from err
        self._streams.add(stream)
        return pa.RecordBatchReader.from_batches(stream.schema, _batches(stream))

    def close(self) -> None:
        """Let the database go, with everything in its main file; queries under way end with a StoreError."""
        for stream in list(self._streams):
            stream.close()
        with self._cursor_lock:
            self._is_closed = True
            # The file stays open for as long as one of them does.
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            while self._cursors and time.monotonic() < deadline:
                for cursor in self._cursors:
                    cursor.interrupt()
                self._cursor_lock.wait(0.05)
        with self._write_lock:
            self._connection.close()

    # Writing

    def _known(self, keys: Sequence[tuple[str, str]], batch: Batch) -> set[tuple[str, str]]:
        """Which of KEYS (trace id, span id) are stored already."""
        if not keys:
            return set()
        times = [rows.moment(span.start_ns) for span, _ in batch.spans]
        if any(semconv.BATCH_CUSTOM_ID in span.attributes for span, _ in batch.spans):
            times += [datetime.min, datetime.max]  # results that are read again may be timed otherwise
        found = self._connection.execute(
            "SELECT s.trace_id, s.span_id FROM spans s JOIN (SELECT unnest(?) AS trace_id, unnest(?) AS span_id) b "
            "ON s.trace_id = b.trace_id AND s.span_id = b.span_id WHERE s.started_at BETWEEN ? AND ?",
            [[k[0] for k in keys], [k[1] for k in keys], min(times), max(times)],
        ).fetchall()
        return {(trace_id, span_id) for trace_id, span_id in found}

    def _append_calls(self, calls: Sequence[PricedCall], new: set[tuple[str, str]]) -> None:
        now = rows.utc_now()
        taken = []
        for priced in calls:
            key = (priced.call.trace_id, priced.call.span_id)
            if key in new:
                new.discard(key)
                taken.append(priced)
        self._append("call_rows", self._duplicates.mark(taken, [rows.call_row(p, 1, now) for p in taken]))
        self._append("cost_items", [row for p in taken for row in rows.item_rows(p.call, p.cost, 1)])
        self._append("contents", [rows.content_row(p.call, p.call.content) for p in taken if p.call.content])

    def _revise(self, revisions: Sequence[PricedCall]) -> None:
        """Put REVISIONS in the place of what stands there, which goes to the history."""
        if not revisions:
            return
        keys = {
            "traces": [p.call.trace_id for p in revisions],
            "spans": [p.call.span_id for p in revisions],
        }
        self._connection.execute(KEEP_REVISED, keys)
        removed = self._connection.execute(DELETE_REVISED, keys).fetchall()
        last = {(trace_id, span_id): revision for trace_id, span_id, revision in removed}
        now = rows.utc_now()
        for priced in revisions:
            number = last.get((priced.call.trace_id, priced.call.span_id), 0) + 1
            self._append("call_rows", [rows.call_row(priced, number, now)])
            self._append("cost_items", list(rows.item_rows(priced.call, priced.cost, number)))

    def _write_progress(self, batch: Batch) -> None:
        gone = [*batch.positions, *batch.forgotten_segments]
        if gone:
            self._connection.execute("DELETE FROM journal_cursors WHERE segment IN (SELECT unnest(?))", [gone])
            self._append("journal_cursors", [(name, p, at) for name, (p, at) in batch.positions.items()])
        if batch.processes:
            names = [p.process for p in batch.processes]
            self._connection.execute("DELETE FROM journal_processes WHERE process IN (SELECT unnest(?))", [names])
            self._append("journal_processes", [_process_row(p) for p in batch.processes])

    def _append(self, table: str, values: Sequence[tuple[Any, ...]]) -> None:
        # The appender beats Arrow below a few hundred rows and needs no pyarrow; beyond, they are close.
        if values:
            appender = self._connection.appender(table)
            appender.append_rows(values)
            appender.flush()

    def _protect_files(self) -> None:
        """Keep the files to this user: DuckDB makes them readable to all."""
        for path in (self.path, self.path.with_name(self.path.name + ".wal")):
            with contextlib.suppress(FileNotFoundError):
                if os.stat(path).st_mode & 0o077:
                    os.chmod(path, 0o600)

    # Reading

    def _read(self, sql: str) -> list[tuple[Any, ...]]:
        return self._run(sql, lambda cursor: cursor.execute(sql).fetchall(), QUERY_TIMEOUT_S)

    def _run(self, sql: str, run: Callable[[duckdb.DuckDBPyConnection], _T], timeout_s: float) -> _T:
        with self._cursor_lock:
            if self._is_closed:
                raise StoreError(f"{self.path} is not open any more")
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
        timer = threading.Timer(timeout_s, cursor.interrupt)
        try:
            _require_reading(cursor, sql)
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            timer.start()
            return run(cursor)
        except duckdb.InterruptException as err:
            if self._is_closed:
                raise StoreError(f"{self.path} is not open any more") from err
            raise QueryError(f"the query took longer than {timeout_s:g} s; narrow it down") from err
        except duckdb.Error as err:
            raise QueryError(str(err)) from err
        finally:
            timer.cancel()
            with self._cursor_lock:
                cursor.close()
                self._cursors.discard(cursor)
                self._cursor_lock.notify_all()


def _batches(stream: BatchStream) -> Iterator["pyarrow.RecordBatch"]:
    try:
        yield from stream
    except duckdb.Error as err:
        raise QueryError(str(err)) from err


def _require_reading(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise QueryError unless SQL is one statement that only reads."""
    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type.name not in READING:
        raise QueryError("a query is one SELECT (or DESCRIBE, SUMMARIZE, EXPLAIN): this database is only read")


def _process_row(process: Process) -> tuple[Any, ...]:
    return (
        process.process,
        process.service,
        process.next_span,
        process.stored,
        json.dumps(dict(process.dropped)),
        process.ended,
        None if process.dropped_in_process is None else json.dumps(dict(process.dropped_in_process)),
    )


def _loads(text: str | None) -> dict[str, int] | None:
    return None if text is None else json.loads(text)
