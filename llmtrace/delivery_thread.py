"""The thread of a delivery: sends what is new, waits as long as the destination asks, and takes over from the dead."""

import threading
import time
from pathlib import Path

from llmtrace.delivery import Delivery, Undelivered
from llmtrace.journal import list_segments, read_evictions
from llmtrace.journal.cursor import Cursor
from llmtrace.journal.writer import make_private

IDLE_S = 1.0
POLL_S = 0.02


class DeliveryThread:
    """One process's delivery; where another process holds the cursor, it waits for its turn."""

    def __init__(self, folder: Path, cursor: Cursor, delivery: Delivery, name: str) -> None:
        """Run DELIVERY, from the journal in FOLDER, while this process holds CURSOR. Nothing happens before `wake`."""
        self._folder, self._cursor, self._delivery, self._name = folder, cursor, delivery, name
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wakes, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._failures = 0
        self._failing_since: float | None = None

    def wake(self) -> None:
        """Deliver what is new; returns at once."""
        self._wakes.set()
        if self._thread is None and not self._stop.is_set():
            with self._start_lock:
                if self._thread is None:
                    self._meet_gevent()
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()

    def _meet_gevent(self) -> None:
        """Take what gevent has put in the place of Python's own since: its thread must wait for nothing else."""
        if type(self._wakes) is not threading.Event:
            self._wakes, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
            self._wakes.set()

    def flush(self, process: str, deadline: float) -> bool:
        """Whether the destination has what PROCESS wrote before DEADLINE (of the monotonic clock).

        One that does not answer is not waited for.
        """
        failures = self._failures
        self.wake()
        self._hurry.set()
        while True:
            if self._cursor.has_passed([s for s in list_segments(self._folder) if s.process == process]):
                return True
            if self._failures != failures or time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)

    def close(self, deadline: float) -> None:
        """Stop; a request under way is given until DEADLINE."""
        self._stop.set()
        self._hurry.set()
        self._wakes.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def disown(self) -> None:
        """In a forked child: leave the delivery to the parent."""
        self._stop.set()
        self._cursor.release()

    def told(self, err: Undelivered, since_s: float) -> None:
        """Called on the thread when the destination did not take spans, as it has not SINCE_S seconds."""

    def failed(self, err: Exception) -> None:
        """Called on the thread when something else went wrong; it is tried again."""

    def delivered(self) -> None:
        """Called on the thread when there is nothing left to deliver."""

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wait_s = self._turn()
            except Exception as err:  # a thread that dies would leave the spans where they are for good
                self._failures += 1
                self.failed(err)
                wait_s = IDLE_S
            self._pause(wait_s)
        self._delivery.close()
        self._cursor.release()

    def _turn(self) -> float:
        """Deliver what there is; how long to wait before the next try, 0 where all is delivered."""
        if not self._cursor.is_held:
            make_private(self._folder)
            if not self._cursor.acquire(read_evictions(self._folder)):
                return 0.0
        try:
            if self._delivery.deliver(self._stop.is_set):
                self.delivered()
        except Undelivered as err:
            self._failures += 1
            now = time.monotonic()
            self._failing_since = self._failing_since or now
            self.told(err, now - self._failing_since)
            return err.wait_s
        self._failing_since = None
        return 0.0

    def _pause(self, wait_s: float) -> None:
        """Wait for something new, or after a failure for WAIT_S; a flush ends either."""
        if wait_s:
            self._hurry.wait(wait_s)
        elif not self._hurry.is_set():
            self._wakes.wait(IDLE_S)
        self._wakes.clear()
        self._hurry.clear()
