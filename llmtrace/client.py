"""Asks whoever owns the database, or becomes its owner for as long as one question takes."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from llmtrace import config
from llmtrace.analytics.catalogue import catalogue
from llmtrace.errors import SidecarUnreachable, StoreLocked
from llmtrace.owner import DB_NAME, Owner
from llmtrace.release import VERSION
from llmtrace.remote import Remote
from llmtrace.rendering import plain
from llmtrace.store.base import Rows
from llmtrace.store.lock import POLL_S, WAIT_S, read_owner

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")
REPRICE_TIMEOUT_S = 3600.0
YIELD_AFTER_S = 1.0


class Client:
    """Answers to questions and SQL, from a sidecar or from the database itself."""

    def __init__(self, home: Path, db: Path | None, url: str | None, token: str | None, kind: str = "client") -> None:
        """Ask the sidecar at URL with TOKEN, or else whoever owns the database at DB (default: in HOME)."""
        self._home, self._db = home, db if db is not None else home / DB_NAME
        self._url, self._token, self._kind = url, token, kind

    def __enter__(self) -> "Client":
        """This client."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is held between questions: an app, a dashboard and a client take turns at the database."""

    def questions(self) -> dict[str, Any]:
        """The questions there are, each with its parameters and the columns of its answer. Raises like `ask`."""
        if self._url is None:
            return {"llmtrace": VERSION, **catalogue()}
        found: dict[str, Any] = Remote(self._url, self._token).json("GET", "/api/v1/")
        return found

    def ask(self, question: str, **options: Any) -> "pyarrow.Table":
        """The answer to QUESTION as an Arrow table; OPTIONS are its parameters and those of the filter.

        Raises:
            QueryError: the question or an option is not known.
            StoreError: the database cannot be read.
        """
        return self._either(
            lambda owner: owner.ask_arrow(question, options),
            lambda remote: remote.arrow("GET", f"/api/v1/{question}?" + _query(options)),
        )

    def sql(self, query: str, **filters: Any) -> "pyarrow.Table":
        """The answer to QUERY, one SQL statement that only reads, as an Arrow table.

        Where FILTERS are given, `calls` means those that they describe. Raises like `ask`.
        """
        return self._either(
            lambda owner: owner.arrow(query, filters),
            lambda remote: remote.arrow("POST", "/api/v1/sql", {"sql": query, "filter": _texts(filters)}),
        )

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        """The answer to QUESTION as Python rows. Raises like `ask`."""
        return self._either(
            lambda owner: owner.ask(question, options),
            lambda remote: remote.rows("GET", f"/api/v1/{question}?" + _query(options)),
        )

    def sql_rows(self, query: str, filters: Mapping[str, Any] | None = None) -> Rows:
        """The answer to QUERY as Python rows. Raises like `ask`."""
        return self._either(
            lambda owner: owner.sql(query, filters),
            lambda remote: remote.rows("POST", "/api/v1/sql", {"sql": query, "filter": _texts(filters or {})}),
        )

    def health(self) -> dict[str, Any]:
        """What became of every span that ended, and the state of journal, store and price book. Raises like `ask`."""
        return self._either(lambda owner: owner.health(), lambda remote: remote.json("GET", "/api/v1/doctor"))

    def currency(self) -> dict[str, Any] | None:
        """What amounts are shown in beside US dollars, with its dated rates, or None. Raises like `ask`."""
        found: dict[str, Any] | None = self._either(
            lambda owner: owner.currency(), lambda remote: remote.json("GET", "/api/v1/currency")
        )
        return found

    def explain(self, span_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The cost of the call whose span id starts with SPAN_ID, taken apart: decimals and times as text.

        Raises:
            QueryError: no call, or more than one, has such an id; or an option is not known.
            StoreError: the database cannot be read.
        """
        found: dict[str, Any] = self._either(
            lambda owner: plain(owner.explain(span_id, options)),
            lambda remote: remote.json("GET", "/api/v1/explain?" + _query({"span_id": span_id, **options})),
        )
        return found

    def reprice(self, options: Mapping[str, Any], *, is_dry: bool) -> dict[str, Any]:
        """What changes where the calls that OPTIONS describe get the prices in force; unless IS_DRY, it is written.

        Decimals as text. Raises like `ask`.
        """
        body = {"filter": _texts(options), "dry_run": is_dry}
        found: dict[str, Any] = self._either(
            lambda owner: plain(owner.reprice(options, is_dry=is_dry)),
            lambda remote: remote.json("POST", "/api/v1/reprice", body, timeout_s=REPRICE_TIMEOUT_S),
        )
        return found

    def apply_rules(self, options: Mapping[str, Any], *, is_dry: bool) -> dict[str, Any]:
        """What changes where the rules name the feature of the calls that OPTIONS describe.

        Unless IS_DRY, it is written. Decimals as text. Raises like `ask`; ConfigFileError where the file is bad.
        """
        body = {"filter": _texts(options), "dry_run": is_dry}
        found: dict[str, Any] = self._either(
            lambda owner: plain(owner.apply_rules(options, is_dry=is_dry)),
            lambda remote: remote.json("POST", "/api/v1/rules", body, timeout_s=REPRICE_TIMEOUT_S),
        )
        return found

    def export(
        self, relation: str, options: Mapping[str, Any], write: "Callable[[pyarrow.RecordBatchReader], _T]"
    ) -> _T:
        """What WRITE returns for all rows of RELATION (`calls`, or `spans` with their cost), in the order of time.

        It is handed a reader of batches, which holds only while it runs. Raises like `ask`, and what WRITE raises.
        """
        return self._either(
            lambda owner: write(owner.export(relation, options)),
            lambda remote: remote.stream("/api/v1/export?" + _query({"relation": relation, **options}), write),
        )

    def _either(self, here: "Callable[[Owner], _T]", there: "Callable[[Remote], _T]") -> _T:
        """HERE as the owner, or THERE where another answers; whichever the database has within ten seconds."""
        if self._url is not None:
            return there(Remote(self._url, self._token))
        deadline = time.monotonic() + WAIT_S
        while True:
            held = read_owner(self._db)
            if held is not None and held.url is not None:
                try:
                    return there(Remote(held.url, _read_token(held.token_file)))
                except SidecarUnreachable:
                    pass  # it is just leaving: whoever comes next will answer
            owner = Owner(self._home, self._db, self._kind)
            if owner.try_open():
                try:
                    if owner.ingest(_until_wanted(owner)).is_done:
                        return here(owner)
                finally:
                    owner.close()
                deadline = time.monotonic() + WAIT_S  # let another have it, and ask again
            elif time.monotonic() >= deadline:
                raise StoreLocked(str(self._db), held.pid if held is not None else None)
            time.sleep(POLL_S)


def _until_wanted(owner: Owner) -> Callable[[], bool]:
    """Stop reading a long backlog where another process asks for the database: it will read on from here."""
    started = time.monotonic()
    return lambda: time.monotonic() - started > YIELD_AFTER_S and owner.lock.wanted_by() is not None


def connect(home: str | Path | None = None, url: str | None = None, token: str | None = None) -> Client:
    """A client of the sidecar at URL, or of the database in HOME (default: `LLMTRACE_HOME`)."""
    where = Path(home).expanduser() if home is not None else config.default_home()
    return Client(where, None, url, token or config.token())


def _texts(filters: Mapping[str, Any]) -> dict[str, Any]:
    """FILTERS as JSON can hold them: times as text."""
    found: dict[str, Any] = plain({k: v for k, v in filters.items() if v is not None})
    return found


def _query(options: Mapping[str, Any]) -> str:
    pairs = [(k, v) for k, value in options.items() for v in (value if isinstance(value, list | tuple) else [value])]
    return urlencode([(k, str(v)) for k, v in pairs if v is not None])


def _read_token(path: str | None) -> str | None:
    try:
        return Path(path).read_text().strip() if path else None
    except OSError:
        return None
