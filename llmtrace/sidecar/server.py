"""An ASGI server with time limits for headers, and sockets that say clearly when a port is taken."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from llmtrace.errors import ConfigError, PortTaken

HEADER_TIMEOUT_S = 10.0
HEADER_BYTES = 64 * 1024
KEEP_ALIVE_S = 30
CONNECTIONS = 256
STOP_TIMEOUT_S = 5
BACKLOG = 512


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request line and headers do not arrive in time.

    uvicorn limits only the pause between two requests.
    """

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Await the rest of the headers."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing."""
        super().connection_lost(exc)
        self._forget_timer()

    def _watch(self) -> None:
        if not self._awaits_headers():
            self._forget_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self._time_out)

    def _awaits_headers(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _time_out(self) -> None:
        self._header_timer = None
        if self._awaits_headers():
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process before the database is closed."""

    def __init__(self, app: Any, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve APP; ON_READY is called once it listens."""
        config = uvicorn.Config(
            app,
            http=TimedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
            limit_concurrency=CONNECTIONS,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket at HOST and PORT; any free one for 0.

    Raises:
        PortTaken: another process listens there.
        ConfigError: this machine has no such address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except OSError as err:
        raise ConfigError(f"'{host}' is no address to listen on ({err})") from err
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as err:
        found.close()
        raise PortTaken(host, port, "--port", err.strerror) from err
    return found


def address_of(listening: socket.socket) -> str:
    """The address of a LISTENING socket, for a client on this machine."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if listening.family == socket.AF_INET6 else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches HOST."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
