"""The prices in force: the bundled book with the user's own before it, read anew where that file changes."""

from pathlib import Path

from llmtrace import config
from llmtrace.errors import OwnPricesError
from llmtrace.followed import FollowedFile
from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.own import read_own
from llmtrace.pricing.reading import load_book


class CurrentPrices:
    """The book for one home. A bad file changes nothing: what was in force stays, and `problem` says why."""

    def __init__(self, home: Path) -> None:
        """Look for the user's own prices where the environment says, or in HOME."""
        self.path, bundled = config.own_prices(home), load_book()
        is_named = self.path != home / "prices.yaml"
        self._file = FollowedFile(
            self.path,
            lambda path: read_own(bundled, path),
            bundled,
            OwnPricesError,
            "your own prices",
            is_needed=is_named,
        )

    def book(self) -> PriceBook:
        """The book as of now."""
        return self._file.value()

    @property
    def problem(self) -> str | None:
        """Why the file is not in force as it stands."""
        return self._file.problem


def current_book(home: Path | None = None) -> PriceBook:
    """The prices in force for HOME (default: `LLMTRACE_HOME`), read now; a bad file of own prices is left out."""
    return CurrentPrices(home if home is not None else config.default_home()).book()
