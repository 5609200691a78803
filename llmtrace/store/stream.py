"""Arrow answers on their way out: long ones batch by batch, let go of when the store is closed under them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llmtrace.errors import StoreError

if TYPE_CHECKING:
    import pyarrow


class BatchStream:
    """The answers to statements, one after the other, read by one thread; any thread may close it.

    An engine keeps its file open for as long as anything of an answer is left, so closing lets go of that too.
    """

    def __init__(
        self, cursor: Any, statements: Iterable[str], answer: Callable[[Any, str], "pyarrow.RecordBatchReader"]
    ) -> None:
        """Answer STATEMENTS on CURSOR, which is this one's own, each by ANSWER."""
        self._cursor, self._statements, self._answer = cursor, iter(statements), answer
        self._lock = threading.Lock()
        self._is_closed = False
        self._reader = self._next_reader()
        assert self._reader is not None, "a stream has a statement at least"
        self.schema = self._reader.schema

    def __iter__(self) -> Iterator["pyarrow.RecordBatch"]:
        """The batches. Raises StoreError where the stream is closed before its end."""
        try:
            while (batch := self._next()) is not None:
                yield batch
        finally:
            self.close()

    def close(self) -> None:
        """Stop, and let go of the cursor and of what is left of the answer."""
        if not self._is_closed:
            self._cursor.interrupt()
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                if self._reader is not None:
                    self._reader.close()
                    self._reader = None
                self._cursor.close()

    def _next(self) -> "pyarrow.RecordBatch | None":
        with self._lock:
            if self._is_closed:
                raise StoreError("the database was closed before the answer was read to its end; ask again")
            while self._reader is not None:
                try:
                    return self._reader.read_next_batch()
                except StopIteration:
                    self._reader = self._next_reader()
            return None

    def _next_reader(self) -> "pyarrow.RecordBatchReader | None":
        statement = next(self._statements, None)
        return None if statement is None else self._answer(self._cursor, statement)


def with_integers(table: "pyarrow.Table") -> "pyarrow.Table":
    """TABLE with sums of integers as integers: DuckDB's are wider than Arrow's, and arrive as decimals."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if field.type == pa.decimal128(38, 0):
            try:
                table = table.set_column(i, field.with_type(pa.int64()), table.column(i).cast(pa.int64()))
            except pa.ArrowInvalid:
                continue  # a number that is really that large
    return table
