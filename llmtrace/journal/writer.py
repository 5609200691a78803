"""Appends records to this process's segments. One thread only; the application's threads never come here."""

import os
import secrets
import time
from pathlib import Path

from llmtrace.config import SEGMENT_BYTES
from llmtrace.journal.records import pack_record

SEGMENT_SUFFIX = ".segment"


def journal_folder(home: Path) -> Path:
    """Where the journal of HOME stands."""
    return home / "journal"


RECEIVED = "-received"


def new_process_name(suffix: str = "") -> str:
    """A name for this process that sorts by its start and that no other process has; it ends with SUFFIX."""
    return f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(3)}{suffix}"


def make_private(folder: Path) -> None:
    """Create FOLDER and what leads to it, for this user alone whatever the umask.

    Raises:
        OSError: it cannot be created.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in FOLDER."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class JournalWriter:
    """The segments of one process, written at the end only.

    A write that the disk takes in part is cut off again, so that the segment ends with a whole record. What is
    appended survives the end of the process; after `sync`, that of the machine too.
    """

    def __init__(self, folder: Path, process: str, segment_bytes: int = SEGMENT_BYTES, *, syncs: bool = False) -> None:
        """Write for PROCESS in FOLDER; nothing is created before the first record. SYNCS: `sync` will be called."""
        self._folder, self._process, self._segment_bytes = folder, process, segment_bytes
        self._syncs = syncs
        self._fd: int | None = None
        self._size = 0
        self._number = 0
        self.written_spans = 0

    def append(self, payload: bytes, span_count: int) -> None:
        """Store PAYLOAD, a serialised request of SPAN_COUNT spans, as one record.

        Raises:
            OSError: the disk does not take it; nothing of it is left behind.
        """
        record = pack_record(payload, self.written_spans, span_count)
        if self._fd is None or self._size + len(record) > self._segment_bytes:
            self._start_segment()
        self._write(record)
        self.written_spans += span_count

    def sync(self) -> None:
        """Wait until the disk has all that was appended.

        Raises:
            OSError: it has not, and may never have; the next record starts a new segment.
        """
        if self._fd is not None:
            try:
                os.fsync(self._fd)
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Finish the current segment."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _start_segment(self) -> None:
        make_private(self._folder)
        path = self._folder / f"{self._process}-{self._number + 1:06d}{SEGMENT_SUFFIX}"
        if self._syncs:
            self.sync()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.close()
        self._fd, self._size, self._number = fd, 0, self._number + 1
        if self._syncs:
            _sync_folder(self._folder)

    def _write(self, record: bytes) -> None:
        assert self._fd is not None
        view = memoryview(record)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(record)
