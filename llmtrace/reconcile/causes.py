"""What a difference is likely to come from: rules over the figures of both sides, each with its evidence.

The first of `WHOLE` that applies explains a row by itself; only where none does are the `PARTS` asked, all of them.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from llmtrace.reconcile.compare import days_of
from llmtrace.reconcile.figures import BATCH, FEES, INPUT_CLASSES
from llmtrace.reconcile.rows import ZERO, Cause, Comparison, Count, Row, is_close

FINAL_AFTER = timedelta(hours=48)
FURTHEST_ZONE_H = 14
PER_MTOK = Decimal(1_000_000)

Rule = Callable[[Row, Comparison], Cause | None]


def find_causes(found: Comparison) -> None:
    """Give every row of FOUND that is past the tolerance the causes that its figures speak for."""
    for row in found.rows:
        if row.is_off:
            whole = next((cause for rule in WHOLE if (cause := rule(row, found)) is not None), None)
            parts = (rule(row, found) for rule in PARTS) if whole is None else (whole,)
            row.causes = tuple(c for c in parts if c is not None) or (UNEXPLAINED,)


def _beside_tokens(row: Row, found: Comparison) -> Cause | None:
    """Storage, sessions and the like are on the bill without a model, and in no response's usage."""
    if row.model is not None or row.tracked.quantity or row.token_class in FEES:
        return None
    if any(r.model is not None and row.token_class.startswith(r.model) for r in found.rows):
        return Cause("unexplained", f"the line item {row.token_class!r} is not understood; is there a newer llmtrace?")
    return Cause("beside_tokens", f"{row.token_class} is billed beside the tokens of calls: no response tells of it")


def _time_zone(row: Row, found: Comparison) -> Cause | None:
    """The same hours, cut into days elsewhere; or what began before midnight and was billed after it."""
    rows = found.series[row.series]
    if row.has_equal_quantities or len(rows) < 2 or any(r.billed.quantity is None for r in rows):
        return None
    # Two days that differ by as much are hours that moved; a zone moves them on every day.
    moved = _midnight(row, found)
    if moved is not None and sum(r.is_off for r in rows) == 2:
        return moved
    if row.series not in found.zones:
        found.zones[row.series] = _zones(rows, found)
    zones = found.zones[row.series]
    return Cause("time_zone", f"every day agrees if its days are those of {zones}") if zones else moved


def _zones(rows: Sequence[Row], found: Comparison) -> str | None:
    """In whose days all ROWS of a model and class agree."""
    hours, fits = found.hours.get(rows[0].series, {}), []
    for offset_h in range(-FURTHEST_ZONE_H, FURTHEST_ZONE_H + 1):
        days = days_of(hours, offset_h)
        if all(is_close(r.billed.quantity or ZERO, days.get(r.day, ZERO), found.tolerance) for r in rows):
            fits.append(f"UTC{offset_h:+d}")
    return f"one of {fits[0]} to {fits[-1]}" if len(fits) > 1 else fits[0] if fits else None


def _midnight(row: Row, found: Comparison) -> Cause | None:
    for other_day in (row.day - timedelta(days=1), row.day + timedelta(days=1)):
        other = found.by_key.get((other_day, row.model, row.token_class))
        mine = row.quantity_difference
        theirs = other.quantity_difference if other is not None else None
        if other is None or not mine or not theirs or (mine > 0) == (theirs > 0):
            continue
        if is_close(-mine, theirs, found.tolerance):
            text = f"{_amount(mine)} here and {_amount(theirs)} on {other_day}: together the days agree"
            return Cause("time_zone", text)
    return None


def _cache(row: Row, found: Comparison) -> Cause | None:
    """As much input in all, but another part of it read from, or written to, a cache."""
    if row.token_class not in INPUT_CLASSES or row.has_equal_quantities:
        return None
    rows = [r for c in INPUT_CLASSES if (r := found.by_key.get((row.day, row.model, c))) is not None]
    if any(r.billed.quantity is None for r in rows):
        return None
    tracked = sum((r.tracked.quantity or ZERO for r in rows), ZERO)
    billed = sum((r.billed.quantity or ZERO for r in rows), ZERO)
    if len(rows) < 2 or not is_close(tracked, billed, found.tolerance):
        return None
    parts = ", ".join(f"{r.token_class} {_amount(r.quantity_difference or ZERO)}" for r in rows)
    return Cause("cache", f"the input is {_number(billed)} tokens on both sides, divided otherwise: {parts}")


