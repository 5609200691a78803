"""What a page is about: the period, the one it is compared with, and the filters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .answers import Rows, Stamp, ask
from .period import Period

# Filters by their key in the address, which is their name in a question, with the word for people.
FILTERS: Mapping[str, str] = {
    "feature": "feature",
    "model": "model",
    "provider": "provider",
    "environment": "environment",
    "service": "service",
    "status": "status",
    "error": "error type",
    "user": "user",
    "session": "session",
    "tenant": "tenant",
    "prompt_version": "prompt version",
    "tag": "tag",
    "cost_status": "price status",
}
# How late into the period before recording may have begun: later, every growth would be overstated.
LATE_SHARE, MOST_LATE = 0.05, timedelta(days=1)
FACETS = ("feature", "model", "provider", "environment", "service")


@dataclass(frozen=True, slots=True)
class Scope:
    """`previous` is None where nothing is compared; `filters` holds chosen values by name, the empty one for none.

    `known` holds all names that there are by facet, most used first, whatever the filters. `pages` holds Streamlit's
    pages by path, to link to.
    """

    stamp: Stamp
    range: str
    period: Period
    previous: Period | None
    filters: Mapping[str, tuple[str, ...]]
    known: Mapping[str, tuple[str, ...]]
    pages: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_before(self) -> bool:
        """Whether there is a period to compare with: one that was recorded from its beginning, or nearly so."""
        first, before = self.stamp.first_call_at, self.previous
        if before is None or first is None:
            return False
        return first <= before.start + min((before.end - before.start) * LATE_SHARE, MOST_LATE)

    def ask(self, question: str, **parameters: Any) -> Rows:
        """The answer to QUESTION for the period. Raises LlmtraceError."""
        return ask(self.stamp, question, {**self.period.options(), **self.filters, **parameters})

    def ask_before(self, question: str, **parameters: Any) -> Rows:
        """The answer to QUESTION for the period before; nothing where there is none to compare with."""
        if self.previous is None or not self.has_before:
            return []
        return ask(self.stamp, question, {**self.previous.options(), **self.filters, **parameters})

    def totals(self) -> dict[str, Any]:
        """All measures of the period."""
        return self.ask("totals")[0]

    def totals_before(self) -> dict[str, Any] | None:
        """All measures of the period before; None where there were no calls."""
        rows = self.ask_before("totals")
        return rows[0] if rows and rows[0]["calls"] else None
