"""The figures at the top of the overview: what they are, how they changed, and their trend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import format as fmt

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A figure with its change (a fraction, or for `is_points` a difference of shares), what it was, and its trend.

    `words` are for more and for less; `is_bad_up` is None where neither is good or bad.
    """

    label: str
    value: str
    change: float | None
    was: str
    words: tuple[str, str]
    is_bad_up: bool | None
    trend: Sequence[float]
    help: str
    is_points: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether it changed by too little to speak of."""
        return self.change is not None and abs(self.change) < (0.0005 if self.is_points else fmt.FLAT)

    @property
    def delta(self) -> str | None:
        """The change in figures and words; None where it is not known."""
        if self.change is None:
            return None
        if self.is_flat:
            return "no change"
        word = self.words[0] if self.change > 0 else self.words[1]
        if self.is_points:
            return f"{'+' if self.change > 0 else fmt.MINUS}{abs(self.change) * 100:.1f} points {word}"
        return f"{fmt.signed_percent(self.change)} {word}"


def overview_cards(now: Row, before: Row | None, by_time: Sequence[Row], slow: Sequence[Row]) -> list[Card]:
    """The cards for the totals NOW and BEFORE; BY_TIME and SLOW are the rows of `series` and `latency_series`."""
    spend = _card(
        "Spend", now, before, lambda r: r["cost_usd"], fmt.known_cost, ("more", "less"), True,
        [float(r["cost_usd"] or 0) for r in by_time],
        "What the calls cost by the price list: an estimate, not an invoice. ≥ where calls have no price.",
    )  # fmt: skip
    calls = _card(
        "Calls", now, before, lambda r: r["calls"], lambda r: fmt.count(r["calls"]), ("more", "fewer"), None,
        [r["calls"] for r in by_time], "Calls to providers, failed ones included.",
    )  # fmt: skip
    per_thousand = _card(
        "$ per 1k calls", now, before, fmt.per_thousand, fmt.known_per_thousand, ("more", "less"), True,
        [float(fmt.per_thousand(r) or 0) for r in by_time], "Dollars per thousand calls, failed ones included.",
    )  # fmt: skip
    p95 = _card(
        "p95 latency", now, before, lambda r: r["latency_p95_s"], lambda r: fmt.seconds(r["latency_p95_s"]),
        ("slower", "faster"), True, [r["latency_p95_s"] for r in slow if r["latency_p95_s"] is not None],
        "95 of 100 calls took no longer than this, from the request to the last token.",
    )  # fmt: skip
    return [spend, calls, per_thousand, p95, _error_card(now, before, by_time)]


def _card(
    label: str, now: Row, before: Row | None, value: Callable[[Row], Any], text: Callable[[Row], str],
    words: tuple[str, str], is_bad_up: bool | None, trend: Sequence[float], about: str,
) -> Card:  # fmt: skip
    difference = fmt.change(value(now), value(before)) if before else None
    was = f"was {text(before)}" if before else ""
    return Card(label, text(now), difference, was, words, is_bad_up, trend, about)


def _error_card(now: Row, before: Row | None, by_time: Sequence[Row]) -> Card:
    rate = _error_rate(now)
    rate_before = _error_rate(before) if before else None
    difference = rate - rate_before if rate is not None and rate_before is not None else None
    was = f"was {fmt.percent(rate_before)}" if before else ""
    about = f"{now['errors'] or 0:,} of {now['calls']:,} calls failed, after all retries."
    trend = [_error_rate(r) or 0.0 for r in by_time]
    return Card("Error rate", fmt.percent(rate), difference, was, ("higher", "lower"), True, trend, about, True)


def _error_rate(row: Row) -> float | None:
    return fmt.share(row["errors"] or 0, row["calls"])
