"""What a budget has spent and holds reserved, in one small file that all processes of a host share.

Each process has a slot with the sum of its own reservations, so that what a dead one held can be told apart, and let go
after a time. Money is counted in billionths of a dollar, rounded up.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmtrace.budgets.ledger_file import (
    AT_BEFORE,
    AT_CALLS,
    AT_LAST_CALLS,
    AT_LAST_NANO,
    AT_MINUTE,
    AT_MINUTE_CALLS,
    AT_MINUTE_NANO,
    AT_PID,
    AT_REFUSED,
    AT_RESERVED,
    AT_SPENT,
    AT_UNCHECKED,
    AT_UNPRICED,
    AT_UPDATED,
    AT_USED_SLOTS,
    AT_WARNED,
    AT_WINDOW,
    AT_WINDOW_END,
    SLOTS,
    LedgerError,
    LedgerFile,
)
from llmtrace.budgets.windows import Window

MINUTE_S = 60
# What a dead process had reserved is let go this long after its last call began or ended.
STALE_S = 600


@dataclass(frozen=True, slots=True)
class Limits:
    """What may not be exceeded; None where there is no such limit."""

    nano: int | None = None
    calls_per_minute: int | None = None
    nano_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of one ledger; `rate_*` are of the last minute, about."""

    window: Window
    spent_nano: int = 0
    reserved_nano: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    refused_calls: int = 0
    unchecked_calls: int = 0
    rate_calls: float = 0.0
    rate_nano: float = 0.0


