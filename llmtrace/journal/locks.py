"""Locks of the kernel on files: gone with their process, however that ends."""

import fcntl
import os
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock of the file at PATH, which is created; None where another process holds it.

    Raises:
        OSError: the folder cannot be written.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def is_locked(fd: int) -> bool:
    """Whether a process holds the lock of the file that is open as FD."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
