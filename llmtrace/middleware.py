"""Middleware that attributes the calls of a request to the feature that its `baggage` header names.

    app.add_middleware(llmtrace.middleware.AsgiFeature)          # Starlette, FastAPI
    app.wsgi_app = llmtrace.middleware.WsgiFeature(app.wsgi_app)  # Flask

Put it where other services of yours ask, not where the world does: whoever sends the header names the feature.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any

from llmtrace.baggage import HEADER, feature_from_headers
from llmtrace.feature import feature

AsgiApp = Callable[[MutableMapping[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class AsgiFeature:
    """An ASGI application around another."""

    def __init__(self, app: AsgiApp) -> None:
        """Wrap APP."""
        self.app = app

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Serve one connection."""
        headers = scope.get("headers", ()) if scope["type"] in ("http", "websocket") else ()
        with feature_from_headers(headers):
            await self.app(scope, receive, send)


class WsgiFeature:
    """A WSGI application around another."""

    def __init__(self, app: WsgiApp) -> None:
        """Wrap APP."""
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request; a body that is generated is in the scope as well."""
        header = environ.get("HTTP_BAGGAGE")
        if not header:
            return self.app(environ, start_response)
        carried = feature_from_headers({HEADER: header})
        with carried:
            body = self.app(environ, start_response)
        return body if isinstance(body, list | tuple) else _Body(carried, body)


class _Body:
    """A body whose parts are made inside a scope."""

    def __init__(self, carried: feature, body: Iterable[bytes]) -> None:
        self._carried, self._body = carried, body
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> "_Body":
        return self

    def __next__(self) -> bytes:
        with self._carried:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with self._carried:
                close()
