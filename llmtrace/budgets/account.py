"""One budget, or one feature's share of it, and the ledger behind it."""

import time
from pathlib import Path

from llmtrace.budgets.budget import Budget, BudgetState
from llmtrace.budgets.ledger import Figures, Ledger
from llmtrace.budgets.ledger_file import LedgerError
from llmtrace.budgets.windows import Window, window_of
from llmtrace.journal.writer import make_private

RETRY_S = 5.0


class Account:
    """A budget's ledger for one feature, or for all; opened when it is first needed, and again where that failed."""

    def __init__(self, folder: Path, budget: Budget, feature: str | None) -> None:
        """Open nothing yet."""
        self.budget, self.feature = budget, feature
        self._path = folder / budget.ledger_name(feature)
        self._ledger: Ledger | None = None
        self._retry_at = 0.0
        self._window = Window(0, 0)
        self.is_told = False
        self.told_minute = 0

    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            LedgerError: it cannot be used.
        """
        if self._ledger is not None and self._ledger.is_gone:
            self._ledger.disown()
            self._ledger = None
        if self._ledger is None:
            if time.monotonic() < self._retry_at:
                raise LedgerError(f"{self._path} cannot be used")
            try:
                make_private(self._path.parent)
                self._ledger = Ledger(self._path, self.budget.definition(self.feature))
            except OSError as err:
                self._retry_at = time.monotonic() + RETRY_S
                raise err if isinstance(err, LedgerError) else LedgerError(str(err)) from err
        return self._ledger

    def window(self, now_s: float) -> Window:
        """The budget's window that holds NOW_S."""
        window = self._window
        if not window.start_s <= now_s < window.end_s:
            window = self._window = window_of(now_s, self.budget.per, self.budget.zone)
        return window

    def state(self, figures: Figures) -> BudgetState:
        """The state that FIGURES of the ledger describe."""
        return BudgetState.of(self.budget.definition(self.feature), figures)

    def close(self, *, is_forked: bool = False) -> None:
        """Close the ledger; where IS_FORKED, what it holds is the parent's."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.disown() if is_forked else ledger.close()

    @property
    def title(self) -> str:
        """What a message calls it."""
        own = f" of {self.feature or 'calls without a feature'}" if self.budget.is_per_feature else ""
        return self.budget.name + own


class Hold:
    """What one call holds reserved in one ledger."""

    __slots__ = ("account", "nano", "window")

    def __init__(self, account: Account, nano: int, window: Window) -> None:
        """NANO billionths of a dollar, reserved in WINDOW."""
        self.account, self.nano, self.window = account, nano, window
