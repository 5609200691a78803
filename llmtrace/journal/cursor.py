"""How far a reader beside the database has come, on disk: one that delivers the journal to another place.

HOME/journal/NAME.cursor        positions, what was delivered, and what was not and why
HOME/journal/NAME.cursor.lock   held by the one process that reads for NAME
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llmtrace.journal.counter import SUFFIX as COUNTER_SUFFIX
from llmtrace.journal.locks import is_locked, try_lock
from llmtrace.journal.reader import Segment
from llmtrace.journal.retention import Eviction

CURSOR_SUFFIX = ".cursor"
LOCK_SUFFIX = ".cursor.lock"
STALE_S = 7 * 24 * 3600
EVICTED, DAMAGED = "journal_full", "damaged_record"


@dataclass
class Progress:
    """What a cursor's file says. `parts`: how many spans of the record at a position are delivered already."""

    url: str = ""
    positions: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    next_spans: dict[str, int] = field(default_factory=dict)
    delivered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


class Cursor:
    """The progress of the reader NAME. `acquire` first; one process at a time."""

    def __init__(self, folder: Path, name: str, url: str) -> None:
        """Read the journal in FOLDER for NAME, which delivers to URL."""
        self._folder, self._url = folder, url
        self._path = folder / (name + CURSOR_SUFFIX)
        self._lock_path = folder / (name + LOCK_SUFFIX)
        self._fd: int | None = None
        self.progress = Progress(url)
        self._saved = ""

    @property
    def is_held(self) -> bool:
        """Whether this process reads for the cursor."""
        return self._fd is not None

    def acquire(self, evictions: Iterable[Eviction]) -> bool:
        """Whether this process may read now; what EVICTIONS took before a first look is no loss of this reader.

        Raises:
            OSError: the folder cannot be written.
        """
        fd = try_lock(self._lock_path)
        if fd is None:
            return False
        self._fd = fd
        found = read_progress(self._path)
        if found is None:
            found = Progress(self._url)
            for eviction in evictions:
                _reach(found, eviction.process, eviction.end_span)
        self.progress = found
        self.save()
        return True

    def release(self) -> None:
        """Let another process read; in a forked child, the lock stays its parent's."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def has_passed(self, segments: Iterable[Segment]) -> bool:
        """Whether all of SEGMENTS is delivered, by this process or another."""
        progress = self.progress if self.is_held else read_progress(self._path)
        return progress is not None and all(has_passed(progress, s) for s in segments)

    def take_evictions(self, evictions: Iterable[Eviction]) -> None:
        """Count what was deleted for want of room before it was delivered."""
        for e in evictions:
            lost = e.end_span - max(e.first_span, self.progress.next_spans.get(e.process, e.first_span))
            self.account(e.process, e.first_span, e.end_span, {EVICTED: lost})

    def begin(self, process: str) -> None:
        """Expect the spans of PROCESS from its first on."""
        self.progress.next_spans.setdefault(process, 0)

    def account(self, process: str, first_span: int, end_span: int, losses: Mapping[str, int]) -> None:
        """Count the spans [FIRST_SPAN, END_SPAN) of PROCESS: delivered but for LOSSES.

        What lies between them and the spans before is damage; what was counted before is not counted again.
        """
        progress = self.progress
        start = progress.next_spans.get(process, first_span)
        new = end_span - max(start, first_span)
        if new <= 0:
            return
        for reason, n in {DAMAGED: max(0, first_span - start), **losses}.items():
            if n:
                progress.dropped[reason] = progress.dropped.get(reason, 0) + n
        progress.delivered += new - sum(losses.values())
        _reach(progress, process, end_span)

    def move(self, segment: str, position: int, part: int = 0) -> None:
        """Stand at POSITION of SEGMENT, PART spans into the record there; `save` keeps it."""
        self.progress.positions[segment] = position
        if part:
            self.progress.parts[segment] = part
        else:
            self.progress.parts.pop(segment, None)

    def save(self) -> None:
        """Store the progress.

        Raises:
            OSError: the disk does not take it.
        """
        text = self._text()
        written = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(text)
        os.replace(written, self._path)
        self._saved = text

    def save_changes(self) -> None:
        """`save`, where there is something new."""
        if self._text() != self._saved:
            self.save()

    def _text(self) -> str:
        return json.dumps({name: getattr(self.progress, name) for name in Progress.__dataclass_fields__})

    def forget(self, segments: Iterable[Segment], evictions: Iterable[Eviction]) -> None:
        """Drop what is known of segments and processes that are gone for good."""
        progress = self.progress
        listed = list(segments)
        names, processes = {s.name for s in listed}, {s.process for s in listed} | {e.process for e in evictions}
        for name in [n for n in progress.positions if n not in names]:
            del progress.positions[name]
            progress.parts.pop(name, None)
        for process in [p for p in progress.next_spans if p not in processes]:
            if not (self._folder / (process + COUNTER_SUFFIX)).exists():
                del progress.next_spans[process]


def _reach(progress: Progress, process: str, end_span: int) -> None:
    progress.next_spans[process] = max(progress.next_spans.get(process, 0), end_span)


def cursor_name(kind: str, url: str) -> str:
    """The name of the cursor of a KIND of reader that delivers to URL."""
    return f"{kind}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def read_progress(path: Path) -> Progress | None:
    """The progress in the file at PATH, or None where there is none that can be read."""
    try:
        data = json.loads(path.read_text())
        return Progress(**data) if isinstance(data, dict) else None
    except (OSError, ValueError, TypeError):
        return None


def read_cursors(folder: Path) -> dict[str, Progress]:
    """The progress of every reader in FOLDER that read within the last week, by its name."""
    found: dict[str, Progress] = {}
    try:
        entries = [e for e in os.scandir(folder) if e.name.endswith(CURSOR_SUFFIX)]
    except FileNotFoundError:
        return {}
    for entry in sorted(entries, key=lambda e: e.name):
        progress = read_progress(Path(entry.path))
        if progress is not None and (_is_held(entry.path + ".lock") or time.time() - _changed_at(entry.path) < STALE_S):
            found[entry.name.removesuffix(CURSOR_SUFFIX)] = progress
    return found


def has_passed(progress: Progress, segment: Segment) -> bool:
    """Whether a reader with PROGRESS needs SEGMENT no more."""
    return progress.positions.get(segment.name, 0) >= segment.size


def _is_held(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return is_locked(fd)
    finally:
        os.close(fd)


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
