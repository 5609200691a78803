"""The owner of a database: holds the lock, reads the journal into the store, and answers questions from it."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtrace.analytics import compile_expression, compile_question, parse_filter
from llmtrace.analytics.export import export_expression, export_windows
from llmtrace.analytics.filters import apply_filter
from llmtrace.analytics.questions import freshness
from llmtrace.analytics.restrict import restrict_sql
from llmtrace.analytics.tables import CALLS
from llmtrace.budgets.from_file import budget_problems
from llmtrace.errors import ConfigError, StoreError
from llmtrace.explanation import explain_call
from llmtrace.ingest import Ingested, Ingester, Summary, summarise
from llmtrace.ingest.attribute import apply_rules
from llmtrace.ingest.reprice import reprice
from llmtrace.journal import journal_folder, list_segments, read_counters
from llmtrace.journal.cursor import read_cursors
from llmtrace.pricing import CurrentPrices, PriceBook, load_book
from llmtrace.pricing.display import describe_currency
from llmtrace.redaction.configured import redaction_problems
from llmtrace.rules import CurrentRules
from llmtrace.store.base import Rows
from llmtrace.store.duckdb import DuckStore
from llmtrace.store.lock import WAIT_S, OwnerLock

if TYPE_CHECKING:
    import pyarrow

DB_NAME = "llmtrace.duckdb"
WITHHELD = """
SELECT json_extract_string(attributes, '$."llmtrace.content.withheld"') AS reason, count(*) FROM spans
WHERE contains(CAST(attributes AS VARCHAR), '"llmtrace.content.withheld"') GROUP BY reason ORDER BY reason
"""


class Owner:
    """One process's hold on one database. `open` first, `close` last; questions may come from any thread."""

    def __init__(self, home: Path, db: Path | None, kind: str) -> None:
        """Prepare to own the database at DB (default: in HOME) as a KIND (`report`, `dashboard`, `serve`)."""
        self.home = home
        self.db = db if db is not None else home / DB_NAME
        self.kind = kind
        self.lock = OwnerLock(self.db, kind)
        self.store: DuckStore | None = None
        self._ingester: Ingester | None = None
        self._prices, self._rules = CurrentPrices(home, keeps_copy=True), CurrentRules(home)
        self._turn = threading.Lock()  # to read calls and write what follows from them

    def open(self, wait_s: float = WAIT_S) -> "Owner":
        """Take the lock and open the store.

        Raises:
            StoreLocked: another owner does not let go within WAIT_S.
            StoreUnreadable: the database is damaged, or of a newer llmtrace.
            ConfigError: the folder cannot be written.
        """
        try:
            self.lock.acquire(wait_s)
        except OSError as err:
            raise ConfigError(f"{self.db.parent} cannot be written ({err}); name another with --home or --db") from err
        return self._open_locked()

    def try_open(self) -> bool:
        """Whether nobody owned the database, and this does now; where somebody does, he is asked to let go.

        Raises:
            StoreUnreadable: the database is damaged, or of a newer llmtrace.
            ConfigError: the folder cannot be written.
        """
        try:
            if not self.lock.try_acquire():
                self.lock.ask()
                return False
        except OSError as err:
            raise ConfigError(f"{self.db.parent} cannot be written ({err}); name another with --home or --db") from err
        self._open_locked()
        return True

    def _open_locked(self) -> "Owner":
        try:
            self.store = DuckStore(self.db)
            self._ingester = Ingester(self.store, journal_folder(self.home), self.book())
        except BaseException:
            self.close()
            raise
        return self

    def reopen_store(self) -> None:
        """Close and open the store, keeping the lock. Raises like `open`."""
        if self.store is not None:
            self.store.close()
            self.store = None
        self.store = DuckStore(self.db)
        self._ingester = Ingester(self.store, journal_folder(self.home), self.book())

    def close(self) -> None:
        """Close the store and let the lock go."""
        if self.store is not None:
            self.store.close()
            self.store = None
        self.lock.release()

    def book(self) -> PriceBook:
        """The prices in force: the bundled book with the user's own before it."""
        return self._prices.book()

    def currency(self) -> dict[str, Any] | None:
        """What amounts are shown in beside US dollars, with its dated rates; None where nothing is said."""
        return describe_currency(self.book())

    def ingest(self, should_stop: Callable[[], bool] = lambda: False) -> Ingested:
        """Read what is new in the journal into the store. One thread at a time."""
        assert self._ingester is not None
        self._ingester.price_by(self.book())
        self._ingester.attribute_by(self._rules.rules())
        with self._turn:
            return self._ingester.run(should_stop)

    def ask(self, question: str, options: Mapping[str, Any]) -> Rows:
        """The answer to QUESTION with OPTIONS, its parameters and those of the filter.

        Raises:
            QueryError: the question or an option is not known, or it takes too long.
        """
        store = self._open_store()
        return store.query(compile_question(question, options, store.dialect))

    def ask_arrow(self, question: str, options: Mapping[str, Any]) -> "pyarrow.Table":
        """The answer to QUESTION as an Arrow table. Raises like `ask`."""
        store = self._open_store()
        return store.arrow(compile_question(question, options, store.dialect))

    def explain(self, span_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The cost of the call whose span id starts with SPAN_ID, taken apart; OPTIONS are those of the filter.

        Raises:
            QueryError: no call, or more than one, has such an id; or an option is not known.
        """
        store = self._open_store()
        return explain_call(
            lambda expression: store.query(compile_expression(expression, store.dialect)),
            self.book(),
            span_id,
            parse_filter(options),
        )

    def reprice(self, options: Mapping[str, Any], *, is_dry: bool) -> dict[str, Any]:
        """What changes where the calls that OPTIONS, of the filter, describe get the prices in force.

        Unless IS_DRY, each gets a new revision; what stood there goes to the history. Raises QueryError.
        """
        answer = reprice(self._open_store(), self.book(), parse_filter(options), self._turn, is_dry=is_dry)
        return {**answer, "price_problem": self._prices.problem}

    def apply_rules(self, options: Mapping[str, Any], *, is_dry: bool) -> dict[str, Any]:
        """What changes where the rules in force name the feature of the calls that OPTIONS, of the filter, describe.

        Unless IS_DRY, each call whose feature changes gets a new revision. Raises QueryError; ConfigFileError where the
        rules cannot be read as they stand.
        """
        rules = self._rules.require()
        return apply_rules(self._open_store(), self.book(), rules, parse_filter(options), self._turn, is_dry=is_dry)

    def export(self, relation: str, options: Mapping[str, Any]) -> "pyarrow.RecordBatchReader":
        """All rows of `calls`, or of `spans` with their cost, in the order of time; OPTIONS are those of the filter.

        Raises:
            QueryError: the relation or an option is not known.
        """
        store, chosen = self._open_store(), parse_filter(options)
        period = store.query(compile_expression(freshness(apply_filter(CALLS, chosen)), store.dialect)).dicts()[0]
        windows = export_windows(chosen, period["calls"], period["first_call_at"], period["last_call_at"])
        return store.stream(compile_expression(export_expression(relation, w), store.dialect) for w in windows)

    def sql(self, text: str, options: Mapping[str, Any] | None = None) -> Rows:
        """The answer to TEXT, one SQL statement that only reads, over the calls that OPTIONS, of the filter, describe.

        Raises:
            QueryError: it does more, fails, or takes too long.
        """
        store = self._open_store()
        return store.query(restrict_sql(text, options or {}, store.dialect))

    def arrow(self, text: str, options: Mapping[str, Any] | None = None) -> "pyarrow.Table":
        """The answer to TEXT as an Arrow table. Raises like `sql`."""
        store = self._open_store()
        return store.arrow(restrict_sql(text, options or {}, store.dialect))

    def account(self) -> Summary:
        """What became of every span that ended. Raises StoreError."""
        self._open_store()
        assert self._ingester is not None
        return summarise(self._ingester.processes, read_counters(journal_folder(self.home)))

    def deliveries(self) -> list[dict[str, Any]]:
        """Where the journal is delivered to, how many spans got there, and how many did not and why."""
        return [
            {"to": progress.url, "delivered": progress.delivered, "dropped": progress.dropped}
            for progress in read_cursors(journal_folder(self.home)).values()
        ]

    def journal_bytes(self) -> int:
        """The journal's size."""
        return sum(s.size for s in list_segments(journal_folder(self.home)))

    def store_bytes(self) -> int:
        """The size of the database's files."""
        paths = (self.db, self.db.with_name(self.db.name + ".wal"))
        return sum(p.stat().st_size for p in paths if p.exists())

    def health(self) -> dict[str, Any]:
        """What became of every span that ended, and the state of journal, store and price book."""
        store, folder = self._open_store(), journal_folder(self.home)
        summary = self.account()
        segments = list_segments(folder)
        spans, calls = store.query("SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM calls)").rows[0]
        book, me = self.book(), self.lock.owner()
        doubts = [p for p in (self._prices.problem, self._rules.problem) if p is not None]
        return {
            "ended": summary.ended,
            "stored": summary.stored,
            "pending": summary.pending,
            "dropped": summary.dropped,
            "export_dropped": summary.export_dropped,
            # Who only owns the database for as long as the answer takes is no owner to speak of.
            "owner": {"pid": me.pid, "kind": me.kind, "url": me.url} if me.url is not None else None,
            "journal_bytes": sum(s.size for s in segments),
            "journal_segments": len(segments),
            "store": {"path": str(self.db), "bytes": self.store_bytes(), "spans": spans, "calls": calls},
            "price_book": {
                "version": book.version,
                "rows": len(book.prices),
                "bundled": load_book().version,
                "own": str(self._prices.path) if book.version != load_book().version else None,
                "currency": describe_currency(book),
            },
            "deliveries": self.deliveries(),
            "content_withheld": dict(store.query(WITHHELD).rows),
            "problems": [*summary.problems, *doubts, *_problems_of_file(self.home)],
        }

    def _open_store(self) -> DuckStore:
        if self.store is None:
            raise StoreError(f"{self.db} is not open any more")
        return self.store


def _problems_of_file(home: Path) -> list[str]:
    """What is wrong in HOME's configuration file; each mistake once, whoever reads it."""
    return list(dict.fromkeys([*redaction_problems(home), *budget_problems(home)]))
