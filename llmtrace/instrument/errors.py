"""Names for what went wrong: few enough to group by, and the provider's own where it gave one.

The provider's error code or type (`rate_limit_exceeded`, `overloaded_error`), else `timeout` or `connection_error`,
else the HTTP status, else the exception's class.
"""

from collections.abc import Mapping
from traceback import walk_tb

from llmtrace.providers import Family

# Exceptions of a connection that was there, or might have been.
BROKEN = frozenset({"APIConnectionError", "TransportError", "ConnectionError", "HTTPClientError", "ProtocolError"})
# Of httpx, httpx2 and botocore: raised before a byte of the request went out, so that nothing can have been billed.
BEFORE_SENDING = frozenset({
    "ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError", "LocalProtocolError",
    "InvalidURL", "EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError",
})  # fmt: skip


def error_name(error: BaseException | None, family: Family) -> str:
    """The name of ERROR."""
    if error is None:
        return "unknown"
    # Where an SDK's exceptions keep the parsed body of an error.
    places = (getattr(error, name, None) for name in ("body", "details", "response"))
    body = next((b for b in places if isinstance(b, Mapping)), None)
    named = family.read_error(body) if body is not None else None
    if named is not None:
        return named
    classes = {c.__name__ for c in type(error).__mro__}
    if any("Timeout" in name for name in classes):
        return "timeout"
    if classes & BROKEN:
        return "connection_error"
    status = http_status_of(error)
    return str(status) if status is not None and status >= 400 else type(error).__qualname__


def http_status_of(error: BaseException) -> int | None:
    """The HTTP status that ERROR, an SDK's exception, tells; each SDK has it in a place of its own."""
    response = getattr(error, "response", None)
    places = ((response, "status_code"), (response, "status"), (error, "status_code"), (error, "code"))
    found = (getattr(owner, name, None) for owner, name in places)
    return next((s for s in found if isinstance(s, int) and 100 <= s < 600), None)


def is_of_sdk(error: BaseException, sdk: str) -> bool:
    """Whether ERROR is SDK's own, of the HTTP library below it, or came up in SDK's code (such as JSON's)."""
    if not isinstance(error, Exception):
        return False
    return type(error).__module__.partition(".")[0] in {sdk, "httpx", "httpx2"} or _came_up_in(error, sdk)


def _came_up_in(error: Exception, sdk: str) -> bool:
    modules = (frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__))
    return any(isinstance(name, str) and name.startswith(sdk + ".") for name in modules)


def may_have_been_sent(error: BaseException | None) -> bool:
    """Whether the request may have reached the provider, and been billed, before ERROR.

    It may where the connection broke or time ran out after it was made, and where the caller gave up; it did not
    where no connection was made, or where the SDK refused the request itself.
    """
    if error is None or not isinstance(error, Exception):
        return True
    broke = bool({c.__name__ for c in type(error).__mro__} & BROKEN)
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in BEFORE_SENDING:
            return False
        # `from None` hides the cause; the error that was being handled is it.
        cause = cause.__cause__ or (cause.__context__ if cause.__suppress_context__ else None)
    return broke
