"""What the simulator was asked and what it sent: the independent witness that tests compare llmtrace with."""

import copy
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"})
REDACTED = "***"
# What kind of key it is may be known: only an admin key opens an organization's reports.
ADMIN_KEYS = ("sk-admin-", "sk-ant-admin")


@dataclass(slots=True)
class LoggedRequest:
    """One HTTP attempt.

    `status` is the status line sent, "reset" or "hang" where a fault sent none, and None while there is nothing to
    tell or when the client left before an answer. `usage` is what the call consumed, exactly as the answer states it
    or would have stated it (a response that is fetched again states it again, which is no new consumption);
    `usage_delivered` whether it was written to a connection that was still open. `provider` is "openai", "azure",
    "anthropic" or "bedrock". Times are UTC; `finished_at` is None until the last byte is about to be sent.
    `client_left` means that the client closed the connection before it had read everything. `chunks_sent` counts the
    events of a stream.
    """

    number: int
    method: str
    path: str
    query: str
    host: str
    headers: Mapping[str, str]
    received_at: datetime
    provider: str | None = None
    model: str | None = None
    stream: bool = False
    body: Any = None
    finished_at: datetime | None = None
    status: int | str | None = None
    request_id: str | None = None
    response_id: str | None = None
    usage: Mapping[str, Any] | None = None
    usage_delivered: bool = False
    bytes_sent: int = 0
    chunks_sent: int = 0
    client_left: bool = False
    fault: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values, times in ISO 8601."""
        record = asdict(self)
        for name in ("received_at", "finished_at"):
            record[name] = record[name].isoformat() if record[name] else None
        return record


@dataclass(slots=True)
class RequestLog:
    """Every request so far, in the order of arrival. All of it may be called from any thread."""

    _records: list[LoggedRequest] = field(default_factory=list)
    _count: int = 0
    _in_flight: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def open(self, method: str, path: str, query: str, headers: Mapping[str, str], host: str) -> LoggedRequest:
        """Start the record of a request that has just arrived."""
        shown = {name: _redact(value) if name in SECRET_HEADERS else value for name, value in headers.items()}
        with self._changed:
            self._count += 1
            self._in_flight += 1
            record = LoggedRequest(self._count, method, path, query, host, shown, datetime.now(UTC))
            self._records.append(record)
            return record

    def change(self, record: LoggedRequest, **values: Any) -> None:
        """Set VALUES of RECORD, all at once for whoever reads the log."""
        with self._changed:
            for name, value in values.items():
                setattr(record, name, value)

    def count_chunk(self, record: LoggedRequest, size: int, *, is_event: bool, has_usage: bool, is_last: bool) -> None:
        """Note SIZE bytes that are about to be sent.

        It is noted before the bytes go out, so that a client that has seen them finds them in the log.
        """
        with self._changed:
            record.bytes_sent += size
            record.chunks_sent += is_event
            record.usage_delivered |= has_usage
            if is_last:
                record.finished_at = datetime.now(UTC)

    def take_back(self, record: LoggedRequest, size: int, *, is_event: bool, has_usage: bool) -> None:
        """Undo `count_chunk` for bytes that could not be sent."""
        with self._changed:
            record.bytes_sent -= size
            record.chunks_sent -= is_event
            record.usage_delivered &= not has_usage

    def close(self, record: LoggedRequest) -> None:
        """The request of RECORD is over, however it ended."""
        with self._changed:
            record.finished_at = record.finished_at or datetime.now(UTC)
            self._in_flight -= 1
            self._changed.notify_all()

    def list(self) -> list[LoggedRequest]:
        """Copies of all records."""
        with self._changed:
            return [copy.copy(record) for record in self._records]

    def clear(self) -> None:
        """Forget all records; the numbering goes on."""
        with self._changed:
            self._records.clear()

    def settle(self, timeout_s: float) -> bool:
        """Wait until no request is in flight; False when some still are after TIMEOUT_S."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._in_flight:
                if not self._changed.wait(deadline - time.monotonic()):
                    return False
            return True


def _redact(value: str) -> str:
    return next((kind for kind in ADMIN_KEYS if kind in value), "") + REDACTED
