"""What to write into the configuration file to name the feature of untagged calls."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_PLACEHOLDER = re.compile(r"[{<(\[][^}>)\]]*[}>)\]]")
# Words of a place that say nothing about what it is for.
_EMPTY = frozenset({"api", "app", "main", "py", "python", "tasks", "test", "tests", "v1", "v2", "v3"})


def suggest_rules(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rules for ROWS of the question `untagged`, as text for the file; the features are guesses to be replaced."""
    rules = []
    for row in rows:
        if row["kind"] is not None and not set("*?") & set(row["origin"]):
            feature = json.dumps(guess_feature(row["kind"], row["origin"]))
            rules.append(f"[[rules]]\n{row['kind']} = {json.dumps(row['origin'])}\nfeature = {feature}\n")
    return "\n".join(rules)


def guess_feature(kind: str, origin: str) -> str:
    """A name for what is done at ORIGIN: the first word of a route that says something, the last of anything else."""
    found: list[str] = _WORD.findall(_PLACEHOLDER.sub("", origin))
    words = [word for word in found if word.lower() not in _EMPTY]
    if not words:
        return kind
    return words[0] if kind == "route" else words[-1]


def largest_origin(rows: Iterable[Mapping[str, Any]], untagged_calls: int, untagged_usd: Any) -> str | None:
    """Which share of what is untagged comes from its largest known origin, in words; None where none is known."""
    row = next((r for r in rows if r["kind"] is not None), None)
    if row is None or not untagged_calls:
        return None
    if untagged_usd and row["cost_usd"] is not None:
        return f"{row['cost_usd'] / untagged_usd:.0%} of the untagged cost comes from {row['kind']} {row['origin']}"
    return f"{row['calls'] / untagged_calls:.0%} of the untagged calls come from {row['kind']} {row['origin']}"
