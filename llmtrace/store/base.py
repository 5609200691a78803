"""What a storage engine does, and the values that go in and come out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from llmtrace import semconv
from llmtrace.model import Call, Cost, Span

if TYPE_CHECKING:
    import pyarrow

QUERY_ROWS = 10_000
QUERY_TIMEOUT_S = 10.0
STREAM_ROWS = 20_000  # in each batch of a stream
CUT_KEY = b"llmtrace.is_cut"  # in an Arrow answer's metadata


@dataclass(frozen=True, slots=True)
class PricedCall:
    """A call with its price, as a row of the `calls` relation is made of it.

    `scope` is the span's. `duplicate_of` is the span id of the call that is billed in its place.
    """

    call: Call
    cost: Cost
    service: str | None
    environment: str | None
    scope: str = semconv.SCOPE_NAME
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """What became of the spans of one process; `next_span` is the number of the first that is not accounted for.

    `ended` and `dropped_in_process` are its own count, once it is over: until then its counter file has them.
    """

    process: str
    service: str | None = None
    next_span: int = 0
    stored: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    ended: int | None = None
    dropped_in_process: Mapping[str, int] | None = None


DUPLICATE = "duplicate"


def settle(process: Process, duplicates: int) -> Process:
    """PROCESS where DUPLICATES of the spans that it counts as stored had been stored before: sent twice, kept once."""
    if not duplicates:
        return process
    dropped = {**process.dropped, DUPLICATE: process.dropped.get(DUPLICATE, 0) + duplicates}
    return replace(process, stored=process.stored - duplicates, dropped=dropped)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The feature that a stored call has from now on, and who says so; None where nobody does any more."""

    trace_id: str
    span_id: str
    feature: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Batch:
    """What is committed at once: rows, how far the journal was read for them, and what became of the spans.

    `revisions` replace calls that are stored already; what stood there goes to the history. So does what
    `attributions` change, each of which keeps all else of its call, and its bill.
    """

    spans: Sequence[tuple[Span, str]] = ()
    calls: Sequence[PricedCall] = ()
    revisions: Sequence[PricedCall] = ()
    positions: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    processes: Sequence[Process] = ()
    forgotten_segments: Sequence[str] = ()
    attributions: Sequence[Attribution] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the journal has been read: offsets by segment, and the account of each process."""

    positions: dict[str, int]
    processes: dict[str, Process]


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a query. `is_cut`: there were more rows than were asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    is_cut: bool = False

    def dicts(self) -> list[dict[str, Any]]:
        """The rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Store(Protocol):
    """A storage engine. `commit` is called from one thread, the others from any."""

    dialect: str

    def commit(self, batch: Batch) -> int:
        """Store BATCH in one transaction; how many of its spans were new.

        Those that were not are taken from the account of the process they came from (`settle`).
        """

    def progress(self) -> Progress:
        """How far the journal has been read."""

    def query(self, sql: str, *, limit: int | None = QUERY_ROWS, timeout_s: float = QUERY_TIMEOUT_S) -> Rows:
        """The answer to SQL, one statement that only reads.

        Raises:
            QueryError: it does more, fails, or takes longer than TIMEOUT_S.
        """

    def arrow(self, sql: str, *, limit: int | None = QUERY_ROWS, timeout_s: float = QUERY_TIMEOUT_S) -> "pyarrow.Table":
        """The answer to SQL as an Arrow table. Raises like `query`."""

    def stream(self, statements: Iterable[str]) -> "pyarrow.RecordBatchReader":
        """The whole answers to STATEMENTS, which have the same columns, one after the other, from one snapshot.

        In batches as they are read, so that an answer of any size takes little memory. Raises QueryError.
        """

    def close(self) -> None:
        """Let the database go."""
