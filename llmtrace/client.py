"""Asks whoever owns the database, or becomes its owner for as long as one question takes."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from llmtrace import config
from llmtrace.errors import ConfigError, QueryError, SidecarUnreachable, StoreLocked
from llmtrace.owner import DB_NAME, Owner
from llmtrace.rendering import plain
from llmtrace.store.base import CUT_KEY, Rows
from llmtrace.store.lock import POLL_S, WAIT_S, read_owner

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")
ARROW_TYPE = "application/vnd.apache.arrow.stream"
REQUEST_TIMEOUT_S = 60.0
YIELD_AFTER_S = 1.0


class Client:
    """Answers to questions and SQL, from a sidecar or from the database itself."""

    def __init__(self, home: Path, db: Path | None, url: str | None, token: str | None, kind: str = "client") -> None:
        """Ask the sidecar at URL with TOKEN, or else whoever owns the database at DB (default: in HOME)."""
        self._home, self._db = home, db if db is not None else home / DB_NAME
        self._url, self._token, self._kind = url, token, kind

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

    def sql(self, query: str) -> "pyarrow.Table":
        """The answer to QUERY, one SQL statement that only reads, as an Arrow table. Raises like `ask`."""
        return self._either(
            lambda owner: owner.arrow(query),
            lambda remote: remote.arrow("POST", "/api/v1/sql", {"sql": query}),
        )

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        """The answer to QUESTION as Python rows. Raises like `ask`."""
        return self._either(
            lambda owner: owner.ask(question, options),
            lambda remote: remote.rows("GET", f"/api/v1/{question}?" + _query(options)),
        )

    def sql_rows(self, query: str) -> Rows:
        """The answer to QUERY as Python rows. Raises like `ask`."""
        return self._either(
            lambda owner: owner.sql(query), lambda remote: remote.rows("POST", "/api/v1/sql", {"sql": query})
        )

    def health(self) -> dict[str, Any]:
        """What became of every span that ended, and the state of journal, store and price book. Raises like `ask`."""
        return self._either(lambda owner: owner.health(), lambda remote: remote.json("GET", "/api/v1/doctor"))

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


class Remote:
    """A sidecar's API."""

    def __init__(self, url: str, token: str | None) -> None:
        """Talk to the sidecar at URL, showing TOKEN."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"'{url}' is no address of a sidecar; write http://127.0.0.1:4318")
        self._url, self._parts, self._token = url, parts, token

    def rows(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Rows:
        """The rows that PATH answers with; as Arrow, so that decimals and times arrive as such."""
        table = self.arrow(method, path, body)
        is_cut = (table.schema.metadata or {}).get(CUT_KEY) == b"true"
        columns = [column.to_pylist() for column in table.columns]
        return Rows(tuple(table.column_names), list(zip(*columns, strict=True)), is_cut)

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that PATH answers with."""
        return json.loads(self._request(method, path, body, "application/json"))

    def arrow(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> "pyarrow.Table":
        """The Arrow table that PATH answers with."""
        import pyarrow as pa

        return pa.ipc.open_stream(self._request(method, path, body, ARROW_TYPE)).read_all()

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None, accept: str) -> bytes:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=REQUEST_TIMEOUT_S)
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as err:
            raise SidecarUnreachable(f"the sidecar at {self._url} does not answer ({err}); is it running?") from err
        finally:
            connection.close()
        if response.status == 401:
            raise ConfigError(f"the sidecar at {self._url} wants a token: pass --token or set LLMTRACE_TOKEN")
        if response.status >= 400:
            raise QueryError(_message(data) or f"the sidecar answered {response.status}")
        return data


def connect(home: str | Path | None = None, url: str | None = None, token: str | None = None) -> Client:
    """A client of the sidecar at URL, or of the database in HOME (default: `LLMTRACE_HOME`)."""
    where = Path(home).expanduser() if home is not None else config.default_home()
    return Client(where, None, url, token or config.token())


def _query(options: Mapping[str, Any]) -> str:
    pairs = [(k, v) for k, value in options.items() for v in (value if isinstance(value, list | tuple) else [value])]
    return urlencode([(k, str(v)) for k, v in pairs if v is not None])


def _read_token(path: str | None) -> str | None:
    try:
        return Path(path).read_text().strip() if path else None
    except OSError:
        return None


def _message(data: bytes) -> str | None:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return None
