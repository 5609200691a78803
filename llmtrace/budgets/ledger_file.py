"""The file of a ledger: its layout, the lock that it is changed under, and the definition that stands in it.

It is mapped into memory and changed under a kernel lock: a check makes no I/O and waits for no disk.
"""

import fcntl
import json
import mmap
import os
import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

MAGIC = int.from_bytes(b"LLMTBUD1", "little")
SLOTS = 512
# Words of eight bytes: a header, the budget's definition as JSON, then three columns with a word for each slot.
(AT_MAGIC, AT_WINDOW, AT_WINDOW_END, AT_SPENT, AT_CALLS, AT_UNPRICED, AT_WARNED, AT_REFUSED, AT_MINUTE, AT_MINUTE_CALLS,
 AT_LAST_CALLS, AT_MINUTE_NANO, AT_LAST_NANO, AT_USED_SLOTS, AT_BEFORE, AT_UNCHECKED) = range(16)  # fmt: skip
HEADER_BYTES = 256
DEFINITION_BYTES = 1792
COLUMNS_AT = (HEADER_BYTES + DEFINITION_BYTES) // 8
AT_PID, AT_RESERVED, AT_UPDATED = (COLUMNS_AT + n * SLOTS for n in range(3))
FILE_BYTES = (COLUMNS_AT + 3 * SLOTS) * 8
SUFFIX = ".ledger"
LOCK_TIMEOUT_S = 0.05
LOCK_PAUSE_S = 0.0002


class LedgerError(OSError):
    """A ledger cannot be used, or not in time."""


def read_definition(path: Path) -> dict[str, Any]:
    """The definition of the budget whose ledger is at PATH.

    Raises:
        LedgerError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        if len(data) != FILE_BYTES or int.from_bytes(data[:8], "little") != MAGIC:
            raise LedgerError(f"{path} is damaged; delete it, and the budget starts from zero")
        found: dict[str, Any] = json.loads(data[HEADER_BYTES : HEADER_BYTES + DEFINITION_BYTES])
    except LedgerError:
        raise
    except (OSError, ValueError) as err:
        raise LedgerError(f"{path} cannot be read: {err}") from err
    return found


class LedgerFile:
    """One file, mapped: its `words` are read and written by whoever has entered it, from any thread."""

    def __init__(self, path: Path, definition: Mapping[str, Any]) -> None:
        """Open or create the file at PATH, which tells DEFINITION to whoever reads it.

        Raises:
            LedgerError: it cannot be read or written, or is damaged.
        """
        self.path = path
        self.is_gone = False
        self._mutex = threading.Lock()
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise LedgerError(f"{path} cannot be opened: {err.strerror or err}") from err
        try:
            self._map_file(definition)
        except (OSError, ValueError) as err:
            os.close(self._fd)
            raise err if isinstance(err, LedgerError) else LedgerError(f"{path} cannot be used: {err}") from err

    def _map_file(self, definition: Mapping[str, Any]) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if os.fstat(self._fd).st_size == 0:
                # Written, not only made longer: a disk that is full must say so here, not where the memory is used.
                os.pwrite(self._fd, struct.pack("<q", MAGIC).ljust(FILE_BYTES, b"\0"), 0)
            if os.fstat(self._fd).st_size != FILE_BYTES:
                raise LedgerError(f"{self.path} is damaged; delete it, and the budget starts from zero")
            self._map = mmap.mmap(self._fd, FILE_BYTES)
            self.words = memoryview(self._map).cast("q")
            if self.words[AT_MAGIC] != MAGIC:
                raise LedgerError(f"{self.path} is damaged; delete it, and the budget starts from zero")
            text = json.dumps(dict(definition)).encode()[: DEFINITION_BYTES - 1]
            self._map[HEADER_BYTES : HEADER_BYTES + DEFINITION_BYTES] = text.ljust(DEFINITION_BYTES, b" ")
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        """Hold it, against threads and processes. Raises LedgerError where that is not to be had in time."""
        deadline = None
        if not self._mutex.acquire(timeout=LOCK_TIMEOUT_S):
            raise LedgerError("another thread holds the ledger")
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as err:
                now = time.monotonic()
                deadline = deadline or now + LOCK_TIMEOUT_S
                if now > deadline or not isinstance(err, BlockingIOError):
                    self._mutex.release()
                    raise LedgerError(f"{self.path} is held by another process") from err
                time.sleep(LOCK_PAUSE_S)
        found = os.fstat(self._fd)
        if found.st_size != FILE_BYTES or not found.st_nlink:  # cut off, what is mapped must not be touched
            self.is_gone = not found.st_nlink
            self.__exit__(None, None, None)
            raise LedgerError(f"{self.path} was {'deleted' if self.is_gone else 'cut off'} while it was used")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Let it go."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._mutex.release()

    def close(self) -> None:
        """Close it, without a word to the other processes."""
        self.words.release()
        self._map.close()
        os.close(self._fd)
