"""Tells other services on whose behalf they are asked: `baggage` on requests to the hosts that the configuration names.

It acts below redirects, so that a host that is not named does not get what was meant for one that is; and never while
a call to a provider is in flight.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.baggage import HEADER, stamp
from llmtrace.instrument.invocation import in_flight
from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.replaced import Replaced

# Module, class, and the method that sends one request, redirects apart.
SENDERS: tuple[tuple[str, str, str], ...] = (
    ("httpx", "Client", "_send_single_request"),
    ("httpx", "AsyncClient", "_send_single_request"),
    ("httpx2", "Client", "_send_single_request"),
    ("httpx2", "AsyncClient", "_send_single_request"),
    ("requests.sessions", "Session", "send"),
)
MODULES = tuple(sorted({module for module, _, _ in SENDERS}))


class OutgoingBaggage(Replaced):
    """The senders of one module."""

    def __init__(self, module: ModuleType) -> None:
        """Have MODULE's tell."""
        super().__init__()
        for name, owner_name, method in SENDERS:
            owner = getattr(module, owner_name, None)
            if name == module.__name__ and owner is not None and method in vars(owner):
                self.replace(owner, method, _stamping)


def _stamping(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        if in_flight.get() is None:
            quietly(_stamp, request)
        return original(client, request, *args, **kwargs)  # a coroutine, where the client is an async one

    return send


def _stamp(request: Any) -> None:
    """Set REQUEST's header for its host; a redirect's has what the request before it was given."""
    headers, url = request.headers, str(request.url)
    before = headers.get(HEADER)
    after = stamp(url, before)
    if after:
        headers[HEADER] = after
    elif before is not None:
        del headers[HEADER]
