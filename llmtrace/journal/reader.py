"""Finds segments and reads them from a cursor on."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmtrace.journal.counter import SUFFIX as COUNTER_SUFFIX
from llmtrace.journal.counter import read_counter
from llmtrace.journal.records import Damage, Record, parse_records
from llmtrace.journal.writer import SEGMENT_SUFFIX


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file. `is_whole`: its process will add nothing more to it."""

    path: Path
    process: str
    number: int
    size: int
    modified_at: float
    is_whole: bool

    @property
    def name(self) -> str:
        """The file's name: what a cursor is kept under."""
        return self.path.name


def list_segments(folder: Path) -> list[Segment]:
    """The segments in FOLDER, oldest process first and each process's in its order."""
    found: dict[str, list[tuple[int, os.DirEntry[str]]]] = {}
    try:
        entries = [e for e in os.scandir(folder) if e.name.endswith(SEGMENT_SUFFIX)]
    except FileNotFoundError:
        return []
    for entry in entries:
        process, _, number = entry.name.removesuffix(SEGMENT_SUFFIX).rpartition("-")
        if process and number.isdigit():
            found.setdefault(process, []).append((int(number), entry))
    segments = []
    for process, numbered in sorted(found.items()):
        counter = read_counter(folder / (process + COUNTER_SUFFIX))
        last = max(n for n, _ in numbered)
        is_over = counter is None or not counter.is_alive
        for n, entry in sorted(numbered, key=lambda pair: pair[0]):
            segment = _segment(entry, process, n, is_whole=is_over or n < last)
            if segment is not None:
                segments.append(segment)
    return segments


def _segment(entry: "os.DirEntry[str]", process: str, number: int, *, is_whole: bool) -> Segment | None:
    try:
        # A fresh look: the size must not be older than the knowledge that the segment is whole.
        stat = os.stat(entry.path)
    except FileNotFoundError:
        return None
    return Segment(Path(entry.path), process, number, stat.st_size, stat.st_mtime, is_whole)


def read_segment(segment: Segment, offset: int) -> Iterator[Record | Damage]:
    """Records of SEGMENT from OFFSET on, with the damage between them; nothing where the file is gone."""
    try:
        with open(segment.path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return
    yield from parse_records(data, offset, is_whole=segment.is_whole)
