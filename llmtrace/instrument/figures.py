"""How many calls ended in a process, and how many of them were dropped in it, and why."""

import itertools

REASONS = ("queue_full", "invalid_span", "after_shutdown", "results_full")


class Figures:
    """Counters that are exact under any interleaving, a garbage collection in the middle of one included."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._ended = itertools.count()
        self._drops: dict[str, itertools.count[int]] = {reason: itertools.count() for reason in REASONS}

    def end(self, number: int = 1) -> None:
        """NUMBER more have ended."""
        for _ in range(number):
            next(self._ended)

    def drop(self, reason: str, number: int = 1) -> None:
        """NUMBER more of those that ended are dropped for REASON."""
        for _ in range(number):
            next(self._drops[reason])

    @property
    def ended(self) -> int:
        """How many ended."""
        return _value(self._ended)

    @property
    def dropped(self) -> dict[str, int]:
        """How many of them were dropped, by reason."""
        return {reason: n for reason, counter in self._drops.items() if (n := _value(counter))}


def _value(counter: "itertools.count[int]") -> int:
    """How often `next` was called on COUNTER, which starts at 0."""
    return int(counter.__reduce__()[1][0])
