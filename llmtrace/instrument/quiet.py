"""The one place where an error of ours ends inside the application: swallowed, and logged at most once a minute."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_T = TypeVar("_T")
LOG_INTERVAL_S = 60.0

log = logging.getLogger("llmtrace")
_last_logged_at = -LOG_INTERVAL_S
_warned_of: set[str] = set()


def quietly(function: Callable[..., _T], *args: Any) -> _T | None:
    """FUNCTION(*ARGS), or None where it raised: the application's call goes on either way."""
    try:
        return function(*args)
    except Exception:  # the promise: no exception of llmtrace reaches the application
        log_incomplete()
        return None


def warn_of_release(sdk: str, missing: Sequence[str], *, is_recorded: bool) -> None:
    """Log once for each SDK, whatever else was logged, that its release has other names than are known here.

    MISSING are those that it lacks. IS_RECORDED: calls are recorded all the same, with less detail.
    """
    if not is_recorded:
        message = f"llmtrace does not know this release of {sdk}: its calls are not recorded"
    elif missing:
        message = f"llmtrace records less of this release of {sdk}, which has no {', '.join(missing)}"
    else:
        return
    if message not in _warned_of:
        _warned_of.add(message)
        log.warning(message)


def log_incomplete() -> None:
    """Log the error at hand."""
    log_error("llmtrace could not record a call completely; the call itself is not affected", with_trace=True)


def log_error(message: str, *, with_trace: bool = False) -> None:
    """Log MESSAGE as a warning, unless anything was logged within the last minute."""
    global _last_logged_at
    now = time.monotonic()
    if now - _last_logged_at >= LOG_INTERVAL_S:
        _last_logged_at = now
        log.warning(message, exc_info=with_trace)
