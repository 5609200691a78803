"""The ledger: what several processes spend and reserve, through crashes, restarts and damage."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmtrace.budgets import ledger as ledgers
from llmtrace.budgets.ledger import Ledger, Limits
from llmtrace.budgets.ledger_file import AT_MAGIC, FILE_BYTES, LedgerError, read_definition
from llmtrace.budgets.windows import Window

TODAY, TOMORROW = Window(86_400, 172_800), Window(172_800, 259_200)
NOON = 86_400.0 + 43_200
TEN = Limits(nano=10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ledger"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, {"name": "a"})
    yield opened
    opened.close()


def spent(ledger: Ledger, window: Window = TODAY, now_s: float = NOON) -> tuple[int, int]:
    found = ledger.figures(window, now_s)
    return found.spent_nano, found.reserved_nano


def test_what_is_reserved_counts_until_it_is_settled(ledger: Ledger) -> None:
    assert ledger.reserve(6, TEN, TODAY, NOON) is None
    assert ledger.reserve(6, TEN, TODAY, NOON) == "usd"
    assert spent(ledger) == (0, 6)
    assert ledger.settle(6, 4, TODAY, TODAY, NOON) == 4
    assert spent(ledger) == (4, 0)
    assert ledger.reserve(6, TEN, TODAY, NOON) is None
    ledger.release(6, NOON)
    figures = ledger.figures(TODAY, NOON)
    assert (figures.spent_nano, figures.reserved_nano, figures.calls, figures.refused_calls) == (4, 0, 1, 1)


def test_a_new_window_starts_from_zero_and_keeps_what_is_in_flight(ledger: Ledger) -> None:
    ledger.reserve(3, TEN, TODAY, NOON)
    ledger.reserve(6, TEN, TODAY, NOON)
    ledger.settle(6, 6, TODAY, TODAY, NOON)
    later = NOON + 86_400
    assert ledger.reserve(7, TEN, TOMORROW, later) is None
    assert spent(ledger, TOMORROW, later) == (0, 10)
    ledger.settle(3, 3, TOMORROW, TODAY, later)
    assert spent(ledger, TOMORROW, later) == (0, 7)


def test_a_clock_that_goes_back_starts_nothing_anew(ledger: Ledger) -> None:
    ledger.reserve(9, TEN, TOMORROW, NOON + 86_400)
    ledger.settle(9, 9, TOMORROW, TOMORROW, NOON + 86_400)
    assert ledger.reserve(5, TEN, TODAY, NOON) == "usd"


def test_money_survives_a_restart_and_reservations_of_who_left_do_not(path: Path) -> None:
    first = Ledger(path, {"name": "a"})
    first.reserve(5, TEN, TODAY, NOON)
    first.settle(5, 5, TODAY, TODAY, NOON)
    first.reserve(5, TEN, TODAY, NOON)
    first.close()
    second = Ledger(path, {"name": "a"})
    assert spent(second) == (5, 0)
    second.close()


def test_what_a_killed_process_had_reserved_is_let_go_after_a_time(path: Path, ledger: Ledger) -> None:
    code = (
        "import os, signal, sys, pathlib\n"
        "from llmtrace.budgets.ledger import Ledger, Limits\n"
        "from llmtrace.budgets.windows import Window\n"
        f"Ledger(pathlib.Path({str(path)!r}), {{'name': 'a'}}).reserve(8, Limits(10), Window(86400, 172800), {NOON})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert ledger.reserve(5, TEN, TODAY, NOON + ledgers.STALE_S) == "usd"
    assert ledger.reserve(5, TEN, TODAY, NOON + ledgers.STALE_S + 1) is None
    assert spent(ledger, now_s=NOON + ledgers.STALE_S + 1) == (0, 5)


def test_a_living_process_keeps_what_it_reserved_however_long_a_call_takes(path: Path, ledger: Ledger) -> None:
    ledger.reserve(8, TEN, TODAY, NOON)
    other = Ledger(path, {"name": "a"})
    assert other.reserve(5, TEN, TODAY, NOON + 10 * ledgers.STALE_S) == "usd"
    other.close()


SPEND = """
import pathlib, sys
from llmtrace.budgets.ledger import Ledger, Limits
from llmtrace.budgets.ledger_file import LedgerError
from llmtrace.budgets.windows import Window
ledger, today, admitted = Ledger(pathlib.Path(sys.argv[1]), {"name": "a"}), Window(86400, 172800), 0

