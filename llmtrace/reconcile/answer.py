"""What a comparison says: as JSON has it, and the causes over all rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from llmtrace.reconcile.figures import add
from llmtrace.reconcile.rows import ZERO, Comparison, Row, Total


@dataclass(frozen=True, slots=True)
class Group:
    """One cause, the rows that it was found for, and the dollars by which they differ together."""

    name: str
    rows: tuple[Row, ...]
    drift_usd: Decimal | None

    @property
    def evidence(self) -> str:
        """The evidence of the row that differs most."""
        return next(cause.evidence for cause in self.rows[0].causes if cause.name == self.name)


def group_causes(rows: Iterable[Row]) -> list[Group]:
    """The causes of ROWS, those of the most dollars first; a row with several causes is in each group."""
    found: dict[str, list[Row]] = {}
    for row in by_drift(rows):
        for name in dict.fromkeys(cause.name for cause in row.causes):
            found.setdefault(name, []).append(row)
    groups = []
    for name, members in found.items():
        drift: Decimal | None = None
        for row in members:
            drift = add(drift, row.cost_difference)
        groups.append(Group(name, tuple(members), drift))
    return sorted(groups, key=lambda group: (-abs(group.drift_usd or ZERO), -len(group.rows)))


def by_drift(rows: Iterable[Row]) -> list[Row]:
    """ROWS, those that differ by the most dollars first, and by the most tokens where dollars are not told."""
    return sorted(rows, key=lambda r: (-abs(r.cost_difference or ZERO), -abs(r.quantity_difference or ZERO)))


def to_answer(found: Comparison, provider: str, first: date, end: date) -> dict[str, Any]:
    """FOUND as `reconcile --json` prints it."""
    return {
        "provider": provider,
        "since": first,
        "until": end,
        "tolerance": found.tolerance,
        "agrees": not found.is_off,
        "total": _total(found.total),
        "causes": [
            {"name": group.name, "rows": len(group.rows), "drift_usd": group.drift_usd}
            for group in group_causes(found.rows)
        ],
        "rows": [_row(row) for row in found.rows],
    }


def _total(total: Total) -> dict[str, Any]:
    return {
        "tracked_usd": total.tracked_usd,
        "billed_usd": total.billed_usd,
        "drift_usd": total.drift_usd,
        "uncompared_usd": total.uncompared_usd,
        "tracked_tokens": total.tracked_tokens,
        "billed_tokens": total.billed_tokens,
        "coverage": _share(total.coverage),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "day": row.day,
        "model": row.model,
        "token_class": row.token_class,
        "tracked_quantity": row.tracked.quantity,
        "billed_quantity": row.billed.quantity,
        "quantity_drift": row.quantity_difference,
        "tracked_usd": row.tracked.cost_usd,
        "billed_usd": row.billed.cost_usd,
        "drift_usd": row.cost_difference,
        "coverage": _share(row.coverage),
        "is_off": row.is_off,
        "causes": [{"name": cause.name, "evidence": cause.evidence} for cause in row.causes],
        "scopes": _named(row.billed.scopes),
        "keys": _named(row.billed.keys),
    }


def _named(quantities: dict[str, Decimal]) -> dict[str, Decimal]:
    """The quantities of those that the bill names."""
    return {name: quantity for name, quantity in quantities.items() if name}


def _share(share: Decimal | None) -> Decimal | None:
    return None if share is None else round(share, 6)
