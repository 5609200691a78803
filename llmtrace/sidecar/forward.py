"""Forwards the journal to an OTLP backend, with the cost of each call on its span.

Where spans go is said on the command line alone: redirects are not followed, and addresses that serve a cloud's
credentials are refused.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from llmtrace import wire
from llmtrace.delivery import Delivery, Undelivered
from llmtrace.delivery_thread import DeliveryThread
from llmtrace.ingest.pricing import price_span
from llmtrace.journal import journal_folder
from llmtrace.journal.cursor import Cursor, cursor_name
from llmtrace.otlp_export import cost_attributes
from llmtrace.otlp_http import Sender, require_allowed, traces_endpoint
from llmtrace.pricing import PriceBook, current_book
from llmtrace.redaction.secrets import redact_text
from llmtrace.rules import NO_RULES, CurrentRules, Rules

TELL_INTERVAL_S = 300.0
OUTAGE_TOLD_AFTER_S = 30.0
log = logging.getLogger("llmtrace.sidecar")


class Forwarder(DeliveryThread):
    """The way of one home's journal to one backend."""

    def __init__(self, home: Path, url: str, headers: Mapping[str, str]) -> None:
        """Forward HOME's journal to the OTLP backend at URL, with HEADERS.

        Raises:
            ConfigError: URL is no http(s) address, or one that spans must not go to.
        """
        self.url, folder = traces_endpoint(url), journal_folder(home)
        book, rules = current_book(home), CurrentRules(home)
        require_allowed(self.url)
        self.shown_url = redact_text(self.url)
        cursor = Cursor(folder, cursor_name("forward", self.url), self.shown_url)
        delivery = Delivery(
            folder, cursor, Sender(self.url, headers), prepare=lambda payload: with_cost(payload, book, rules.rules())
        )
        super().__init__(folder, cursor, delivery, "llmtrace-forward")
        self._told_at = float("-inf")

    def told(self, err: Undelivered, since_s: float) -> None:
        """Log; once in five minutes, and not what passes."""
        reason = "it does not accept the headers" if err.is_unauthorised else str(err)
        if not err.is_passing or since_s > OUTAGE_TOLD_AFTER_S:
            self._log(f"{self.shown_url} takes no spans ({reason}); they wait in the journal")

    def failed(self, err: Exception) -> None:
        """Log; once in five minutes."""
        self._log(f"spans could not be forwarded to {self.shown_url} ({redact_text(repr(err))}); it is tried again")

    def _log(self, message: str) -> None:
        if time.monotonic() - self._told_at > TELL_INTERVAL_S:
            self._told_at = time.monotonic()
            log.warning(message)


def with_cost(payload: bytes, book: PriceBook, rules: Rules = NO_RULES) -> bytes:
    """PAYLOAD, a serialised request, with the cost by BOOK on each span that is a call, in whatever dialect.

    RULES name the feature of those that have none.
    """
    try:
        request = wire.parse(payload)
    except ValueError:
        return payload  # the backend will say what it makes of it
    for message, span in wire.each_span(request):
        try:
            priced = price_span(book, span)
            if priced is not None:
                said = rules.attributes(priced.call, priced.service, priced.environment)
                wire.set_attributes(message, {**cost_attributes(priced.cost), **said})
        except Exception:  # the span goes on without a cost
            log.exception("a call could not be priced")
    enriched: bytes = request.SerializeToString()
    return enriched
