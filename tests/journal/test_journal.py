import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmtrace.journal import (
    CounterFile,
    Damage,
    JournalWriter,
    Record,
    delete_read_segments,
    enforce_bound,
    list_segments,
    read_counters,
    read_evictions,
    read_segment,
)
from llmtrace.journal.counter import read_counter


def write(folder: Path, process: str, records: int, size: int = 100, segment_bytes: int = 1000) -> JournalWriter:
    writer = JournalWriter(folder, process, segment_bytes)
    for i in range(records):
        writer.append(bytes([i % 256]) * size, 2)
    return writer


def test_records_are_numbered_through_all_segments_of_a_process(tmp_path: Path) -> None:
    writer = write(tmp_path, "p", 30)
    segments = list_segments(tmp_path)
    assert [s.number for s in segments] == list(range(1, len(segments) + 1))
    assert len(segments) > 2
    records = [r for s in segments for r in read_segment(s, 0) if isinstance(r, Record)]
    assert [r.first_span for r in records] == list(range(0, 60, 2))
    assert writer.written_spans == 60


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / "home" / "journal"
        writer = write(folder, "p", 1)
        CounterFile(folder, "p", None)
        writer.close()
    finally:
        os.umask(before)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_only_the_last_segment_of_a_living_process_is_unfinished(tmp_path: Path) -> None:
    counter = CounterFile(tmp_path, "p", None)
    write(tmp_path, "p", 30)
    assert [s.is_whole for s in list_segments(tmp_path)][-2:] == [True, False]
    counter.close()
    assert all(s.is_whole for s in list_segments(tmp_path))


def test_a_write_that_the_disk_takes_in_part_leaves_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write(tmp_path, "p", 1, segment_bytes=100_000)
    real, taken = os.write, []

    def half(fd: int, data: bytes) -> int:
        if taken:
            raise OSError(28, "No space left on device")
        taken.append(real(fd, bytes(data)[: len(data) // 2]))
        return taken[0]

    monkeypatch.setattr("llmtrace.journal.writer.os.write", half)
    with pytest.raises(OSError, match="No space"):
        writer.append(b"x" * 500, 3)
    monkeypatch.setattr("llmtrace.journal.writer.os.write", real)
    assert writer.written_spans == 2
    writer.append(b"y", 1)
    found = list(read_segment(list_segments(tmp_path)[0], 0))
    assert not any(isinstance(f, Damage) for f in found)
    assert [f.payload for f in found if isinstance(f, Record)][-1] == b"y"


def test_a_living_process_and_a_dead_one_are_told_apart(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from llmtrace.journal import CounterFile\n"
        "c = CounterFile(Path(sys.argv[1]), 'child', 'svc'); c.write(5, {'queue_full': 2})\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    (living,) = read_counters(tmp_path)
    child.kill()
    child.wait()
    child.stdout.close()
    (dead,) = read_counters(tmp_path)
    assert (living.is_alive, dead.is_alive) == (True, False)
    assert (dead.ended, dead.dropped, dead.service, dead.pid) == (5, {"queue_full": 2}, "svc", child.pid)


def test_a_counter_that_was_never_finished_reads_as_nothing_counted(tmp_path: Path) -> None:
    (tmp_path / "p.counter").write_bytes(b'{"ended": 12, "dr')
    counter = read_counter(tmp_path / "p.counter")
    assert counter is not None
    assert (counter.ended, counter.dropped, counter.is_alive) == (0, {}, False)
    assert read_counter(tmp_path / "gone.counter") is None


def test_read_segments_are_deleted_only_when_old_and_read(tmp_path: Path) -> None:
    write(tmp_path, "p", 30)
    first, second, *_ = list_segments(tmp_path)
    old = time.time() - 3600
    os.utime(first.path, (old, old))
    os.utime(second.path, (old, old))
    assert delete_read_segments(tmp_path, lambda s: s.name == first.name, retention_s=60) == [first.name]
    assert first.name not in {s.name for s in list_segments(tmp_path)}
    assert second.name in {s.name for s in list_segments(tmp_path)}


def test_the_oldest_segments_go_when_there_is_no_room_and_what_went_is_told(tmp_path: Path) -> None:
    write(tmp_path, "p", 40)
    segments = list_segments(tmp_path)
    for age, segment in enumerate(reversed(segments)):
        os.utime(segment.path, (1_000_000 - age, 1_000_000 - age))
    total = sum(s.size for s in segments)
    evictions = enforce_bound(tmp_path, limit_bytes=total - segments[0].size - 1)
    assert [e.segment for e in evictions] == [segments[0].name, segments[1].name]
    assert (evictions[0].first_span, evictions[-1].end_span) == (0, evictions[1].end_span)
    assert read_evictions(tmp_path) == evictions
    assert sum(s.size for s in list_segments(tmp_path)) <= total - segments[0].size


def test_a_segment_that_vanishes_while_it_is_read_is_nothing_to_read(tmp_path: Path) -> None:
    write(tmp_path, "p", 1)
    (segment,) = list_segments(tmp_path)
    segment.path.unlink()
    assert list(read_segment(segment, 0)) == []
    assert list_segments(tmp_path / "nowhere") == []
