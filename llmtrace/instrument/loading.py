"""What the journal's thread loads where it first writes, off the application's threads.

A fork waits until that is loaded: a child that is made in the middle of an import waits for it for good, as the lock
belongs to a thread that it does not have.
"""

import os
import threading
from types import ModuleType

FORK_WAIT_S = 5.0

_lock = threading.Lock()
_is_held = False


def load_wire() -> ModuleType:
    """The module that encodes spans, which loads protobuf."""
    with _lock:
        from llmtrace import wire
    return wire


def _hold() -> None:
    global _is_held
    _is_held = _lock.acquire(timeout=FORK_WAIT_S)


def _release() -> None:
    if _is_held:
        _lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_renew)
