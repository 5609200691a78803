"""What a pipeline counts (how many calls ended, how many of them were dropped and why), and what it waits for."""

import itertools
import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from llmtrace.journal.tally import Tally

_T = TypeVar("_T")
REASONS = ("queue_full", "invalid_span", "after_shutdown", "results_full")


class Figures:
    """Counters that are exact under any interleaving, a garbage collection in the middle of one included."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._ended = itertools.count()
        self.tally: Tally | None = None  # what can be read from outside at any moment, once there is one
        self._drops: dict[str, itertools.count[int]] = {reason: itertools.count() for reason in REASONS}

    def end(self, number: int = 1) -> None:
        """NUMBER more have ended."""
        for _ in range(number):
            n = next(self._ended)
            if self.tally is not None:
                self.tally.mark(n)

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


class Flush:
    """A mark in the queue: set once all that was put before it is on disk."""

    def __init__(self) -> None:
        """Not yet."""
        self.done = threading.Event()
        self.succeeded = False


def meet_gevent(waiting: "queue.SimpleQueue[_T]") -> "queue.SimpleQueue[_T]":
    """What is WAITING, in a queue of the kind that there is now: where gevent has put its own in the place of Python's,
    a thread is one of its own too, and must wait for nothing else.
    """
    now: queue.SimpleQueue[_T] = queue.SimpleQueue()
    while not waiting.empty():
        now.put(waiting.get_nowait())
    return now
