"""Ships this home's journal to a sidecar on another host: in the background, until it is acknowledged.

One process of a home does so at a time, for all of them; the next one takes over where it left. The journal is the
queue: nothing is held in memory, and what a dead process left behind is shipped like everything else.
"""

import hashlib
import logging
import threading
import time
from pathlib import Path

from llmtrace.delivery import UNAUTHORISED, Delivery, Undelivered
from llmtrace.instrument.quiet import log_error, quietly
from llmtrace.journal import Segment, delete_read_segments, journal_folder, list_segments, read_counters, read_evictions
from llmtrace.journal.cursor import Cursor, has_passed, read_cursors
from llmtrace.journal.retention import delete_counters
from llmtrace.journal.writer import RECEIVED, make_private
from llmtrace.otlp_http import Sender, traces_endpoint

THREAD_NAME = "llmtrace-ship"
IDLE_S = 2.0
TIDY_INTERVAL_S = 600.0
POLL_S = 0.02
OUTAGE_TOLD_AFTER_S = 30.0
DB_NAME = "llmtrace.duckdb"
log = logging.getLogger("llmtrace")


class JournalShipper:
    """The shipping of one process; it waits its turn where another process of the home ships."""

    def __init__(self, home: Path, endpoint: str, token: str | None) -> None:
        """Ship HOME's journal to the sidecar at ENDPOINT, showing TOKEN. Nothing happens before `wake`.

        Raises:
            ConfigError: ENDPOINT is no http(s) address.
        """
        url = traces_endpoint(endpoint)
        self._home, self._folder, self._url = home, journal_folder(home), url
        self._cursor = Cursor(self._folder, cursor_name("ship", url), url)
        sender = Sender(url, {"Authorization": f"Bearer {token}"} if token else {})
        self._delivery = Delivery(self._folder, self._cursor, sender, wants=_is_ours)
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wakes, self._hurry, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._failures = 0
        self._failing_since: float | None = None
        self._is_outage_told = self._is_token_told = False
        self._tidied_at = time.monotonic()

    def wake(self) -> None:
        """Ship what is new; returns at once."""
        self._wakes.set()
        if self._thread is None and not self._stop.is_set():
            with self._start_lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
                    self._thread.start()

    def flush(self, process: str, deadline: float) -> bool:
        """Whether the sidecar has what PROCESS wrote before DEADLINE (of the monotonic clock).

        A sidecar that does not answer is not waited for.
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
        """In a forked child: leave the shipping to the parent."""
        self._stop.set()
        self._cursor.release()

    # On the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            wait_s = quietly(self._turn)
            self._pause(IDLE_S if wait_s is None else wait_s, is_retry=bool(wait_s))
        quietly(self._cursor.release)

    def _turn(self) -> float:
        """Ship what there is; how long to wait before the next try, 0 where all is shipped."""
        if not self._cursor.is_held:
            make_private(self._folder)
            if not self._cursor.acquire(read_evictions(self._folder)):
                return 0.0
        try:
            self._delivery.deliver(self._stop.is_set)
        except Undelivered as err:
            self._failures += 1
            self._tell(err)
            return err.wait_s
        except OSError as err:
            log_error(f"llmtrace cannot keep its place in the journal ({err}); it ships again from the last one")
            return IDLE_S
        self._failing_since, self._is_outage_told = None, False
        self._tidy()
        return 0.0

    def _pause(self, wait_s: float, *, is_retry: bool) -> None:
        """Wait for something new, or after a failure for WAIT_S; a flush ends either."""
        if is_retry:
            self._hurry.wait(wait_s)
        elif not self._hurry.is_set():
            self._wakes.wait(IDLE_S)
        self._wakes.clear()
        self._hurry.clear()

    def _tell(self, err: Undelivered) -> None:
        """Warn once of a token that is not accepted, and once of an outage that lasts."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if err.answer.status in UNAUTHORISED:
            if not self._is_token_told:
                self._is_token_told = True
                log.warning("the sidecar at %s does not accept LLMTRACE_TOKEN; spans wait in the journal", self._url)
        elif now - self._failing_since > OUTAGE_TOLD_AFTER_S and not self._is_outage_told:
            self._is_outage_told = True
            log.warning("the sidecar at %s takes no spans (%s); they wait in the journal", self._url, err)

    def _tidy(self) -> None:
        """Delete what is shipped and old, where no database of this home reads it too."""
        now = time.monotonic()
        if now - self._tidied_at < TIDY_INTERVAL_S or (self._home / DB_NAME).exists():
            return
        self._tidied_at = now
        readers = read_cursors(self._folder).values()
        delete_read_segments(self._folder, lambda s: all(has_passed(reader, s) for reader in readers))
        remaining = {s.process for s in list_segments(self._folder)}
        over = [c.process for c in read_counters(self._folder) if not c.is_alive and c.process not in remaining]
        delete_counters(self._folder, over)


def cursor_name(kind: str, url: str) -> str:
    """The name of the cursor of a KIND of reader that delivers to URL."""
    return f"{kind}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def _is_ours(segment: Segment) -> bool:
    """Whether SEGMENT was written by an app: what a sidecar of this home received is its own to forward."""
    return not segment.process.endswith(RECEIVED)
