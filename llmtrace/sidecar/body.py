"""Reads request bodies within bounds of size and time: slow ones, large ones and those that inflate without end."""

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

BODY_BYTES = 16 * 1024 * 1024
INFLATED_BYTES = 64 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
HELD_BYTES = 64 * 1024 * 1024
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class BadBody(Exception):
    """A body is not taken; `status` is the answer."""

    def __init__(self, status: int, reason: str) -> None:
        """Say why."""
        self.status = status
        super().__init__(reason)


class Bodies:
    """Reads bodies, and holds no more than HELD_BYTES of unfinished ones in memory."""

    def __init__(
        self, limit_bytes: int = BODY_BYTES, held_bytes: int = HELD_BYTES, timeout_s: float = BODY_TIMEOUT_S
    ) -> None:
        """Read bodies of up to LIMIT_BYTES that arrive within TIMEOUT_S."""
        self._limit_bytes, self._held_limit_bytes, self._timeout_s = limit_bytes, held_bytes, timeout_s
        self._held_bytes = 0

    async def read(self, request: Request) -> bytes:
        """The body of REQUEST, as it was sent.

        Raises:
            BadBody: it is too long, takes too long, or was not finished.
        """
        stated = request.headers.get("content-length", "0")
        if stated.isdigit() and int(stated) > self._limit_bytes:
            raise BadBody(413, f"a request holds {self._limit_bytes} bytes at most, not {stated}")
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                async for chunk in request.stream():
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held_bytes += len(chunk)
                    self._check(size)
        except TimeoutError:
            raise BadBody(408, f"the request did not arrive within {self._timeout_s:g} s") from None
        except ClientDisconnect:
            raise BadBody(400, "the request was not finished") from None
        finally:
            self._held_bytes -= size
        return b"".join(chunks)

    def _check(self, size: int) -> None:
        if size > self._limit_bytes:
            raise BadBody(413, f"a request holds {self._limit_bytes} bytes at most")
        if self._held_bytes > self._held_limit_bytes:
            raise BadBody(429, "too many requests are arriving at once")


def inflate(body: bytes, encoding: str, limit_bytes: int = INFLATED_BYTES) -> bytes:
    """BODY without its content ENCODING.

    Raises:
        BadBody: the encoding is not known, the body damaged, or longer than LIMIT_BYTES.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise BadBody(415, f"the content encoding '{name[:40]}' is not understood; send gzip, or none")
    parts: list[bytes] = []
    left = limit_bytes
    while body:
        member = zlib.decompressobj(GZIP_OR_ZLIB)
        try:
            parts.append(member.decompress(body, left + 1))
        except zlib.error as err:
            raise BadBody(400, f"the body is not what its content encoding says: {err}") from None
        left -= len(parts[-1])
        if left < 0:
            raise BadBody(413, f"a request holds {limit_bytes} bytes at most once it is inflated")
        if not member.eof:
            raise BadBody(400, "the compressed body is cut off")
        body = member.unused_data  # gzip files may follow one another
    return b"".join(parts)