def _tier(row: Row, found: Comparison) -> Cause | None:
    """As many tokens in all, but served by another tier."""
    if not row.has_equal_quantities:
        return None
    names = {*row.tracked.tiers, *row.billed.tiers}
    moved = {n: row.billed.tiers.get(n, ZERO) - row.tracked.tiers.get(n, ZERO) for n in sorted(names)}
    limit = found.tolerance * (row.billed.quantity or ZERO)
    moved = {name: n for name, n in moved.items() if abs(n) > limit}
    if not moved:
        return None
    parts = ", ".join(f"{name} {_amount(n)}" for name, n in moved.items())
    return Cause("batch" if "batch" in moved else "service_tier", f"as many tokens, of other tiers: {parts}")


def _price(row: Row, found: Comparison) -> Cause | None:
    """As many tokens for other money."""
    return _other_rate(row, found) if row.has_equal_quantities else None


def _price_too(row: Row, found: Comparison) -> Cause | None:
    """Other tokens, and each of them for other money."""
    return None if row.has_equal_quantities else _other_rate(row, found)


def _other_rate(row: Row, found: Comparison) -> Cause | None:
    rates = _other_rates(row)
    if rates is None:
        return None
    here, there = rates
    text = f"billed at {_dollars(there)} a million tokens, tracked at {_dollars(here)}"
    changed = _changed_on(row, found)
    if changed is not None:
        return Cause("price_change", f"{text}, since {changed}; before, both sides agree")
    return Cause("price", f"{text}, on every day compared: a price of your own, or a wrong one here")


def _other_rates(row: Row) -> tuple[Decimal, Decimal] | None:
    """US dollars for a million here and on the bill, where both are known for the same tiers and are not the same."""
    ours, theirs = row.tracked, row.billed
    if not (ours.quantity and theirs.quantity) or ours.cost_usd is None or theirs.cost_usd is None:
        return None
    if ours.unpriced_calls or set(ours.tiers) != set(theirs.tiers):
        return None
    here, there = ours.cost_usd / ours.quantity, theirs.cost_usd / theirs.quantity
    if is_close(here, there, row.tolerance) or abs(there - here) * theirs.quantity <= row.rounding_usd:
        return None
    return here * PER_MTOK, there * PER_MTOK


def _changed_on(row: Row, found: Comparison) -> date | None:
    """The first of the days up to ROW's that have another price without a break, where a day before them has ours."""
    first = row.day
    same = [r for r in found.series[row.series] if r.day < row.day and r.billed.quantity]
    for before in sorted(same, key=lambda r: r.day, reverse=True):
        if _other_rates(before) is None:
            return first
        first = before.day
    return None


def _unpriced(row: Row, found: Comparison) -> Cause | None:
    """Counted, but without a price here."""
    if row.tracked.unpriced_calls and row.billed.cost_usd:
        name = row.model or "MODEL"
        return Cause(
            "unpriced", f"{row.tracked.unpriced_calls:,} calls have no price here: llmtrace prices show {name}"
        )
    return None


def _uncounted(row: Row, found: Comparison) -> Cause | None:
    """Calls of the day whose usage never arrived."""
    calls = _counts(row, found).uncounted
    if calls and (row.quantity_difference is None or row.quantity_difference > 0):
        return Cause("missing_usage", f"{calls:,} tracked calls of that day and model came without usage")
    return None


def _estimated(row: Row, found: Comparison) -> Cause | None:
    """Calls whose tokens were counted here."""
    counts = _counts(row, found)
    if counts.estimated and not row.has_equal_quantities:
        text = f"{counts.estimated:,} of {counts.calls:,} tracked calls have estimated or incomplete tokens"
        return Cause("estimated_usage", text)
    return None


def _batch(row: Row, found: Comparison) -> Cause | None:
    """Batches run without a call that could be tracked."""
    batched = _batched(row)
    if batched > 0 and (row.quantity_difference or ZERO) > 0:
        text = f"{_number(batched)} tokens more were billed as batches, whose calls an app does not make"
        return Cause("batch", text)
    return None


