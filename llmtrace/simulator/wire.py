"""The bytes of one answer on one connection, and what can be done to a connection."""

import gzip
import os
import select
import socket
import struct
import time
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from threading import Event as Flag

from llmtrace.simulator.log import LoggedRequest, RequestLog

TICK_S = 0.05
# Shorter waits than this are slept through: a poll cannot tell them apart.
SHORT_S = 0.002
GZIP_WINDOW = 31
PHRASES = {status.value: status.phrase for status in HTTPStatus}


class ClientLeft(Exception):
    """The client closed the connection before it had the whole answer."""


class Stopped(Exception):
    """The simulator is being stopped."""


class Wire:
    """Sends one answer over a socket and notes in the log what went out."""

    def __init__(self, connection: socket.socket, log: RequestLog, record: LoggedRequest, stop: Flag) -> None:
        """Write to CONNECTION for RECORD until STOP is set."""
        self.must_close = False
        self._connection = connection
        self._log = log
        self._record = record
        self._stop = stop
        self._compressor: zlib._Compress | None = None

    def send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        has_usage: bool = False,
        is_gzipped: bool = False,
        is_cut: bool = False,
    ) -> None:
        """Send a whole answer, or when it IS_CUT the first half of its body, after which the connection is closed."""
        if is_gzipped:
            headers, body = {**headers, "content-encoding": "gzip"}, gzip.compress(body, mtime=0)
        head = _head(status, {**headers, "content-length": str(len(body))})
        self.must_close = is_cut
        sent = body[: len(body) // 2] if is_cut else body
        self._log.change(self._record, status=status)
        self._write(head + sent, len(sent), has_usage=has_usage and not is_cut, is_last=True)

    def open(self, status: int, headers: Mapping[str, str], *, is_gzipped: bool = False) -> None:
        """Send the head of a stream."""
        if is_gzipped:
            headers = {**headers, "content-encoding": "gzip"}
            self._compressor = zlib.compressobj(wbits=GZIP_WINDOW)
        self._log.change(self._record, status=status)
        self._write(_head(status, {**headers, "transfer-encoding": "chunked"}), 0)

    def event(self, data: bytes, *, has_usage: bool = False, is_last: bool = False) -> None:
        """Send one event of a stream; with the LAST one, the stream is complete."""
        if self._compressor is not None:
            flush = zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH
            data = self._compressor.compress(data) + self._compressor.flush(flush)
        frame = b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if is_last else b"")
        self._write(frame, len(data), is_event=True, has_usage=has_usage, is_last=is_last)

    def cut(self) -> None:
        """Close the connection after this answer, complete or not."""
        self.must_close = True

    def reset(self) -> None:
        """Reset the TCP connection at once."""
        self.must_close = True
        # A zero linger time makes the kernel send RST, provided that nothing shut the socket down before.
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self._connection.detach())

    def wait(self, seconds: float) -> None:
        """Let SECONDS pass.

        Raises:
            ClientLeft: the client closed the connection meanwhile.
            Stopped: the simulator is being stopped.
        """
        if seconds <= 0:
            return
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            if self._stop.is_set():
                raise Stopped
            if left < SHORT_S:
                time.sleep(left)
            elif poll.poll(min(left, TICK_S) * 1_000):
                self._check_client()
                self._stop.wait(min(left, TICK_S))

    def _check_client(self) -> None:
        try:
            is_gone = not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            is_gone = True
        if is_gone:
            raise ClientLeft

    def _write(
        self, data: bytes, size: int, *, is_event: bool = False, has_usage: bool = False, is_last: bool = False
    ) -> None:
        self._log.count_chunk(self._record, size, is_event=is_event, has_usage=has_usage, is_last=is_last)
        try:
            self._connection.sendall(data)
        except OSError as error:
            self._log.take_back(self._record, size, is_event=is_event, has_usage=has_usage)
            raise ClientLeft from error


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, '')}", f"date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
