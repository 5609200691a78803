"""The HTTP server below the simulator: its port, its connections and the requests on them."""

import json
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

from llmtrace.simulator.control import PREFIX, serve_control
from llmtrace.simulator.exchange import Exchange, State
from llmtrace.simulator.log import LoggedRequest
from llmtrace.simulator.protocol import Protocol
from llmtrace.simulator.wire import ClientLeft, Stopped, Wire

HOST = "127.0.0.1"
BACKLOG = 512
STOP_S = 2.0


class Listener(ThreadingHTTPServer):
    """Accepts connections until it is told to stop, and knows all of them."""

    daemon_threads = True
    request_queue_size = BACKLOG

    def __init__(self, port: int, state: State) -> None:
        """Take PORT, and answer from STATE once started."""
        self.state = state
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._accepting = threading.Thread(target=self._accept, name="llmtrace-simulator", daemon=True)
        super().__init__((HOST, port), _Connection)

    def server_bind(self) -> None:
        """Take the port."""
        # Not HTTPServer's, which looks the host name up.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def start(self) -> None:
        """Accept connections in the background."""
        self._accepting.start()

    def _accept(self) -> None:
        while not self.state.stopping.is_set():
            self.handle_request()

    def stop(self) -> None:
        """Close the port and every connection, and wait for those who serve them."""
        self.state.stopping.set()
        # Wakes the accepting thread, which waits for a connection.
        socket.create_connection((HOST, self.server_port)).close()
        self._accepting.join()
        self.server_close()
        with self._changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self._changed.wait_for(lambda: not self._open, STOP_S)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection is welcome."""
        return not self.state.stopping.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless it is only that a client is gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that has been served."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()


class _Connection(BaseHTTPRequestHandler):
    """Reads requests from one connection and has them answered."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    _last: LoggedRequest | None = None

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # A reset while the next request is awaited: the client closed with a part of the answer unread.
            if self._last is not None:
                self.server.state.log.change(self._last, client_left=True)

    def do_POST(self) -> None:
        target = urlsplit(self.path)
        if target.path.startswith(PREFIX):
            self._serve_control(target.path)
        else:
            self._serve_api(target.path, target.query, target.netloc)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; the request log says it all."""

    def _serve_api(self, path: str, query: str, host: str) -> None:
        state = self.server.state
        headers = {name.lower(): value for name, value in self.headers.items()}
        record = self._last = state.log.open(self.command, path, query, headers, host or headers.get("host", ""))
        wire = Wire(self.connection, state.log, record, state.stopping)
        try:
            raw = self._read_body()
            protocol = next((p for p in state.protocols if p.serves(self.command, path)), None)
            if protocol is not None:
                Exchange(state, wire, record, protocol).run(raw)
            else:
                nearest = _nearest(state.protocols, path, headers)
                Exchange(state, wire, record, nearest).refuse(nearest.missing(self.command, path))
        except (ClientLeft, OSError):
            state.log.change(record, client_left=True)
            self.close_connection = True
        except Stopped:
            self.close_connection = True
        finally:
            self.close_connection |= wire.must_close or record.client_left
            state.log.close(record)

    def _serve_control(self, path: str) -> None:
        status, value = serve_control(self.server.state, self.command, path, self._read_body())
        body = json.dumps(value, default=str).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)


def _nearest(protocols: Sequence[Protocol], path: str, headers: Mapping[str, str]) -> Protocol:
    """Whose 404 a request gets that is nobody's."""
    is_anthropic = "anthropic-version" in headers or "/messages" in path
    name = "anthropic" if is_anthropic else "azure" if path.startswith("/openai/") else "openai"
    return next(p for p in protocols if p.name == name)
