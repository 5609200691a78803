"""The one place where an error of ours ends inside the application: swallowed, and logged at most once a minute."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")
LOG_INTERVAL_S = 60.0

log = logging.getLogger("llmtrace")
_last_logged_at = -LOG_INTERVAL_S


def quietly(function: Callable[..., _T], *args: Any) -> _T | None:
    """FUNCTION(*ARGS), or None where it raised: the application's call goes on either way."""
    try:
        return function(*args)
    except Exception:  # the promise: no exception of llmtrace reaches the application
        log_incomplete()
        return None


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
