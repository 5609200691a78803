"""One owner per database: who holds `<db>.lock` may open the file, and hands it over when another asks.

The lock is the kernel's, so it is gone with its process, however that ends. The file's text tells who holds it and
where it answers; it means nothing while nobody holds the lock.
"""

import contextlib
import json
import os
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmtrace.errors import StoreLocked
from llmtrace.journal.locks import is_locked, try_lock
from llmtrace.journal.writer import make_private

POLL_S = 0.05
WAIT_S = 10.0
LOCK_SUFFIX = ".lock"
WANTED_SUFFIX = ".lock.wanted"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds the lock: `url` and `token_file` where it answers questions, None where it only holds it."""

    pid: int | None = None
    kind: str | None = None
    url: str | None = None
    token_file: str | None = None


_held: "weakref.WeakSet[OwnerLock]" = weakref.WeakSet()


class OwnerLock:
    """The lock of one database file."""

    def __init__(self, db: Path, kind: str) -> None:
        """Prepare to own the database at DB as a KIND (`report`, `dashboard`, `serve`)."""
        self._path = db.with_name(db.name + LOCK_SUFFIX)
        self._wanted_path = db.with_name(db.name + WANTED_SUFFIX)
        self._db, self._kind = db, kind
        self._fd: int | None = None

    def try_acquire(self) -> bool:
        """Whether the lock is ours now.

        Raises:
            OSError: its folder cannot be written.
        """
        make_private(self._path.parent)
        fd = try_lock(self._path)
        if fd is None:
            return False
        self._fd = fd
        _held.add(self)
        self._wanted_path.unlink(missing_ok=True)
        self.publish()
        return True

    def acquire(self, timeout_s: float = WAIT_S) -> None:
        """Take the lock, asking its holder to let go.

        Raises:
            StoreLocked: the holder does not let go within TIMEOUT_S.
        """
        deadline = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                self._wanted_path.unlink(missing_ok=True)
                raise StoreLocked(str(self._db), self.owner().pid)
            self.ask()
            time.sleep(POLL_S)

    def ask(self) -> None:
        """Ask the holder to let go."""
        with contextlib.suppress(OSError):
            fd = os.open(self._wanted_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.write(fd, json.dumps({"pid": os.getpid(), "kind": self._kind}).encode())
            os.close(fd)

    def wanted_by(self) -> str | None:
        """The kind of owner that asks for the lock, if any does."""
        try:
            data = json.loads(self._wanted_path.read_text())
        except (OSError, ValueError):
            return None
        return str(data.get("kind")) if isinstance(data, dict) else None

    def publish(self, url: str | None = None, token_file: str | None = None) -> None:
        """Say where this owner answers."""
        assert self._fd is not None
        text = json.dumps({"pid": os.getpid(), "kind": self._kind, "url": url, "token_file": token_file})
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)

    def release(self) -> None:
        """Let the lock go."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def owner(self) -> Owner:
        """Who holds the lock, as far as they said."""
        return read_owner(self._db) or Owner()


def read_owner(db: Path) -> Owner | None:
    """Who owns the database at DB now, or None where nobody does."""
    try:
        fd = os.open(db.with_name(db.name + LOCK_SUFFIX), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not is_locked(fd):
            return None
        data = _parse(os.pread(fd, 4096, 0))
    finally:
        os.close(fd)
    return Owner(data.get("pid"), data.get("kind"), data.get("url"), data.get("token_file"))


def _parse(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _drop_in_child() -> None:
    """In a forked child: close what it inherited, without unlocking; the lock is its parent's."""
    for lock in list(_held):
        if lock._fd is not None:
            os.close(lock._fd)
            lock._fd = None


os.register_at_fork(after_in_child=_drop_in_child)
