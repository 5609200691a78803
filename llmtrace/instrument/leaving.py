"""Writes what is left where a server ends its process without Python's own end, in which `atexit` would have its turn.

uvicorn sends itself the signal that it was stopped by, once it has let all requests finish; an RQ worker's child ends
with `os._exit` after its job, in whose course it may have imported all of the app, and a child of Celery's pool after
the tasks it was to do. All call a method just before.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from llmtrace.instrument.quiet import quietly
from llmtrace.instrument.replaced import Replaced

UVICORN, RQ, BILLIARD = "uvicorn.server", "rq.worker", "billiard.pool"
MODULES = (BILLIARD, RQ, UVICORN)


class Leaving(Replaced):
    """The methods of one module that are the last of its processes."""

    def __init__(self, module: ModuleType, flush: Callable[[], object]) -> None:
        """FLUSH at the end of MODULE's."""
        super().__init__()
        if module.__name__ == UVICORN:
            self.replace(getattr(module, "Server", None), "shutdown", lambda original: _stopping(original, flush))
        elif module.__name__ == BILLIARD:
            self.replace(getattr(module, "Worker", None), "_do_exit", lambda original: _ending(original, flush))
        else:
            for method in ("handle_job_success", "handle_job_failure", "handle_job_retry"):
                self.replace(getattr(module, "Worker", None), method, lambda original: _working(original, flush))


def _stopping(original: Callable[..., Any], flush: Callable[[], object]) -> Callable[..., Any]:
    async def shutdown(*args: Any, **kwargs: Any) -> Any:
        try:
            return await original(*args, **kwargs)
        finally:
            quietly(flush)

    return shutdown


def _working(original: Callable[..., Any], flush: Callable[[], object]) -> Callable[..., Any]:
    def handle_job_end(worker: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(worker, *args, **kwargs)
        finally:
            if getattr(worker, "is_horse", False):
                quietly(flush)

    return handle_job_end


def _ending(original: Callable[..., Any], flush: Callable[[], object]) -> Callable[..., Any]:
    def do_exit(*args: Any, **kwargs: Any) -> Any:
        quietly(flush)
        return original(*args, **kwargs)

    return do_exit
