"""Keeps an owner current: reads the journal every half second, and says how it is."""

import logging
import threading
import time
from collections.abc import Callable

from llmtrace.owner import Owner

INTERVAL_S = 0.5
STALE_S = 15.0
LAST_READ_S = 3.0
log = logging.getLogger("llmtrace.sidecar")


class OwnerLoop:
    """An open owner with a thread that reads the journal for it."""

    def __init__(self, owner: Owner, yields_to: str | None = None) -> None:
        """Read for OWNER, which is open; let it go where an owner of the kind YIELDS_TO asks for the database."""
        self.owner, self._yields_to = owner, yields_to
        self.has_yielded = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmtrace-ingest", daemon=True)
        self._error: str | None = None
        self._checks: list[Callable[[], list[str]]] = []
        self._read_at = time.monotonic()

    def also_check(self, check: Callable[[], list[str]]) -> None:
        """Add what CHECK finds to the problems."""
        self._checks.append(check)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Read what is left, as far as it takes no longer than LAST_READ_S, and let the database go."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
            if not self.has_yielded:
                self._read_last()
        self.owner.close()

    def _read_last(self) -> None:
        deadline = time.monotonic() + LAST_READ_S
        try:
            if not self._thread.is_alive():
                self.owner.ingest(lambda: time.monotonic() > deadline)
        except Exception as err:  # it stays in the journal, for the next owner
            log.warning("the end of the journal was not read: %s", err)

    def problems(self) -> list[str]:
        """Why the owner is not well; empty when it is."""
        if self.has_yielded:
            return []
        found = [self._error] if self._error is not None else []
        if time.monotonic() - self._read_at > STALE_S:
            found.append(f"the journal was last read {time.monotonic() - self._read_at:.0f} s ago")
        return found + [problem for check in self._checks for problem in check()]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.owner.ingest(self._after_batch)
                self._error = None
                self._read_at = time.monotonic()
            except Exception as err:  # it must go on: the journal keeps what could not be stored
                self._error = f"the journal could not be read into the store: {err}"
                log.exception("ingest failed; it is tried again")
                self._reopen()
            if self._is_wanted():
                self.has_yielded = True
                self.owner.close()
                return
            self._stop.wait(INTERVAL_S)

    def _after_batch(self) -> bool:
        self._read_at = time.monotonic()
        return self._stop.is_set() or self._is_wanted()

    def _is_wanted(self) -> bool:
        return self._yields_to is not None and self.owner.lock.wanted_by() == self._yields_to

    def _reopen(self) -> None:
        """Open the store anew: after some errors an engine answers nothing any more."""
        try:
            self.owner.reopen_store()
        except Exception:
            log.exception("the store could not be opened anew")