def held(ask, *arguments):
    while True:
        try:
            return ask(*arguments)
        except LedgerError:  # the machine is busy: another time
            pass

print("ready", flush=True)
sys.stdin.readline()
for _ in range(200):
    if held(ledger.reserve, 7, Limits(nano=1000), today, 129600.0) is None:
        admitted += 1
        held(ledger.settle, 7, 5, today, today, 129600.0)
print(admitted, flush=True)
ledger.close()
"""


def test_processes_together_never_spend_more_than_the_limit(path: Path, ledger: Ledger) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", SPEND, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    admitted = sum(int(worker.communicate("go\n", timeout=60)[0]) for worker in workers)
    assert spent(ledger) == (admitted * 5, 0)
    # A call of 5 is let in where 7 are left: no less than 994 is spent in the end, and never more than the limit.
    assert 994 <= admitted * 5 <= 1000


def test_calls_per_minute_are_limited_over_any_sixty_seconds(ledger: Ledger) -> None:
    limits = Limits(calls_per_minute=3)
    start = 86_400.0
    assert [ledger.reserve(0, limits, TODAY, start + 30) for _ in range(4)] == [None] * 3 + ["calls_per_minute"]
    assert ledger.reserve(0, limits, TODAY, start + 61) == "calls_per_minute"
    assert ledger.reserve(0, limits, TODAY, start + 85) is None
    assert ledger.reserve(0, limits, TODAY, start + 181) is None


def test_money_per_minute_is_limited_too(ledger: Ledger) -> None:
    limits = Limits(nano_per_minute=10)
    start = 86_400.0
    assert ledger.reserve(6, limits, TODAY, start) is None
    ledger.settle(6, 6, TODAY, TODAY, start)
    assert ledger.reserve(6, limits, TODAY, start + 1) == "usd_per_minute"
    assert ledger.reserve(6, limits, TODAY, start + 121) is None


def test_a_threshold_is_new_once_in_a_window(path: Path, ledger: Ledger) -> None:
    ledger.reserve(1, TEN, TODAY, NOON)
    other = Ledger(path, {"name": "a"})
    assert (ledger.mark_warned(0b011), other.mark_warned(0b111), ledger.mark_warned(0b111)) == (0b011, 0b100, 0)
    other.reserve(1, TEN, TOMORROW, NOON + 86_400)
    assert ledger.mark_warned(0b001) == 0b001
    other.close()


def test_the_file_is_the_users_alone_and_says_what_it_is_of(path: Path, ledger: Ledger) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_definition(path) == {"name": "a"}


@pytest.mark.parametrize("data", [b"x", b"\0" * FILE_BYTES, b"x" * FILE_BYTES])
def test_a_damaged_file_is_not_used(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="damaged; delete it"):
        Ledger(path, {"name": "a"})
    with pytest.raises(LedgerError, match="damaged"):
        read_definition(path)
    assert AT_MAGIC == 0


def test_a_file_that_is_cut_off_or_deleted_while_it_is_used_is_an_error_and_no_crash(path: Path) -> None:
    ledger = Ledger(path, {"name": "a"})
    os.truncate(path, 0)
    with pytest.raises(LedgerError, match="cut off"):
        ledger.reserve(1, TEN, TODAY, NOON)
    path.unlink()
    with pytest.raises(LedgerError, match="deleted"):
        ledger.reserve(1, TEN, TODAY, NOON)
    ledger.disown()


def test_a_ledger_that_another_process_holds_is_not_waited_for(path: Path, ledger: Ledger) -> None:
    code = (
        "import fcntl, sys, time\n"
        f"file = open({str(path)!r}, 'r+b'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LedgerError, match="held by another process"):
            ledger.reserve(1, TEN, TODAY, NOON)
        holder.kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert ledger.reserve(1, TEN, TODAY, NOON) is None
            break
        except LedgerError:
            assert time.monotonic() < deadline
