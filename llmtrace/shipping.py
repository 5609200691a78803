"""Ships this home's journal to a sidecar on another host: in the background, until it is acknowledged.

One process of a home does so at a time, for all of them; the next one takes over where it left. The journal is the
queue: nothing is held in memory, and what a dead process left behind is shipped like everything else.
"""

import logging
import time
from pathlib import Path

from llmtrace.delivery import Delivery, Undelivered
from llmtrace.delivery_thread import DeliveryThread
from llmtrace.instrument.quiet import log_error
from llmtrace.journal import Segment, delete_read_segments, journal_folder, list_segments, read_counters
from llmtrace.journal.cursor import Cursor, cursor_name, has_passed, read_cursors
from llmtrace.journal.retention import delete_counters
from llmtrace.journal.writer import RECEIVED
from llmtrace.otlp_http import Sender, traces_endpoint

TIDY_INTERVAL_S = 600.0
OUTAGE_TOLD_AFTER_S = 30.0
DB_NAME = "llmtrace.duckdb"
log = logging.getLogger("llmtrace")


class JournalShipper(DeliveryThread):
    """The shipping of one process."""

    def __init__(self, home: Path, endpoint: str, token: str | None) -> None:
        """Ship HOME's journal to the sidecar at ENDPOINT, showing TOKEN.

        Raises:
            ConfigError: ENDPOINT is no http(s) address.
        """
        self._home, self._url, folder = home, traces_endpoint(endpoint), journal_folder(home)
        self._shown = _without_secrets(self._url)
        cursor = Cursor(folder, cursor_name("ship", self._url), self._shown)
        sender = Sender(self._url, {"Authorization": f"Bearer {token}"} if token else {})
        super().__init__(folder, cursor, Delivery(folder, cursor, sender, wants=_is_ours), "llmtrace-ship")
        self._is_outage_told = self._is_token_told = False
        self._tidied_at = time.monotonic()

    def told(self, err: Undelivered, since_s: float) -> None:
        """Warn once of a token that is not accepted, and once of an outage that lasts."""
        if err.is_unauthorised:
            if not self._is_token_told:
                self._is_token_told = True
                log.warning("the sidecar at %s does not accept LLMTRACE_TOKEN; spans wait in the journal", self._shown)
        elif since_s > OUTAGE_TOLD_AFTER_S and not self._is_outage_told:
            self._is_outage_told = True
            log.warning("the sidecar at %s takes no spans (%s); they wait in the journal", self._shown, err)

    def failed(self, err: Exception) -> None:
        """Warn; at most once a minute."""
        log_error(f"llmtrace could not ship its journal ({err!r}); it tries again")

    def delivered(self) -> None:
        """Delete what is shipped and old, where no database of this home reads it too."""
        self._is_outage_told = False
        now = time.monotonic()
        if now - self._tidied_at < TIDY_INTERVAL_S or (self._home / DB_NAME).exists():
            return
        self._tidied_at = now
        readers = read_cursors(self._folder).values()
        delete_read_segments(self._folder, lambda s: all(has_passed(reader, s) for reader in readers))
        remaining = {s.process for s in list_segments(self._folder)}
        over = [c.process for c in read_counters(self._folder) if not c.is_alive and c.process not in remaining]
        delete_counters(self._folder, over)


def _without_secrets(url: str) -> str:
    """URL without the secrets that may be in it."""
    if "@" not in url and "?" not in url:
        return url
    from llmtrace.redaction.secrets import redact_text  # its expressions take time to compile

    return redact_text(url)


def _is_ours(segment: Segment) -> bool:
    """Whether SEGMENT was written by an app: what a sidecar of this home received is its own to forward."""
    return not segment.process.endswith(RECEIVED)
