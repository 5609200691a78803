"""Budgets from the configuration file: one `[[budgets]]` table each."""

from pathlib import Path
from typing import Any

from llmtrace.budgets.budget import FILE_KEYS, Budget, make_budget
from llmtrace.config_file import ConfigFile, load_config_file
from llmtrace.errors import ConfigError

TABLE = "budgets"


def budgets_of(home: Path) -> tuple[Budget, ...]:
    """The budgets in the configuration file of HOME, in its order.

    Raises:
        ConfigFileError: one of them cannot be used, or the file cannot; it names the line.
    """
    file = load_config_file(home)
    tables: Any = file.tables.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise file.mistake((TABLE,), f"budgets are tables: write [[{TABLE}]]")
    return tuple(_read(file, i, table) for i, table in enumerate(tables))


def _read(file: ConfigFile, i: int, table: dict[str, Any]) -> Budget:
    unknown = sorted(set(table) - FILE_KEYS)
    if unknown:
        reason = f"a budget has no '{unknown[0]}'; it has {', '.join(sorted(FILE_KEYS))}"
        raise file.mistake((TABLE, i, unknown[0]), reason)
    try:
        return make_budget(**table, source="file")
    except ConfigError as err:
        key = getattr(err, "key", None)
        raise file.mistake((TABLE, i) if key is None else (TABLE, i, key), str(err)) from None


def budget_problems(home: Path) -> list[str]:
    """Why the budgets in the configuration file of HOME are not checked; empty where they are."""
    try:
        budgets_of(home)
    except ConfigError as err:
        return [f"the budgets of the configuration file are not checked: {err}"]
    return []
