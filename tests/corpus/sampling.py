"""Which of the recorded rows are replayed by default: for each shape of an answer the first that has it."""

from typing import Any

import pytest
from replaying import Row

PARTS = ["sample", pytest.param("all", marks=pytest.mark.soak)]


def choose(part: str, rows: list[Row]) -> list[Row]:
    """All of ROWS, or where PART is `sample` one of each provider, operation, status, and shape of usage.

    What fetches what others made comes with what it is about, and is therefore kept as a whole.
    """
    if part == "all":
        return rows
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault((row.provider, row.operation, row.streaming, row.status, _shape(row.usage)), row)
    kept = {row.id for row in found.values()}
    return [row for row in rows if row.id in kept]


def _shape(usage: Any) -> tuple[Any, ...]:
    """The names in USAGE that say something, and those inside."""
    if not isinstance(usage, dict):
        return ()
    return tuple(sorted((key, _shape(value)) for key, value in usage.items() if value))
