"""Budgets from the configuration file: one `[[budgets]]` table each."""

from pathlib import Path
from typing import Any

from llmtrace.budgets.budget import FILE_KEYS, Budget, make_budget
from llmtrace.config_file import load_config_file, mistake
from llmtrace.errors import ConfigError

TABLE = "budgets"


def budgets_of(home: Path) -> tuple[Budget, ...]:
    """The budgets in the configuration file of HOME, in its order.

    Raises:
        ConfigFileError: one of them cannot be used, or the file cannot; it names the line.
    """
    tables: Any = load_config_file(home).get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise mistake(home, f"budgets are tables: write [[{TABLE}]]", TABLE)
    return tuple(_read(home, number, table) for number, table in enumerate(tables, 1))


def _read(home: Path, number: int, table: dict[str, Any]) -> Budget:
    unknown = sorted(set(table) - FILE_KEYS)
    if unknown:
        reason = f"a budget has no '{unknown[0]}'; it has {', '.join(sorted(FILE_KEYS))}"
        raise mistake(home, reason, TABLE, number, unknown[0])
    try:
        return make_budget(**table, source="file")
    except ConfigError as err:
        raise mistake(home, str(err), TABLE, number, getattr(err, "key", None)) from None


def budget_problems(home: Path) -> list[str]:
    """Why the budgets in the configuration file of HOME are not checked; empty where they are."""
    try:
        budgets_of(home)
    except ConfigError as err:
        return [f"the budgets of the configuration file are not checked: {err}"]
    return []
