"""How many spans a process ended, and how many it dropped and why: counted where it happens, kept beside the journal.

The file is held by an exclusive lock for as long as its process lives, which tells the living from the dead on any
number of processes and across process namespaces.
"""

import fcntl
import json
import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmtrace.journal.locks import is_locked
from llmtrace.journal.tally import RING_BYTES, Tally, is_local, read_tally

SUFFIX = ".counter"
FILE_BYTES = 1024  # of figures in words; the tally follows
TALLY_AT = 4096


@dataclass(frozen=True, slots=True)
class Counter:
    """What one process counted. `is_alive`: it still runs, so that its figures may grow.

    `exported` and `export_dropped` are of its OTLP backend, where it has one; the journal has those spans either way.
    """

    process: str
    ended: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    pid: int | None = None
    service: str | None = None
    is_alive: bool = False
    exported: int = 0
    export_dropped: int = 0


class CounterFile:
    """The counter of this process, on disk. Every write replaces all the figures, at the same place.

    `tally` counts what ended since then, where it can.
    """

    def __init__(self, folder: Path, process: str, service: str | None) -> None:
        """Create the file for PROCESS in FOLDER and hold its lock.

        Raises:
            OSError: the folder cannot be written.
        """
        self.path = folder / (process + SUFFIX)
        self._base = {"process": process, "pid": os.getpid(), "service": service}
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Waits for a reader's passing look at most: the name is this process's alone.
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self.tally = self._new_tally(folder)
            self.write(0, {})
        except OSError:
            os.close(self._fd)
            raise
        # Calls may end, and are counted, after the recording was switched off: it is open for as long as anybody counts.
        self._letting_go = weakref.finalize(self, os.close, self._fd)
        self._letting_go.atexit = False

    def _new_tally(self, folder: Path) -> Tally | None:
        if not is_local(folder):
            return None
        try:
            os.pwrite(self._fd, bytes(TALLY_AT + RING_BYTES), 0)
            return Tally(self._fd, TALLY_AT)
        except (OSError, ValueError):  # the figures alone, then
            os.ftruncate(self._fd, 0)
            return None

    def write(self, ended: int, dropped: Mapping[str, int], exported: int = 0, export_dropped: int = 0) -> None:
        """Store the figures.

        Raises:
            OSError: the disk does not take them.
        """
        figures = {"ended": ended, "dropped": dict(dropped), "exported": exported, "export_dropped": export_dropped}
        text = json.dumps({**self._base, **figures})
        os.pwrite(self._fd, text.encode().ljust(FILE_BYTES - 1) + b"\n", 0)

    def close(self) -> None:
        """Let the lock go: this process will count no more."""
        if self.tally is not None:
            self.tally.close()
        self._letting_go()


def read_counters(folder: Path) -> list[Counter]:
    """The counters of all processes that have a file in FOLDER."""
    try:
        names = sorted(e.name for e in os.scandir(folder) if e.name.endswith(SUFFIX))
    except FileNotFoundError:
        return []
    found = (read_counter(folder / name) for name in names)
    return [counter for counter in found if counter is not None]


def read_counter(path: Path) -> Counter | None:
    """The counter at PATH, or None where the file is gone or was never finished."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        is_alive = is_locked(fd)
        # Read after the look at the lock: a process seen dead has written its last.
        content = os.pread(fd, TALLY_AT + RING_BYTES, 0)
    finally:
        os.close(fd)
    data = _parse(content[:FILE_BYTES].rstrip(b"\0"))
    dropped = data.get("dropped")
    return Counter(
        process=path.name.removesuffix(SUFFIX),
        ended=read_tally(content[TALLY_AT:], int(data.get("ended", 0))),
        dropped={str(k): int(v) for k, v in dropped.items()} if isinstance(dropped, dict) else {},
        pid=data.get("pid"),
        service=data.get("service"),
        is_alive=is_alive,
        exported=int(data.get("exported", 0)),
        export_dropped=int(data.get("export_dropped", 0)),
    )


def _parse(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
