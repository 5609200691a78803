"""Keeps web pages and strangers out: a Host allow-list, no foreign Origin, and a token where one is set.

A server on loopback is within reach of every page in the user's browser; what tells them apart is the Host they were
led to (DNS rebinding) and the Origin they come from. No CORS header is ever sent.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from llmtrace.sidecar import otlp_answers

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN_PATHS = frozenset({"/health"})


class Guard:
    """ASGI middleware around the whole server."""

    def __init__(self, app: Any, hosts: Iterable[str] | None = LOOPBACK_HOSTS, token: str | None = None) -> None:
        """Let requests for HOSTS (None: any) through to APP; with TOKEN, only those that show it."""
        self._app, self._token = app, token
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["path"], headers)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            await _answer(scope, headers, *refusal)(scope, receive, send)

    def _refusal(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason for refusing a request, or None."""
        host = _host_name(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            return 421, f"this server does not answer for the host '{host}'"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).hostname not in (self._hosts or {host}):
            return 403, "requests from other web pages are refused"
        if self._token is not None and path not in OPEN_PATHS and not self._shows_token(headers):
            return 401, "a token is needed: send 'Authorization: Bearer TOKEN'"
        return None

    def _shows_token(self, headers: dict[str, str]) -> bool:
        shown = headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(shown.encode(), (self._token or "").encode())


def _host_name(host: str) -> str:
    """HOST without its port."""
    return host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]


def _answer(scope: Scope, headers: dict[str, str], status: int, reason: str) -> Response:
    if scope["path"] == otlp_answers.TRACES_PATH:
        return otlp_answers.refused(headers.get("content-type", ""), status, reason)
    return JSONResponse({"error": reason}, status)
