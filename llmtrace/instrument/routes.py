"""Shows `origin` which route of a web application is served, for the frameworks that keep it nowhere in reach.

The route is the template (`/items/{id}`), never the path that was asked for. Flask needs nothing: it says itself what
it serves. A framework is patched where it is loaded, or as soon as it is; what it calls, and with what, stays the same.
"""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from llmtrace.instrument.origin import current_route
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.replaced import Replaced

# Module, class and method. FastAPI's own route serves some requests without its base class.
STARLETTE: tuple[tuple[str, str], ...] = (
    ("starlette.routing", "Route"),
    ("starlette.routing", "WebSocketRoute"),
    ("starlette.routing", "Mount"),
    ("fastapi.routing", "APIRoute"),
)
DJANGO = "django.core.handlers.base"
MODULES = tuple(sorted({module for module, _ in STARLETTE} | {DJANGO}))

# Where the applications are mounted that the request went through.
_prefix: ContextVar[str] = ContextVar("llmtrace_route_prefix", default="")


class Routes(Replaced):
    """The methods of one module that serve a route."""

    def __init__(self, module: ModuleType) -> None:
        """Have MODULE's tell which."""
        super().__init__()
        for name, owner in STARLETTE:
            if name == module.__name__:
                base = getattr(module, owner, None)
                if base is not None and "handle" in vars(base):  # one that is inherited is replaced where it stands
                    self.replace(base, "handle", _mounting if owner == "Mount" else _routing)
        if module.__name__ == DJANGO:
            self.replace(getattr(module, "BaseHandler", None), "get_response", _answering)
            self.replace(getattr(module, "BaseHandler", None), "get_response_async", _answering_async)


# Starlette and FastAPI: a route is told to handle a request once it is known to be the one


def _routing(original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(route: Any, *args: Any, **kwargs: Any) -> Any:
        before = current_route.get()
        current_route.set(quietly(_template, route, args, kwargs) or before)
        try:
            return await original(route, *args, **kwargs)
        finally:
            current_route.set(before)

    return handle


def _mounting(original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(mount: Any, *args: Any, **kwargs: Any) -> Any:
        before, outside = current_route.get(), _prefix.get()
        inside = outside + (getattr(mount, "path", None) or "")
        _prefix.set(inside)
        current_route.set(inside + "/*")  # until a route in there says more
        try:
            return await original(mount, *args, **kwargs)
        finally:
            _prefix.set(outside)
            current_route.set(before)

    return handle


def _template(route: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    scope = args[0] if args else kwargs["scope"]
    # FastAPI from 0.130 on keeps a route that was included under a prefix as it was written, and the whole beside it.
    included = (scope.get("fastapi") or {}).get("effective_route_context")
    if included is not None and getattr(included, "original_route", None) is route:
        route = getattr(included, "starlette_route", None) or included
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return _prefix.get() + path if isinstance(path, str) else None


# Django: a handler answers one request, whose view is found in the middle of that


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_response(handler: Any, request: Any) -> Any:
        before, route = current_route.get(), functools.partial(_django_route, request)
        current_route.set(route)
        try:
            response = original(handler, request)
        except BaseException:
            current_route.set(before)
            raise
        if not quietly(_ends_later, response, route, before):
            current_route.set(before)
        return response

    return get_response


def _ends_later(response: Any, route: Any, before: Any) -> bool:
    """Whether RESPONSE is still to be made, by a server that closes it at its end; the route holds until then."""
    if not getattr(response, "streaming", False):
        return False

    def end() -> None:
        if current_route.get() is route:
            current_route.set(before)

    response._resource_closers.append(end)
    return True


def _answering_async(original: Callable[..., Any]) -> Callable[..., Any]:
    async def get_response_async(handler: Any, request: Any) -> Any:
        # A request has a task, and a context, of its own: what is set here ends with it, and holds for a stream.
        current_route.set(functools.partial(_django_route, request))
        return await original(handler, request)

    return get_response_async


def _django_route(request: Any) -> str | None:
    match = getattr(request, "resolver_match", None)
    return "/" + match.route.lstrip("/") if match is not None else None
