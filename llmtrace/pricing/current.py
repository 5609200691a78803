"""The prices in force: the bundled book with the user's own before it, read anew where that file changes."""

import logging
import threading
from pathlib import Path

from llmtrace import config
from llmtrace.errors import OwnPricesError
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.own import read_own
from llmtrace.pricing.reading import load_book

log = logging.getLogger("llmtrace.pricing")
_Stamp = tuple[int, int, int]


class CurrentPrices:
    """The book for one home. A bad file changes nothing: what was in force stays, and `problem` says why."""

    def __init__(self, home: Path) -> None:
        """Look for the user's own prices where the environment says, or in HOME."""
        self.path = config.own_prices(home)
        self.problem: str | None = None
        self._is_named = self.path != home / "prices.yaml"
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._book = load_book()
        self._was_read = False

    def book(self) -> PriceBook:
        """The book as of now."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp or not self._was_read:
                self._stamp, self._was_read = stamp, True
                self._read(is_there=stamp is not None)
            return self._book

    def _look(self) -> _Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self, *, is_there: bool) -> None:
        if not is_there and not self._is_named:
            self._book, self.problem = load_book(), None
            return
        try:
            self._book, self.problem = read_own(load_book(), self.path), None
        except OwnPricesError as err:
            self.problem = f"your own prices are not used as they stand: {err}"
            log.warning(self.problem)


def current_book(home: Path | None = None) -> PriceBook:
    """The prices in force for HOME (default: `LLMTRACE_HOME`), read now; a bad file of own prices is left out."""
    return CurrentPrices(home if home is not None else config.default_home()).book()
