"""Sends OTLP over HTTP with what Python itself brings: protobuf, gzip, one connection that is kept.

Redirects are not followed: what a destination answers never decides where spans go.
Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llmtrace.errors import ConfigError

if TYPE_CHECKING:
    import http.client
    import socket

TRACES_PATH = "/v1/traces"
PROTOBUF_TYPE = "application/x-protobuf"
TIMEOUT_S = 10.0
RETRY_AFTER_LIMIT_S = 300.0
ANSWER_BYTES = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS
# Where clouds hand out credentials without being asked who wants them.
METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
METADATA_ADDRESSES = frozenset({"100.100.100.200", "fd00:ec2::254"})


def traces_endpoint(address: str) -> str:
    """ADDRESS with OTLP's path for traces, where it names no path of its own."""
    return address.rstrip("/") + TRACES_PATH if urlsplit(address).path in ("", "/") else address


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination answered; `status` is None where it did not, and `reason` says why.

    `rejected` spans were not taken although the rest was. `retry_after_s` is what it asked for, at most five minutes.
    """

    status: int | None
    reason: str = ""
    rejected: int = 0
    retry_after_s: float | None = None


class ForbiddenAddress(OSError):
    """A destination resolves to an address that no span must go to."""


class Sender:
    """Posts to one destination. One thread only."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Post to URL, a destination's traces endpoint, with HEADERS.

        Raises:
            ConfigError: URL is no http(s) address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"'{url}' is no address to send spans to; write http://HOST:4318")
        self.url, self._parts, self._timeout_s = url, parts, timeout_s
        self._headers = {**(headers or {}), "Content-Type": PROTOBUF_TYPE, "Content-Encoding": "gzip"}
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: http.client.HTTPConnection | None = None

    def send(self, payload: bytes) -> Answer:
        """The answer to PAYLOAD, a serialised request."""
        packer = zlib.compressobj(wbits=GZIP)
        body = packer.compress(payload) + packer.flush()
        was_open = self._connection is not None
        answer = self._post(body)
        # A connection that was kept may have been closed in the meantime: that is no failure yet.
        return self._post(body) if answer.status is None and was_open else answer

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> Answer:
        import http.client  # takes longer to import than all of `instrument()`: on the sending thread

        try:
            if self._connection is None:
                kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
                self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_s)
            if self._connection.sock is None:
                self._connection.connect()
                connected: socket.socket = self._connection.sock  # type: ignore[assignment]
                _require_allowed_address(connected.getpeername()[0])
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            data = response.read(ANSWER_BYTES)
            if response.will_close or not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException) as err:
            self.close()
            return Answer(None, str(err) or type(err).__name__)
        rejected = _rejected(data) if response.status == 200 else 0
        reason = self._without_headers(response.reason)
        return Answer(response.status, reason, rejected, _retry_after_s(response.headers.get("retry-after")))

    def _without_headers(self, reason: str) -> str:
        """REASON, which a destination may have made up from what it was sent, without the keys in our headers."""
        from llmtrace.redaction.secrets import redact_text

        for value in self._headers.values():
            for secret in (value, value.rpartition(" ")[2]):
                reason = reason.replace(secret, "[redacted]") if len(secret) > 3 else reason
        return redact_text(reason)


def require_allowed(url: str) -> None:
    """Refuse URL where its host is, or resolves to, an address that no span must go to.

    What does not resolve yet is looked at again when it is connected to.

    Raises:
        ConfigError: it is such an address, or no http(s) address at all.
    """
    import socket

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"'{url}' is no address to send spans to; write http://HOST:4318")
    if parts.hostname.rstrip(".").lower() in METADATA_HOSTS:
        raise ConfigError(f"{parts.hostname} serves a cloud's credentials; spans are not sent there")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError:
        return
    for *_, address in found:
        try:
            _require_allowed_address(str(address[0]))
        except OSError as err:
            raise ConfigError(str(err)) from None


def _require_allowed_address(address: str) -> None:
    import ipaddress

    ip = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(ip, "ipv4_mapped", None) or ip
    if plain.is_link_local or plain.is_multicast or str(plain) in METADATA_ADDRESSES:
        raise ForbiddenAddress(f"{address} is link-local or serves a cloud's credentials; spans are not sent there")


def _rejected(data: bytes) -> int:
    """How many spans an answer says were rejected."""
    if not data:
        return 0
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    try:
        answer.ParseFromString(data)
    except Exception:  # a destination that answers 200 with something else has taken the spans all the same
        return 0
    return int(answer.partial_success.rejected_spans)


def _retry_after_s(value: str | None) -> float | None:
    """The wait that a Retry-After header asks for: seconds, or a date."""
    if value is None:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        import email.utils

        try:
            wait_s = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return min(max(wait_s, 0.0), RETRY_AFTER_LIMIT_S)
