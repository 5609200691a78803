"""The intake by itself: when it acknowledges, when it refuses, and what it counts."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import make_payload

from llmtrace.journal import Record, journal_folder, list_segments, read_counters, read_segment
from llmtrace.sidecar import intake as intake_module
from llmtrace.sidecar.intake import Intake, Refused


@pytest.fixture
def intake(home: Path) -> Iterator[Intake]:
    running = Intake(home)
    running.start()
    yield running
    running.close()


def records(home: Path) -> list[Record]:
    found = [r for s in list_segments(journal_folder(home)) for r in read_segment(s, 0)]
    assert all(isinstance(r, Record) for r in found)
    return [r for r in found if isinstance(r, Record)]


def test_what_is_acknowledged_is_on_disk_and_counted(intake: Intake, home: Path) -> None:
    intake.put(make_payload(1, 2), 2, rejected=1).result(10)
    assert [(r.first_span, r.span_count) for r in records(home)] == [(0, 2)]
    (counter,) = read_counters(journal_folder(home))
    assert (counter.ended, counter.dropped, counter.is_alive) == (3, {"rejected": 1}, True)


def test_requests_that_wait_together_wait_for_the_disk_once(
    intake: Intake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, reached, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(fd: int) -> None:
        reached.set()
        go.wait(10)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", slow)
    first = intake.put(make_payload(1), 1)
    assert reached.wait(10)
    others = [intake.put(make_payload(n), 1) for n in range(2, 50)]
    assert not first.done(), "nothing is acknowledged before the disk has it"
    go.set()
    for waiting in (first, *others):
        waiting.result(10)
    assert (intake.syncs, len(records(home))) == (2, 49)


@pytest.mark.expects_warning
def test_a_disk_that_fails_refuses_and_what_is_sent_again_is_kept(
    intake: Intake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.put(make_payload(1), 1).result(10)

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", fail)
        with pytest.raises(Refused, match="No space left"):
            intake.put(make_payload(2), 1).result(10)
        broken.undo()
        broken.setattr(os, "fsync", fail)
        with pytest.raises(Refused, match="No space left"):
            intake.put(make_payload(2), 1).result(10)
        assert intake.problems() == ["the journal cannot be written: No space left on device"]
    intake.put(make_payload(2), 1).result(10)
    assert intake.problems() == []
    assert (intake.spans, intake.refused) == (2, 2)


def test_a_full_journal_refuses_until_there_is_room(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "ROOM_INTERVAL_S", 0.0)
    intake = Intake(home, journal_bytes=100)
    intake.start()
    intake.put(make_payload(1), 1).result(10)
    with pytest.raises(Refused, match="as much as it may"):
        intake.put(make_payload(2), 1)
    for segment in list_segments(journal_folder(home)):
        segment.path.unlink()
    intake.put(make_payload(2), 1).result(10)
    intake.close()


def test_a_disk_that_is_almost_full_refuses(home: Path) -> None:
    with pytest.raises(Refused, match="MiB left"):
        Intake(home, free_bytes=2**62).put(make_payload(1), 1)


def test_more_than_the_disk_keeps_up_with_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "QUEUE_BYTES", 1000)
    intake = Intake(home)  # not started: nothing is written
    waiting = intake.put(b"x" * 900, 1)
    with pytest.raises(Refused, match="keep up"):
        intake.put(b"x" * 900, 1)
    intake.start()
    waiting.result(10)
    intake.close()


def test_an_intake_that_stops_writes_what_waits_and_takes_nothing_more(home: Path) -> None:
    intake = Intake(home)
    waiting = [intake.put(make_payload(n), 1) for n in range(1, 20)]
    intake.start()
    intake.close()
    assert all(w.done() for w in waiting)
    assert len(records(home)) == 19
    with pytest.raises(Refused, match="stopping") as refusal:
        intake.put(make_payload(1), 1)
    assert refusal.value.is_stopping