class Ledger:
    """One file. Usable from any thread; a forked child opens its own."""

    def __init__(self, path: Path, definition: Mapping[str, Any]) -> None:
        """Open or create the file at PATH, which tells DEFINITION to whoever reads it.

        Raises:
            LedgerError: it cannot be read or written, or is damaged.
        """
        self._file = LedgerFile(path, definition)
        self._words = self._file.words
        self._slot = -1

    @property
    def is_gone(self) -> bool:
        """Whether the file was found deleted."""
        return self._file.is_gone

    def reserve(self, nano: int, limits: Limits, window: Window, now_s: float) -> str | None:
        """Reserve NANO, and None; or, where that would exceed LIMITS, the name of the one exceeded.

        Raises:
            LedgerError: the ledger is not to be had in time.
        """
        with self._file:
            self._roll(window, now_s)
            exceeded = self._exceeded(nano, limits, now_s)
            if exceeded is None:
                self._hold(nano, now_s)
            else:
                self._words[AT_REFUSED] += 1
            return exceeded

    def force(self, nano: int, window: Window, now_s: float) -> None:
        """Reserve NANO whatever the limits. Raises LedgerError."""
        with self._file:
            self._roll(window, now_s)
            self._words[AT_REFUSED] -= 1  # it was, and goes on all the same
            self._hold(nano, now_s)

    def settle(self, reserved: int, cost_nano: int | None, window: Window, of: Window, now_s: float) -> int:
        """Put COST_NANO (None: unknown) in the place of what was RESERVED in the window OF; what WINDOW has spent.

        A call that ends in a later window than it began in is counted to the earlier one, which is over.

        Raises:
            LedgerError: the ledger is not to be had in time.
        """
        with self._file:
            self._roll(window, now_s)
            words = self._words
            if of.start_s == words[AT_WINDOW]:
                # The money first: who dies between the two has a call counted twice for a while, and never not at all.
                words[AT_SPENT] += cost_nano or 0
                words[AT_UNPRICED] += cost_nano is None
            words[AT_MINUTE_NANO] += cost_nano or 0
            self._release(reserved, now_s)
            return words[AT_SPENT]

    def release(self, reserved: int, now_s: float) -> None:
        """Let what was RESERVED go: the call was never made. Raises LedgerError."""
        with self._file:
            self._release(reserved, now_s)
            self._words[AT_CALLS] = max(0, self._words[AT_CALLS] - 1)

    def mark_warned(self, bits: int) -> int:
        """Those of BITS that nobody has warned of in this window; they are marked now. Raises LedgerError."""
        with self._file:
            new = bits & ~self._words[AT_WARNED]
            self._words[AT_WARNED] |= new
            return new

    def figures(self, window: Window, now_s: float) -> Figures:
        """The state now. Raises LedgerError."""
        with self._file:
            self._roll(window, now_s)
            words = self._words
            self._let_go(now_s)
            calls, nano = self._rates(now_s)
            return Figures(
                window, words[AT_SPENT], self._reserved_by_all(), words[AT_CALLS], words[AT_UNPRICED],
                max(0, words[AT_REFUSED]), words[AT_UNCHECKED], calls, nano,
            )  # fmt: skip

    def close(self) -> None:
        """Give the slot and what it holds back, and close the file."""
        if self._slot >= 0:
            try:
                with self._file:
                    self._words[AT_RESERVED + self._slot] = self._words[AT_PID + self._slot] = 0
            except OSError:
                pass  # it is let go after a time
        self.disown()

    def disown(self) -> None:
        """Close the file and leave the slot: in a forked child it is the parent's."""
        self._file.close()

    # Under the lock

    def _roll(self, window: Window, now_s: float) -> None:
        """Begin WINDOW, and a new minute, where it is time to. A clock that goes back begins nothing."""
        words = self._words
        if window.start_s > words[AT_WINDOW]:
            words[AT_BEFORE] = words[AT_SPENT] if words[AT_WINDOW_END] == window.start_s else 0
            words[AT_SPENT] = words[AT_CALLS] = words[AT_UNPRICED] = words[AT_WARNED] = 0
            words[AT_REFUSED] = words[AT_UNCHECKED] = 0
            words[AT_WINDOW], words[AT_WINDOW_END] = window.start_s, window.end_s
        minute = int(now_s) // MINUTE_S
        if minute > words[AT_MINUTE]:
            is_next = minute == words[AT_MINUTE] + 1
            words[AT_LAST_CALLS] = words[AT_MINUTE_CALLS] if is_next else 0
            words[AT_LAST_NANO] = words[AT_MINUTE_NANO] if is_next else 0
            words[AT_MINUTE_CALLS] = words[AT_MINUTE_NANO] = 0
            words[AT_MINUTE] = minute

    def _rates(self, now_s: float) -> tuple[float, float]:
        """Calls and money of the last sixty seconds: this minute's, and of the one before the share that is left."""
        words = self._words
        left = 1 - (now_s % MINUTE_S) / MINUTE_S
        return (
            words[AT_MINUTE_CALLS] + words[AT_LAST_CALLS] * left,
            words[AT_MINUTE_NANO] + words[AT_LAST_NANO] * left,
        )

    def _exceeded(self, nano: int, limits: Limits, now_s: float) -> str | None:
        words = self._words
        reserved = self._reserved_by_all()
        if limits.nano is not None and words[AT_SPENT] + reserved + nano > limits.nano:
            reserved -= self._let_go(now_s)
            if words[AT_SPENT] + reserved + nano > limits.nano:
                return "usd"
        if limits.calls_per_minute is None and limits.nano_per_minute is None:
            return None
        calls, spent = self._rates(now_s)
        if limits.calls_per_minute is not None and calls + 1 > limits.calls_per_minute:
            return "calls_per_minute"
        if limits.nano_per_minute is not None and spent + reserved + nano > limits.nano_per_minute:
            return "usd_per_minute"
        return None

    def _reserved_by_all(self) -> int:
        return sum(self._words[AT_RESERVED : AT_RESERVED + self._words[AT_USED_SLOTS]])

    def _hold(self, nano: int, now_s: float) -> None:
        words = self._words
        if self._slot < 0 or words[AT_PID + self._slot] != os.getpid():
            self._slot = self._find_slot(now_s)
        words[AT_RESERVED + self._slot] += nano
        words[AT_UPDATED + self._slot] = int(now_s)
        words[AT_CALLS] += 1
        words[AT_MINUTE_CALLS] += 1

    def _release(self, reserved: int, now_s: float) -> None:
        words = self._words
        if self._slot >= 0 and words[AT_PID + self._slot] == os.getpid():
            words[AT_RESERVED + self._slot] = max(0, words[AT_RESERVED + self._slot] - reserved)
            words[AT_UPDATED + self._slot] = int(now_s)

    def _find_slot(self, now_s: float) -> int:
        words = self._words
        self._let_go(now_s)
        for slot in range(SLOTS):
            if words[AT_PID + slot] == 0:
                words[AT_RESERVED + slot] = 0
                words[AT_PID + slot] = os.getpid()
                words[AT_USED_SLOTS] = max(words[AT_USED_SLOTS], slot + 1)
                return slot
        raise LedgerError(f"{self._file.path} is used by {SLOTS} processes already")

    def _let_go(self, now_s: float) -> int:
        """Free the slots of processes that are dead and have been silent for a time; how much they had reserved."""
        words, freed = self._words, 0
        for slot in range(words[AT_USED_SLOTS]):
            pid = words[AT_PID + slot]
            if pid and pid != os.getpid() and now_s - words[AT_UPDATED + slot] > STALE_S and not _is_alive(pid):
                freed += words[AT_RESERVED + slot]
                words[AT_RESERVED + slot] = words[AT_PID + slot] = 0
        return freed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
