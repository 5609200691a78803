"""Keeps an owner current: reads the journal every half second, and says how it is."""

import logging
import threading
import time

from llmtrace.owner import Owner

INTERVAL_S = 0.5
STALE_S = 15.0
log = logging.getLogger("llmtrace.sidecar")


class OwnerLoop:
    """An open owner with a thread that reads the journal for it."""

    def __init__(self, owner: Owner) -> None:
        """Read for OWNER, which is open."""
        self.owner = owner
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmtrace-ingest", daemon=True)
        self._error: str | None = None
        self._read_at = time.monotonic()

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch under way, and let the database go."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self.owner.close()

    def problems(self) -> list[str]:
        """Why the owner is not well; empty when it is."""
        found = [self._error] if self._error is not None else []
        if time.monotonic() - self._read_at > STALE_S:
            found.append(f"the journal was last read {time.monotonic() - self._read_at:.0f} s ago")
        return found

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
            self._stop.wait(INTERVAL_S)

    def _after_batch(self) -> bool:
        self._read_at = time.monotonic()
        return self._stop.is_set()

    def _reopen(self) -> None:
        """Open the store anew: after some errors an engine answers nothing any more."""
        try:
            self.owner.reopen_store()
        except Exception:
            log.exception("the store could not be opened anew")
