"""Asked before each call: reserves what it may cost in every budget that covers it, and settles when it has ended."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmtrace.budgets.account import Account, Hold
from llmtrace.budgets.budget import Budget, BudgetState, to_usd
from llmtrace.budgets.estimate import Estimator
from llmtrace.budgets.ledger import Figures
from llmtrace.budgets.ledger_file import LedgerError
from llmtrace.errors import BudgetExceeded, ConfigError
from llmtrace.model import Call, Request

FOLDER = "budgets"
MOST_LEDGERS = 1000
EXCEEDED_BIT = 1 << 62
log = logging.getLogger("llmtrace")


class Permit:
    """A call that may be made, and what it holds. Whoever drops it unsettled leaves that to the next call."""

    __slots__ = ("_gate", "_generation", "_holds")

    def __init__(self, gate: "Gate", holds: list[Hold]) -> None:
        """HOLDS are GATE's, in this process and not in its forked children."""
        self._gate, self._holds, self._generation = gate, holds, gate.generation

    def settle(self, call: Call) -> None:
        """CALL has ended: put what it cost in the place of what it held."""
        self._gate.settle(self._take(), call)

    def release(self) -> None:
        """The call was never made."""
        self._gate.release(self._take())

    def _take(self) -> list[Hold]:
        holds, self._holds = self._holds, []
        return holds if self._generation == self._gate.generation else []

    def __del__(self) -> None:
        """Leave what was neither settled nor released to the next call."""
        if self._holds and self._generation == self._gate.generation:
            self._gate.dropped.append(self._holds)  # perhaps inside the garbage collector: no lock may be taken here


