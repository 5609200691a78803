"""The prices in force: the bundled book with the user's own before it, read anew where that file changes.

The database's owner keeps a copy of the last file that could be used: where the file is bad, that one stays in force,
in this process and in those that come later.
"""

import logging
import os
from functools import lru_cache
from pathlib import Path

from llmtrace import config
from llmtrace.errors import OwnPricesError
from llmtrace.followed import FollowedFile
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.own import add_own, read_text
from llmtrace.pricing.reading import load_book

log = logging.getLogger("llmtrace.pricing")
OWN_NAME, COPY_NAME = "prices.yaml", "prices.in-force.yaml"


class CurrentPrices:
    """The book for one home. A bad file changes nothing: what was in force stays, and `problem` says why."""

    def __init__(self, home: Path, *, keeps_copy: bool = False) -> None:
        """Look for the user's own prices where the environment says, or in HOME; KEEPS_COPY: of what can be used."""
        self.path = config.own_prices(home)
        self._copy, self._keeps_copy = home / COPY_NAME, keeps_copy
        self._file = FollowedFile(
            self.path,
            self._read,
            self._read_none,
            OwnPricesError,
            "your own prices",
            before=self._read_copy,
            is_needed=self.path != home / OWN_NAME,
        )

    def book(self) -> PriceBook:
        """The book as of now."""
        return self._file.value()

    @property
    def problem(self) -> str | None:
        """Why the file is not in force as it stands."""
        return self._file.problem

    def _read(self, path: Path) -> PriceBook:
        text = read_text(path)
        book = add_own(load_book(), text, str(path))
        self._keep(text)
        return book

    def _read_none(self) -> PriceBook:
        self._keep(None)
        return load_book()

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
    """The prices in force for HOME (default: `LLMTRACE_HOME`) as of now."""
    home = home if home is not None else config.default_home()
    return _prices_of(home, config.own_prices(home)).book()


@lru_cache(maxsize=16)
def _prices_of(home: Path, file: Path) -> CurrentPrices:
    """What watches the own prices of HOME, which stand in FILE."""
    return CurrentPrices(home)
