"""What the pipeline hands its spans to, beside the journal."""

from collections.abc import Sequence
from typing import Protocol

from llmtrace.model import Span


class Exporter(Protocol):
    """Where spans go beside the journal; it has a queue and a thread of its own, and counts what became of them."""

    sent: int
    dropped: int

    def put(self, spans: Sequence[Span]) -> None:
        """Take SPANS without waiting."""

    def flush(self, deadline: float) -> bool:
        """Whether all that was put since the last flush is delivered before DEADLINE (of the monotonic clock)."""

    def close(self, deadline: float) -> None:
        """Deliver what can be until DEADLINE, and stop."""
