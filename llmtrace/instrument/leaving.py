"""Writes what is left where a server ends its process without Python's own end, in which `atexit` would have its turn.

uvicorn sends itself the signal that it was stopped by, once it has let all requests finish; an RQ worker's child ends
with `os._exit` after its job. Both are told apart from the rest of their life by a method that is called just before.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.quiet import quietly

UVICORN, RQ = "uvicorn.server", "rq.worker"
MODULES = (RQ, UVICORN)


class Leaving:
    """The patched method of one module, and what stood there before."""

    def __init__(self, module: ModuleType, flush: Callable[[], object]) -> None:
        """Patch MODULE's, to FLUSH at its end."""
        self._undo: Callable[[], None] = lambda: None
        if module.__name__ == UVICORN:
            self._patch(getattr(module, "Server", None), "shutdown", lambda original: _stopping(original, flush))
        else:
            self._patch(getattr(module, "Worker", None), "perform_job", lambda original: _working(original, flush))

    def undo(self) -> None:
        """Put the original back where the wrapper still stands."""
        self._undo()

    def _patch(self, base: type | None, method: str, around: Callable[[Any], Any]) -> None:
        owner = next((c for c in base.__mro__ if method in vars(c)), None) if base is not None else None
        if owner is None:
            return
        original = vars(owner)[method]
        wrapper = functools.wraps(original)(around(original))
        setattr(owner, method, wrapper)

        def undo() -> None:
            if vars(owner).get(method) is wrapper:
                setattr(owner, method, original)

        self._undo = undo


def _stopping(original: Callable[..., Any], flush: Callable[[], object]) -> Callable[..., Any]:
    async def shutdown(*args: Any, **kwargs: Any) -> Any:
        try:
            return await original(*args, **kwargs)
        finally:
            quietly(flush)

    return shutdown


def _working(original: Callable[..., Any], flush: Callable[[], object]) -> Callable[..., Any]:
    def perform_job(worker: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(worker, *args, **kwargs)
        finally:
            if getattr(worker, "is_horse", False):
                quietly(flush)

    return perform_job
