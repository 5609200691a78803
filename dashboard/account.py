"""What became of every span, and how old the prices are, in words and rows: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmtrace.model import Price

REASONS = {
    "queue_full": "the disk did not take them and the queue in memory was full",
    "invalid_span": "they had no usable ids or times",
    "after_shutdown": "they ended after the process had shut llmtrace down",
    "journal_full": "the journal was over its bound before they were read",
    "expired": "they were older than the journal keeps, before this store first read it",
    "damaged_record": "their record in the journal was damaged",
    "process_died": "the process died before it wrote them",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the account: how many spans, and what became of them."""

    name: str
    spans: int
    meaning: str


def lines_of(health: Mapping[str, Any]) -> list[Line]:
    """The account in HEALTH: ended first, then the parts that it is the sum of."""
    dropped: Mapping[str, int] = health["dropped"]
    return [
        Line("Ended", health["ended"], "counted where they ended, apart from the others"),
        Line("Stored", health["stored"], "in the database"),
        Line("Pending", health["pending"], "in the journal or in memory, to be stored soon"),
        *(
            Line(f"Dropped: {reason.replace('_', ' ')}", count, REASONS.get(reason, ""))
            for reason, count in sorted(dropped.items(), key=lambda pair: -pair[1])
        ),
    ]


def missing(health: Mapping[str, Any]) -> int:
    """How many spans of the account in HEALTH are not accounted for; less than none where too many are."""
    return int(health["ended"] - health["stored"] - health["pending"] - sum(health["dropped"].values()))


def prices_of(prices: Sequence[Price], now: datetime) -> list[dict[str, Any]]:
    """PRICES by provider at NOW, which knows its time zone: of how many models, how many hold, when they were checked.

    `promotions` are prices whose promised end has passed; calls by them are marked as priced by an expired price.
    """
    return [
        _provider(name, [price for price in prices if price.provider == name], now)
        for name in sorted({price.provider for price in prices})
    ]


def _provider(name: str, prices: Sequence[Price], now: datetime) -> dict[str, Any]:
    current = [p for p in prices if p.valid_from <= now and (p.valid_to is None or now < p.valid_to)]
    return {
        "provider": name,
        "models": len({p.model for p in prices}),
        "current": len(current),
        "ended": sum(p.valid_to is not None and p.valid_to <= now for p in prices),
        "promotions": sum(p.guaranteed_until is not None and p.guaranteed_until < now for p in current),
        "verified_at": max(p.verified_at for p in prices),
    }


def size(value: int | None) -> str:
    """VALUE bytes, in the unit that suits them."""
    if value is None:
        return "–"
    number, unit = float(value), "bytes"
    for following in ("kB", "MB", "GB"):
        if number < 1000:
            break
        number, unit = number / 1000, following
    return f"{value:,} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"
