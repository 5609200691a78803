"""What ended is known to the last span at any moment, whoever marks it, and after whatever end."""

import os
import random
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.journal import CounterFile, read_counters, tally
from llmtrace.journal.tally import RING_BYTES, ROUNDS, is_local, read_tally


def ring_after(ended: int) -> bytearray:
    ring = bytearray(RING_BYTES)
    for n in range(max(0, ended - RING_BYTES), ended):
        ring[n % RING_BYTES] = n // RING_BYTES % ROUNDS + 1
    return ring


@given(st.integers(0, 3_000_000), st.integers(0, (ROUNDS - 2) * RING_BYTES))
def test_any_number_is_read_from_any_figure_that_is_not_too_old(at_least: int, more: int) -> None:
    assert read_tally(bytes(ring_after(at_least + more)), at_least) == at_least + more


def test_marks_may_come_in_any_order() -> None:
    order = list(range(9000, 9020))
    random.Random(7).shuffle(order)
    ring = ring_after(9000)
    for n in order:
        ring[n % RING_BYTES] = n // RING_BYTES % ROUNDS + 1
    assert read_tally(bytes(ring), 8000) == 9020
    assert read_tally(b"", 12) == 12, "a counter of before there was a tally"


def test_many_threads_and_the_collector_mark_one_file(tmp_path: Path) -> None:
    counter, numbers = CounterFile(tmp_path, "p", None), count()
    assert counter.tally is not None
    mark = counter.tally.mark

    def work() -> None:
        for _ in range(5000):
            mark(next(numbers))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [c.ended for c in read_counters(tmp_path)] == [20_000]
    counter.write(20_001, {"queue_full": 1})
    assert [(c.ended, c.dropped) for c in read_counters(tmp_path)] == [(20_001, {"queue_full": 1})]
    counter.close()


def test_a_killed_process_has_counted_to_the_last(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from llmtrace.journal import CounterFile\n"
        "c = CounterFile(Path(sys.argv[1]), 'child', 'svc')\n"
        "for n in range(12_345): c.tally.mark(n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    (dead,) = read_counters(tmp_path)
    assert (dead.ended, dead.is_alive, dead.service) == (12_345, False, "svc")


def test_the_file_is_filled_before_it_is_mapped(tmp_path: Path) -> None:
    counter = CounterFile(tmp_path, "p", None)
    stat = os.stat(counter.path)
    assert stat.st_blocks * 512 >= stat.st_size == tally.RING_BYTES + 4096
    counter.close()


def test_a_disk_of_another_machine_is_not_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_local(tmp_path)
    assert not is_local(Path("/proc")), "whatever is not known to be a disk of this machine"
    assert not is_local(tmp_path / "gone")
    monkeypatch.setattr(tally, "LOCAL", frozenset())
    counter = CounterFile(tmp_path, "p", None)
    assert counter.tally is None
    counter.write(7, {})
    assert [c.ended for c in read_counters(tmp_path)] == [7]
    counter.close()