class Gate:
    """All budgets of this process, for one home."""

    def __init__(self, home: Path, budgets: tuple[Budget, ...]) -> None:
        """Read the prices, and open nothing yet."""
        self.budgets = budgets
        self.dropped: deque[list[Hold]] = deque()
        self._folder = home / FOLDER
        self._estimator = Estimator(home)
        self._accounts: dict[tuple[Budget, str | None], Account] = {}
        self._lock = threading.Lock()
        self.generation = 0

    def admit(self, request: Request, body: Mapping[str, Any], feature: str | None) -> "Permit | BudgetExceeded | None":
        """A permit for a call of FEATURE with REQUEST, whose JSON is BODY; None where no budget covers it.

        Where a budget that was told to raise has no room for it, the exception to raise; nothing is held then.
        """
        covering = [b for b in self.budgets if b.covers(feature, request.model, request.provider)]
        if not covering:
            return None
        self._settle_dropped()
        nano = self._estimator.estimate(request, body, feature)
        holds: list[Hold] = []
        for budget in covering:
            outcome = self._ask(self._account(budget, feature), nano, request)
            if isinstance(outcome, BudgetExceeded):
                self.release(holds)
                return outcome
            if outcome is not None:
                holds.append(outcome)
        return Permit(self, holds)

    def settle(self, holds: list[Hold], call: Call) -> None:
        """Put what CALL cost in the place of HOLDS, and warn where a threshold is passed."""
        self._estimator.learn(call)
        cost = self._estimator.cost(call)
        for hold in holds:
            self._put(hold, cost)

    def release(self, holds: list[Hold]) -> None:
        """Let HOLDS go: the call was not made."""
        for hold in holds:
            try:
                hold.account.ledger().release(hold.nano, time.time())
            except LedgerError as err:
                self._tell(hold.account, err)

    def states(self) -> list[BudgetState]:
        """How each budget stands that was asked for so far in this process. One that cannot be read is left out."""
        found = []
        for account in list(self._accounts.values()):
            try:
                found.append(account.state(account.ledger().figures(account.window(time.time()), time.time())))
            except LedgerError as err:
                self._tell(account, err)
        return found

    def close(self) -> None:
        """Give back what this process holds."""
        for account in list(self._accounts.values()):
            account.close()

    def start_over(self) -> None:
        """In a forked child: open ledgers of its own; what the parent holds is the parent's."""
        self._lock = threading.Lock()
        for account in self._accounts.values():
            account.close(is_forked=True)
        self._accounts.clear()
        self.dropped.clear()
        self.generation += 1

    def _account(self, budget: Budget, feature: str | None) -> Account:
        key = (budget, feature if budget.is_per_feature else None)
        found = self._accounts.get(key)
        if found is None:
            with self._lock:
                found = self._accounts.get(key)
                if found is None:
                    if len(self._accounts) >= MOST_LEDGERS:
                        key = (budget, "…")  # who makes up a feature for each call shares what is left
                    found = self._accounts.setdefault(key, Account(self._folder, budget, key[1]))
        return found

    def _ask(self, account: Account, nano: int | None, request: Request) -> "Hold | BudgetExceeded | None":
        """A hold on NANO in ACCOUNT, or the exception to raise; None where the call goes on unchecked."""
        budget, now = account.budget, time.time()
        if nano is None and budget.unknown == "block":
            unknown = _exceeded(account, "unknown", f"the price of {request.model} is not known")
            refusal = self._refuse(account, unknown)
            if refusal is not None:
                return refusal
        window = account.window(now)
        try:
            ledger = account.ledger()
            limit = ledger.reserve(nano or 0, budget.limits, window, now)
            if limit is None:
                return Hold(account, nano or 0, window)
            err = self._describe(account, limit, nano or 0, ledger.figures(window, now))
            refusal = self._refuse(account, err)
            if refusal is not None:
                return refusal
            ledger.force(nano or 0, window, now)
            return Hold(account, nano or 0, window)
        except LedgerError as err:
            self._tell(account, err)
            if budget.on_error == "block":
                return self._refuse(account, _exceeded(account, "error", f"its state cannot be read: {err}"))
            return None

    def _refuse(self, account: Account, err: BudgetExceeded) -> BudgetExceeded | None:
        """ERR where it is to be raised; else whoever is to be told is told, and the call goes on."""
        on_exceed = account.budget.on_exceed
        if on_exceed == "raise":
            return err
        if callable(on_exceed):
            try:
                on_exceed(err)
            except BudgetExceeded as raised:
                return raised
            except Exception:  # the call is not to fail because of who is told
                log.warning("what the budget '%s' calls where it is exceeded failed", err.budget, exc_info=True)
            return None
        if err.limit == "usd":
            self._warn(account, EXCEEDED_BIT, lambda bits: log.warning("%s; calls go on", err))
        elif account.told_minute != (minute := int(time.time()) // 60):
            account.told_minute = minute
            log.warning("%s; calls go on", err)
        return None

    def _describe(self, account: Account, limit: str, nano: int, figures: Figures) -> BudgetExceeded:
        budget, state = account.budget, account.state(figures)
        if limit == "usd":
            text = (
                f"{state.spent_usd:.6f} USD of {budget.usd} a {budget.per} are spent and {state.reserved_usd:.6f} "
                f"reserved; this call may cost {to_usd(nano):.6f}; it begins anew {state.window_end:%Y-%m-%d %H:%M} UTC"
            )
        elif limit == "calls_per_minute":
            text = f"{figures.rate_calls:.0f} calls in the last minute, of {budget.calls_per_minute} that are allowed"
        else:
            text = f"{to_usd(int(figures.rate_nano)):.6f} USD in the last minute, of {budget.usd_per_minute} allowed"
        return _exceeded(account, limit, text, state, nano)

    def _put(self, hold: Hold, cost: int | None) -> None:
        account, now = hold.account, time.time()
        window = account.window(now)
        try:
            spent = account.ledger().settle(hold.nano, cost, window, hold.window, now)
        except LedgerError as err:
            self._tell(account, err)
            return
        limit = account.budget.limits.nano
        if limit and hold.window == window:
            passed = sum(1 << at for at, share in enumerate(account.budget.warn_at) if spent >= limit * share)
            if passed:
                self._warn(account, passed, lambda bits: self._tell_threshold(account, bits))

    def _warn(self, account: Account, bits: int, tell: Callable[[int], None]) -> None:
        """TELL those of BITS that no process has told in this window."""
        try:
            new = account.ledger().mark_warned(bits)
        except LedgerError as err:
            self._tell(account, err)
            return
        if new:
            tell(new)

    def _tell_threshold(self, account: Account, bits: int) -> None:
        share = max(share for at, share in enumerate(account.budget.warn_at) if bits >> at & 1)
        now = time.time()
        state = account.state(account.ledger().figures(account.window(now), now))
        log.warning(
            "the budget '%s' is at %.0f %%: %.6f USD of %s a %s are spent",
            account.title, share * 100, state.spent_usd, account.budget.usd, account.budget.per,
        )  # fmt: skip
        if account.budget.on_warn is not None:
            try:
                account.budget.on_warn(state)
            except Exception:  # it is the application's, and this is the journal's thread
                log.warning(
                    "what is called as the budget '%s' passes a threshold failed", account.budget.name, exc_info=True
                )

    def _settle_dropped(self) -> None:
        """What calls held of which nothing is known but that they began: they may have cost that much."""
        while self.dropped:
            try:
                holds = self.dropped.popleft()
            except IndexError:
                return
            for hold in holds:
                self._put(hold, hold.nano)

    def _tell(self, account: Account, err: LedgerError) -> None:
        """Warn once that a ledger cannot be used."""
        if not account.is_told:
            account.is_told = True
            what = "its calls are refused" if account.budget.on_error == "block" else "its calls are not checked"
            log.warning("the budget '%s' cannot be checked (%s); until it can, %s", account.title, err, what)


def _exceeded(
    account: Account, limit: str, text: str, state: BudgetState | None = None, nano: int | None = None
) -> BudgetExceeded:
    return BudgetExceeded(
        f"the budget '{account.title}' is exceeded: {text}",
        account.budget.name,
        limit,
        account.feature if account.budget.is_per_feature else account.budget.feature,
        account.budget.usd,
        state.spent_usd if state is not None else None,
        state.reserved_usd if state is not None else None,
        to_usd(nano) if nano is not None else None,
        state.window_end if state is not None else _end(account),
    )


def _end(account: Account) -> datetime:
    return datetime.fromtimestamp(account.window(time.time()).end_s, UTC)


def open_gate(home: Path, coded: tuple[Budget, ...], before: Any = None) -> Gate | None:
    """The gate for budgets that are CODED, and for those in the configuration file of HOME; None where there are none.

    A name that is in both is the code's. What the gate BEFORE has opened stays open. A file that cannot be used is
    logged, and has no budgets.
    """
    from llmtrace.budgets.from_file import budgets_of

    try:
        listed = budgets_of(home)
    except ConfigError as err:
        log.warning("the budgets of the configuration file are not checked: %s", err)
        listed = ()
    names = {b.name for b in coded}
    budgets = (*coded, *(b for b in listed if b.name not in names))
    if isinstance(before, Gate):
        before.budgets = budgets
        return before
    return Gate(home, budgets) if budgets else None
