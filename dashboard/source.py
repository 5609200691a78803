"""Where the pages get their answers: the owner in this process, or whoever owns the database."""

from collections.abc import Mapping
from typing import Any, Protocol

from llmtrace.store.base import Rows


class Source(Protocol):
    """Answers named questions."""

    def rows(self, question: str, options: Mapping[str, Any]) -> Rows:
        """The answer to QUESTION. Raises an `LlmtraceError`."""

    def health(self) -> dict[str, Any]:
        """The figures of `doctor`. Raises an `LlmtraceError`."""


_source: Source | None = None


def use(source: Source) -> None:
    """Answer the pages from SOURCE."""
    global _source
    _source = source


def current() -> Source:
    """The source of this process.

    Without one, as when the script is run by hand, it is the database of the default home.
    """
    if _source is None:
        from llmtrace.client import connect

        use(connect())
        return current()
    return _source
