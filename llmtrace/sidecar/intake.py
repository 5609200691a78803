"""From received spans to the journal: what is acknowledged is on disk.

One thread appends all that waits as records of this process's own segments, waits for the disk once, and then tells
everyone. The counter is written after the records: what was never acknowledged is the sender's, and no loss.
"""

import logging
import shutil
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from llmtrace.config import HOME_BYTES
from llmtrace.journal import CounterFile, JournalWriter, journal_folder, list_segments, new_process_name
from llmtrace.journal.writer import RECEIVED, make_private

QUEUE_BYTES = 64 * 1024 * 1024
FREE_BYTES = 128 * 1024 * 1024
ROOM_INTERVAL_S = 1.0
REJECTED = "rejected"
log = logging.getLogger("llmtrace.sidecar")


class Refused(Exception):
    """Spans are not taken now; `is_stopping`: never again by this process, else after `retry_after_s`."""

    def __init__(self, reason: str, *, is_stopping: bool = False, retry_after_s: int = 5) -> None:
        """Say why."""
        self.is_stopping, self.retry_after_s = is_stopping, retry_after_s
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Received:
    """What is to be written: PAYLOAD is a serialised request of `spans` spans, `rejected` were left out of it."""

    payload: bytes
    spans: int
    rejected: int = 0
    done: "Future[None]" = field(default_factory=Future)


class Intake:
    """Takes received requests from any thread. `figures` say what became of them."""

    def __init__(self, home: Path, journal_bytes: int = HOME_BYTES, free_bytes: int = FREE_BYTES) -> None:
        """Write to HOME's journal while it holds less than JOURNAL_BYTES and the disk has FREE_BYTES left."""
        self.home = home
        self._folder = journal_folder(home)
        self._room = _Room(home, journal_bytes, free_bytes)
        self._process = new_process_name(RECEIVED)
        self._writer = JournalWriter(self._folder, self._process, syncs=True)
        self._counter: CounterFile | None = None
        self._waiting: list[Received] = []
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="llmtrace-intake", daemon=True)
        self._error: str | None = None
        self.spans = self.rejected = self.requests = self.refused = self.bytes = self.syncs = 0

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def put(self, payload: bytes, spans: int, rejected: int = 0) -> "Future[None]":
        """Take a request; the answer is there once the disk has it.

        Raises:
            Refused: there is no room for it, or no time left.
        """
        reason = self._room.reason()
        with self._changed:
            if self._is_closing:
                raise Refused("the sidecar is stopping", is_stopping=True)
            if reason is None and self._waiting_bytes + len(payload) > QUEUE_BYTES:
                reason = "the disk does not keep up"
            if reason is not None:
                self.refused += 1
                raise Refused(reason)
            item = Received(payload, spans, rejected)
            self._waiting.append(item)
            self._waiting_bytes += len(payload)
            self._changed.notify()
        return item.done

    def refuse(self) -> None:
        """Take nothing more."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, and stop."""
        self.refuse()
        if self._thread.is_alive():
            self._thread.join(10)
        self._writer.close()
        if self._counter is not None:
            self._counter.close()

    def problems(self) -> list[str]:
        """Why spans are not taken; empty where they are."""
        return [reason for reason in (self._error, self._room.reason()) if reason is not None]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                group, self._waiting, self._waiting_bytes = self._waiting, [], 0
                if not group:
                    return
            self._store(group)

    def _store(self, group: list[Received]) -> None:
        """Write GROUP, and tell each of it how it went."""
        written: list[Received] = []
        try:
            for item in group:
                if item.spans:
                    self._writer.append(item.payload, item.spans)
                written.append(item)
        except OSError as err:
            self._fail(group[len(written) :], err)
        try:
            self._writer.sync()
            self.syncs += 1
        except OSError as err:
            self._fail(written, err)
            return
        if len(written) == len(group):
            self._error = None
        self._count(written)
        for item in written:
            item.done.set_result(None)

    def _fail(self, items: list[Received], err: OSError) -> None:
        self._error = f"the journal cannot be written: {err.strerror or err}"
        log.error("received spans were refused: %s", self._error)
        self.refused += len(items)
        for item in items:
            item.done.set_exception(Refused(self._error))

    def _count(self, items: list[Received]) -> None:
        self.requests += len(items)
        self.spans += sum(i.spans for i in items)
        self.rejected += sum(i.rejected for i in items)
        self.bytes += sum(len(i.payload) for i in items)
        try:
            if self._counter is None:
                make_private(self._folder)
                self._counter = CounterFile(self._folder, self._process, None)
            self._counter.write(self.spans + self.rejected, {REJECTED: self.rejected} if self.rejected else {})
        except OSError as err:  # the records tell how many spans they hold; the next group is counted with this one
            log.warning("the counter of received spans cannot be written: %s", err)


class _Room:
    """Whether the journal and its disk have room; looked up once a second."""

    def __init__(self, home: Path, journal_bytes: int, free_bytes: int) -> None:
        self._home, self._journal_bytes, self._free_bytes = home, journal_bytes, free_bytes
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._reason: str | None = None

    def reason(self) -> str | None:
        """Why there is no room, or None."""
        with self._lock:
            if time.monotonic() - self._looked_at > ROOM_INTERVAL_S:
                self._reason = self._look()
                self._looked_at = time.monotonic()
            return self._reason

    def _look(self) -> str | None:
        try:
            make_private(self._home)
            free = shutil.disk_usage(self._home).free
        except OSError as err:
            return f"{self._home} cannot be used: {err.strerror or err}"
        if free < self._free_bytes:
            return f"the disk of {self._home} has only {free // 2**20} MiB left"
        held = sum(s.size for s in list_segments(journal_folder(self._home)))
        if held > self._journal_bytes:
            return f"the journal holds {held // 2**20} MiB, as much as it may; it empties as it is read"
        return None
