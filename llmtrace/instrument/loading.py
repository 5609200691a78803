"""What the journal's thread loads where it first writes, off the application's threads.

A fork waits until that is loaded: a child that is made in the middle of an import waits for it for good, as the lock
belongs to a thread that it does not have.
"""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtrace.redaction.redactor import Redactor

FORK_WAIT_S = 5.0

# Whoever loads may come here again: a call may end inside the garbage collector.
_lock = threading.RLock()
_is_held = False


def redactor_of(home: Path) -> "Redactor":
    """The redactor for HOME, whose expressions are compiled where it is first asked for."""
    with _lock:
        from llmtrace.redaction import configured
    return configured.redactor_of(home)


def _hold() -> None:
    global _is_held
    _is_held = _lock.acquire(timeout=FORK_WAIT_S)


def _release() -> None:
    if _is_held:
        _lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_renew)
