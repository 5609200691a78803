"""The prices in force: the bundled book with the user's own before it, read anew where that file changes.

The database's owner keeps a copy of the last file that could be used: where the file is bad, that one stays in force,
in this process and in those that come later.
"""

import logging
import os
import threading
from pathlib import Path

from llmtrace import config
from llmtrace.errors import OwnPricesError
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.own import add_own, read_text
from llmtrace.pricing.reading import load_book

log = logging.getLogger("llmtrace.pricing")
COPY_NAME = "prices.in-force.yaml"
_Stamp = tuple[int, int, int]


class CurrentPrices:
    """The book for one home. A bad file changes nothing: what was in force stays, and `problem` says why."""

    def __init__(self, home: Path, *, keeps_copy: bool = False) -> None:
        """Look for the user's own prices where the environment says, or in HOME; KEEPS_COPY: of what can be used."""
        self.path = config.own_prices(home)
        self.problem: str | None = None
        self._copy = home / COPY_NAME
        self._keeps_copy = keeps_copy
        self._is_named = self.path != home / "prices.yaml"
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._book: PriceBook | None = None

    def book(self) -> PriceBook:
        """The book as of now."""
        with self._lock:
            stamp = self._look()
            if self._book is None or stamp != self._stamp:
                self._stamp = stamp
                self._book = self._read(is_there=stamp is not None)
            return self._book

    def _look(self) -> _Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self, *, is_there: bool) -> PriceBook:
        self.problem = None
        if not is_there and not self._is_named:
            self._keep(None)
            return load_book()
        try:
            text = read_text(self.path)
            book = add_own(load_book(), text, str(self.path))
        except OwnPricesError as err:
            self.problem = f"your own prices are not used as they stand: {err}"
            log.warning(self.problem)
            return self._book or self._read_copy()
        self._keep(text)
        return book

    def _read_copy(self) -> PriceBook:
        """The book with what was last in force, where that is known."""
        try:
            return add_own(load_book(), read_text(self._copy), str(self._copy))
        except OwnPricesError:
            return load_book()

    def _keep(self, text: str | None) -> None:
        """Keep a copy of TEXT, which can be used; None: of nothing."""
        if not self._keeps_copy:
            return
        try:
            if text is None:
                self._copy.unlink(missing_ok=True)
                return
            new = self._copy.with_name(f"{COPY_NAME}.{os.getpid()}")
            new.write_bytes(text.encode())
            new.replace(self._copy)
        except OSError as err:
            log.warning("no copy of your own prices can be kept (%s): should the file become bad, none is left", err)


def current_book(home: Path | None = None) -> PriceBook:
    """The prices in force for HOME (default: `LLMTRACE_HOME`), read now."""
    return CurrentPrices(home if home is not None else config.default_home()).book()
