"""A sidecar's API over HTTP: what it answers, and what it means where it does not."""

import contextlib
import http.client
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from llmtrace.errors import (
    ConfigError,
    QueryError,
    SidecarMismatch,
    SidecarUnreachable,
    StoreError,
    TokenRefused,
)
from llmtrace.release import VERSION
from llmtrace.store.base import CUT_KEY, Rows

if TYPE_CHECKING:
    import pyarrow

_T = TypeVar("_T")
VERSION_HEADER = "llmtrace-version"
ARROW_TYPE = "application/vnd.apache.arrow.stream"
REQUEST_TIMEOUT_S = 60.0


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

    def json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Any:
        """The JSON that PATH answers with, within TIMEOUT_S."""
        return json.loads(self._request(method, path, body, "application/json", timeout_s))

    def arrow(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> "pyarrow.Table":
        """The Arrow table that PATH answers with."""
        import pyarrow as pa

        return pa.ipc.open_stream(self._request(method, path, body, ARROW_TYPE)).read_all()

    def stream(self, path: str, read: "Callable[[pyarrow.RecordBatchReader], _T]") -> _T:
        """What READ returns for the Arrow stream that PATH answers with."""
        import pyarrow as pa

        with self._response("GET", path, None, ARROW_TYPE) as response:
            return read(pa.ipc.open_stream(_Body(response, self._url)))

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        accept: str,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        with self._response(method, path, body, accept, timeout_s) as response:
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as err:
                raise self._unreachable(err) from err

    @contextlib.contextmanager
    def _response(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        accept: str,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, once it is known to be one that can be read."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout_s)
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as err:
                raise self._unreachable(err) from err
            self._require_answer(response, accept)
            yield response
        finally:
            connection.close()

    def _unreachable(self, err: Exception) -> SidecarUnreachable:
        return SidecarUnreachable(
            f"the sidecar at {self._url} does not answer ({err}); is it running? 'llmtrace dashboard' starts one here"
        )

    def _require_answer(self, response: http.client.HTTPResponse, accept: str) -> None:
        """Raise unless RESPONSE is an answer of the kind that was asked for."""
        if response.status < 400 and response.headers.get_content_type() == accept:
            return
        if response.status == 401:
            raise TokenRefused(self._url, was_shown=bool(self._token))
        message, theirs = _message(response.read()), response.headers.get(VERSION_HEADER)
        if theirs is None:
            raise SidecarMismatch(
                f"{self._url} does not answer like an llmtrace sidecar (status {response.status}"
                + (f": {message}" if message else "")
                + "); check the address, and that llmtrace is as new there as it is here"
            )
        if theirs != VERSION and response.status in (400, 404):
            raise SidecarMismatch(
                f"the sidecar at {self._url} is llmtrace {theirs}, this is {VERSION}: upgrade the older ({message})"
            )
        if response.status >= 500:
            raise StoreError(f"the sidecar at {self._url} cannot answer now: {message or response.status}")
        raise QueryError(message or f"the sidecar answered {response.status}")


class _Body(io.RawIOBase):
    """The body of a response as Arrow reads it; one that breaks off raises, rather than ending early."""

    def __init__(self, response: http.client.HTTPResponse, url: str) -> None:
        self._response, self._url = response, url

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._response.read(None if size < 0 else size)
        except (OSError, http.client.HTTPException) as err:
            raise StoreError(
                f"the sidecar at {self._url} broke off in the middle of its answer ({err}); ask again"
            ) from err


def _message(data: bytes) -> str | None:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return None
