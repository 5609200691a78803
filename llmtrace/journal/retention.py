"""Deletes segments: those that every reader has passed, once they are old, and the oldest where there is no room."""

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from llmtrace.config import HOME_BYTES, JOURNAL_RETENTION_S
from llmtrace.journal.counter import SUFFIX as COUNTER_SUFFIX
from llmtrace.journal.reader import Segment, list_segments, read_segment
from llmtrace.journal.records import Record

EVICTED_LOG = "evicted.log"


@dataclass(frozen=True, slots=True)
class Eviction:
    """A segment that was deleted for want of room: the spans [first_span, end_span) of its process."""

    segment: str
    process: str
    first_span: int
    end_span: int


def delete_read_segments(
    folder: Path,
    is_read: Callable[[Segment], bool],
    retention_s: float = JOURNAL_RETENTION_S,
    limit_bytes: int = HOME_BYTES,
) -> list[str]:
    """Delete whole segments that IS_READ says every reader has passed.

    They go when they are older than RETENTION_S, or, oldest first, while FOLDER holds more than LIMIT_BYTES.
    """
    deleted = []
    segments = list_segments(folder)
    total = sum(s.size for s in segments)
    for segment in sorted((s for s in segments if s.is_whole), key=lambda s: s.modified_at):
        is_due = time.time() - segment.modified_at > retention_s or total > limit_bytes
        if is_due and is_read(segment):
            segment.path.unlink(missing_ok=True)
            total -= segment.size
            deleted.append(segment.name)
    return deleted


def delete_counters(folder: Path, processes: Iterable[str]) -> None:
    """Delete the counters of PROCESSES: they are dead, and their figures are kept elsewhere."""
    for process in processes:
        (folder / (process + COUNTER_SUFFIX)).unlink(missing_ok=True)


def enforce_bound(folder: Path, limit_bytes: int = HOME_BYTES) -> list[Eviction]:
    """Delete whole segments, oldest first, until FOLDER holds at most LIMIT_BYTES; what went is logged beside them."""
    segments = list_segments(folder)
    total = sum(s.size for s in segments)
    evictions = []
    for segment in sorted((s for s in segments if s.is_whole), key=lambda s: s.modified_at):
        if total <= limit_bytes:
            break
        eviction = _describe(segment)
        if eviction is not None:
            _log(folder, eviction)
            evictions.append(eviction)
        segment.path.unlink(missing_ok=True)
        total -= segment.size
    return evictions


def read_evictions(folder: Path) -> list[Eviction]:
    """The segments that were deleted for want of room."""
    try:
        lines = (folder / EVICTED_LOG).read_text().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Eviction(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # a torn line: its spans show as damaged instead
    return found


def _describe(segment: Segment) -> Eviction | None:
    records = [r for r in read_segment(segment, 0) if isinstance(r, Record)]
    if not records:
        return None
    last = records[-1]
    return Eviction(segment.name, segment.process, records[0].first_span, last.first_span + last.span_count)


def _log(folder: Path, eviction: Eviction) -> None:
    line = json.dumps({name: getattr(eviction, name) for name in Eviction.__slots__}) + "\n"
    fd = os.open(folder / EVICTED_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)
