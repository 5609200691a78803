"""How the budgets of a home stand, read from their ledgers without touching them."""

import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmtrace.budgets import ledger_file as file
from llmtrace.budgets.budget import BudgetState
from llmtrace.budgets.from_file import budgets_of
from llmtrace.budgets.ledger import Figures
from llmtrace.budgets.windows import Window, find_zone, window_of
from llmtrace.errors import ConfigError

FOLDER = "budgets"
# Before this share of a window has passed, nothing is foretold.
FORETOLD_AFTER = 0.01


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """One budget: its definition and state, what the store has for the same calls, and where it is going.

    `stored_usd` is None where the store was not asked, `problem` says why the ledger cannot be read.
    """

    definition: Mapping[str, Any]
    state: BudgetState
    stored_usd: Decimal | None = None
    forecast_usd: Decimal | None = None
    problem: str | None = None

    @property
    def is_exceeded(self) -> bool:
        """Whether the limit is reached, by the ledger or by what is stored."""
        spent = max(self.state.spent_usd, self.stored_usd or Decimal(0))
        return self.state.limit_usd is not None and spent >= self.state.limit_usd


def report_budgets(
    home: Path, ask: Callable[[Mapping[str, Any], Window], Decimal | None], now_s: float | None = None
) -> tuple[list[BudgetReport], list[str]]:
    """The budgets of HOME, by name, and what is wrong with those that cannot be read.

    ASK gives what the store has for the calls that a definition covers in a window; None where it cannot say.
    """
    now = time.time() if now_s is None else now_s
    problems: list[str] = []
    found: dict[str, Mapping[str, Any]] = {}
    figures: dict[str, Figures] = {}
    for path in sorted((home / FOLDER).glob("*" + file.SUFFIX)):
        try:
            definition = file.read_definition(path)
            figures[path.name] = _figures(path, definition, now)
            found[path.name] = definition
        except (OSError, ConfigError, KeyError) as err:
            problems.append(str(err))
    try:
        for budget in budgets_of(home):
            if not budget.is_per_feature:
                found.setdefault(budget.ledger_name(None), budget.definition(None))
    except ConfigError as err:
        problems.append(str(err))
    reports = [_report(found[name], figures.get(name), ask, now) for name in found]
    return sorted(reports, key=lambda r: (r.state.name, r.state.feature or "")), problems


def _report(
    definition: Mapping[str, Any],
    figures: Figures | None,
    ask: Callable[[Mapping[str, Any], Window], Decimal | None],
    now: float,
) -> BudgetReport:
    window = window_of(now, definition["per"], find_zone(definition["timezone"]))
    state = BudgetState.of(definition, figures or Figures(window))
    stored = ask(definition, window)
    spent = max(state.spent_usd, stored or Decimal(0))
    return BudgetReport(definition, state, stored, _forecast(spent, window, now))


def _forecast(spent: Decimal, window: Window, now: float) -> Decimal | None:
    """What the window will have cost at its end if it goes on as it began."""
    passed = (now - window.start_s) / (window.end_s - window.start_s)
    return None if passed < FORETOLD_AFTER else (spent / Decimal(passed)).quantize(Decimal("0.000001"))


def _figures(path: Path, definition: Mapping[str, Any], now: float) -> Figures:
    """What the ledger at PATH says of the window that holds NOW."""
    data = path.read_bytes()
    words = struct.unpack(f"<{file.FILE_BYTES // 8}q", data)
    window = window_of(now, definition["per"], find_zone(definition["timezone"]))
    used = words[file.AT_USED_SLOTS]
    reserved = sum(words[file.AT_RESERVED : file.AT_RESERVED + used])
    if words[file.AT_WINDOW] != window.start_s:
        return Figures(window, reserved_nano=reserved)
    return Figures(
        window,
        words[file.AT_SPENT],
        reserved,
        words[file.AT_CALLS],
        words[file.AT_UNPRICED],
        max(0, words[file.AT_REFUSED]),
    )
