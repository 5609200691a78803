"""The groups that calls fall into (features, models, ...): their order, names and colours, and rows by group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import theme
from .format import group_name
from .metrics import Metric


@dataclass(frozen=True, slots=True)
class Group:
    """A group by its `key`: None for calls that have none, and for all the smaller groups together (`is_other`)."""

    key: str | None
    is_other: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return group_name(self.key, is_other=self.is_other)


OTHERS = Group(None, is_other=True)


def group_of(row: Mapping[str, Any]) -> Group:
    """The group of ROW."""
    return Group(row["key"], bool(row.get("is_other", False)))


def ordered(rows: Iterable[Mapping[str, Any]], metric: Metric) -> list[Group]:
    """The groups of ROWS, largest by METRIC's rank first; then calls without a group, and the others."""
    sizes: dict[Group, float] = {}
    for row in rows:
        group = group_of(row)
        sizes[group] = sizes.get(group, 0.0) + float(row[metric.rank] or 0)
    return sorted(sizes, key=lambda g: (g.is_other, g.key is None, -sizes[g], g.key or ""))


def coloured(groups: Sequence[Group], known: Sequence[str]) -> dict[Group, str]:
    """A colour for each of GROUPS; KNOWN are all names of their kind, in a stable order."""
    named = [g.key for g in groups if g.key is not None]
    colours = theme.colours_of(named, known)
    return {g: _colour(g, colours) for g in groups}


def _colour(group: Group, colours: Mapping[str, str]) -> str:
    if group.is_other:
        return theme.OTHER_COLOUR
    return theme.UNTAGGED_COLOUR if group.key is None else colours[group.key]
