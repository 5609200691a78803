import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmtrace.errors import StoreLocked
from llmtrace.store.lock import Owner, OwnerLock, read_owner

HOLD = """
import sys, time
from pathlib import Path
from llmtrace.store.lock import OwnerLock
lock = OwnerLock(Path(sys.argv[1]), "dashboard")
lock.acquire()
lock.publish("http://127.0.0.1:1", "/t")
print("held", flush=True)
if sys.argv[2] == "fork":
    import os
    if os.fork() == 0:
        time.sleep(30); os._exit(0)
while True:
    if sys.argv[2] == "yield" and lock.wanted_by():
        lock.release()
    time.sleep(0.05)
"""


def hold(db: Path, how: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(db), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_the_holder_says_who_and_where_it_is(tmp_path: Path) -> None:
    db = tmp_path / "home" / "t.duckdb"
    assert read_owner(db) is None
    lock = OwnerLock(db, "report")
    assert lock.try_acquire()
    lock.publish("http://127.0.0.1:4318")
    assert read_owner(db) == Owner(os.getpid(), "report", "http://127.0.0.1:4318", None)
    lock.release()
    assert read_owner(db) is None


def test_only_one_holds_it(tmp_path: Path) -> None:
    first, second = OwnerLock(tmp_path / "t.duckdb", "a"), OwnerLock(tmp_path / "t.duckdb", "b")
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_who_does_not_get_it_is_told_by_whom(tmp_path: Path) -> None:
    process = hold(tmp_path / "t.duckdb", "keep")
    with pytest.raises(StoreLocked, match=str(process.pid)) as raised:
        OwnerLock(tmp_path / "t.duckdb", "serve").acquire(0.3)
    assert raised.value.pid == process.pid
    end(process)


def test_a_holder_that_is_asked_lets_go(tmp_path: Path) -> None:
    process = hold(tmp_path / "t.duckdb", "yield")
    lock = OwnerLock(tmp_path / "t.duckdb", "serve")
    lock.acquire(60)
    assert lock.wanted_by() is None
    lock.release()
    end(process)


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    process = hold(tmp_path / "t.duckdb", "keep")
    end(process)
    assert read_owner(tmp_path / "t.duckdb") is None
    lock = OwnerLock(tmp_path / "t.duckdb", "report")
    assert lock.try_acquire()
    lock.release()


def test_a_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    process = hold(tmp_path / "t.duckdb", "fork")
    time.sleep(0.2)
    process.kill()
    process.wait()
    assert read_owner(tmp_path / "t.duckdb") is None
    assert process.stdout is not None
    process.stdout.close()


def test_the_files_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lock = OwnerLock(tmp_path / "home" / "t.duckdb", "report")
        assert lock.try_acquire()
        OwnerLock(tmp_path / "home" / "t.duckdb", "serve").ask()
    finally:
        os.umask(before)
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (tmp_path / "home").iterdir()}
    assert modes == {"t.duckdb.lock": "0o600", "t.duckdb.lock.wanted": "0o600"}
    lock.release()