def _batched(row: Row) -> Decimal:
    """How many tokens more are billed than tracked as batches."""
    return max(row.billed.tiers.get(BATCH, ZERO) - row.tracked.tiers.get(BATCH, ZERO), ZERO)


def _outside(row: Row, found: Comparison) -> Cause | None:
    """Calls that llmtrace did not see, beside batches and what calls without a usage of their own may have used."""
    if row.quantity_difference is None:
        return None
    more, billed = row.quantity_difference - _batched(row), row.billed.quantity or ZERO
    counts = _counts(row, found)
    if more <= found.tolerance * billed or _is_doubt_enough(row, counts, more):
        return None
    unit = "tokens" if row.model is not None else "calls"
    text = f"{_number(more)} {unit} more are billed than tracked ({more / billed:.1%} of the bill)"
    if not row.tracked.quantity:
        text = f"none of the {_number(more)} {unit} billed is tracked"
    untracked = (counts.billed or 0) - counts.calls - counts.uncounted
    if untracked > 0:
        text += f", in {untracked:,} requests that are not"
    payer = _exact_payer(row, more, found.tolerance)
    text += f"; {payer} was billed exactly that" if payer else ""
    return Cause("calls_outside", f"{text}: calls outside llmtrace, of a service that is not instrumented")


def _is_doubt_enough(row: Row, counts: Count, more: Decimal) -> bool:
    """Whether calls without a usage of the provider's account for MORE: no request is missing, or they suffice."""
    if not counts.doubtful:
        return False
    if counts.billed is not None:
        return counts.billed <= counts.calls + counts.uncounted
    counted = counts.calls - counts.estimated
    return not counted or more <= 2 * counts.doubtful * (row.tracked.quantity or ZERO) / counted


def _exact_payer(row: Row, more: Decimal, tolerance: Decimal) -> str | None:
    """The one project, workspace or key, of several, that was billed MORE."""
    for payers in (row.billed.scopes, row.billed.keys):
        exact = [name for name, quantity in payers.items() if name and is_close(quantity, more, tolerance)]
        if exact and len(payers) > 1:
            return exact[0]
    return None


def _recent(row: Row, found: Comparison) -> Cause | None:
    """A bill that is still being written."""
    if _is_less_billed(row) and found.now < _final_at(row):
        return Cause("not_final", f"the bill of {row.day} may grow until {_final_at(row):%Y-%m-%d}")
    return None


def _less_billed(row: Row, found: Comparison) -> Cause | None:
    """Calls that somebody else pays for."""
    if _is_less_billed(row) and not row.has_equal_quantities and found.now >= _final_at(row):
        return Cause("billed_elsewhere", "less is billed than tracked: another organization, project or key may pay")
    return None


def _final_at(row: Row) -> datetime:
    return datetime.combine(row.day, time()) + timedelta(days=1) + FINAL_AFTER


def _no_quantities(row: Row, found: Comparison) -> Cause | None:
    """Dollars alone do not tell missing calls from another price."""
    if row.billed.quantity is None and row.cost_difference:
        return Cause(
            "no_quantities", "the bill tells dollars only; with the usage report, calls and prices can be told apart"
        )
    return None


def _is_less_billed(row: Row) -> bool:
    difference = row.quantity_difference if row.quantity_difference is not None else row.cost_difference
    return difference is not None and difference < 0


def _counts(row: Row, found: Comparison) -> Count:
    return found.counts.get((row.day, row.model)) or Count()


def _dollars(rate_usd: Decimal) -> str:
    return f"${rate_usd.quantize(Decimal('0.0001')).normalize():f}"


def _number(quantity: Decimal) -> str:
    return f"{quantity.normalize():,f}"


def _amount(quantity: Decimal) -> str:
    return f"{quantity.normalize():+,f}"


UNEXPLAINED = Cause("unexplained", "no rule explains it: compare the calls of that day with the provider's own logs")
WHOLE: tuple[Rule, ...] = (_beside_tokens, _time_zone, _cache, _tier, _price)
PARTS: tuple[Rule, ...] = (
    _uncounted, _estimated, _unpriced, _batch, _outside, _price_too, _recent, _less_billed, _no_quantities
)  # fmt: skip
