"""What a difference is likely to come from: rules over the figures of both sides, each with its evidence.

The first of `WHOLE` that applies explains a row by itself; only where none does are the `PARTS` asked, all of them.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from llmtrace.reconcile.compare import Cause, Comparison, Row, days_of, is_close
from llmtrace.reconcile.figures import INPUT_CLASSES

FINAL_AFTER = timedelta(hours=48)
FURTHEST_ZONE_H = 14
PER_MTOK = Decimal(1_000_000)
ZERO = Decimal(0)

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
    if row.model is None and not row.tracked.quantity and row.billed.quantity is None:
        return Cause(
            "beside_tokens", f"{row.token_class} is billed beside the tokens of calls: no response tells of it"
        )
    return None


def _time_zone(row: Row, found: Comparison) -> Cause | None:
    """The same hours, cut into days elsewhere; or what began before midnight and was billed after it."""
    rows = [r for r in found.rows if (r.model, r.token_class) == (row.model, row.token_class)]
    billed = {r.day: r.billed.quantity for r in rows}
    if row.has_equal_quantities or any(quantity is None for quantity in billed.values()):
        return None
    hours = found.hours.get((row.model, row.token_class), {})
    for offset_h in sorted(range(-FURTHEST_ZONE_H, FURTHEST_ZONE_H + 1), key=abs):
        days = days_of(hours, offset_h)
        if offset_h and all(is_close(q or ZERO, days.get(d, ZERO), found.tolerance) for d, q in billed.items()):
            return Cause("time_zone", f"every day agrees if its days are those of UTC{offset_h:+d}")
    return _midnight(row, found)


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


def _unpriced(row: Row, found: Comparison) -> Cause | None:
    """Counted, but without a price here."""
    if row.tracked.unpriced_calls and row.has_equal_quantities:
        return Cause("unpriced", f"{row.tracked.unpriced_calls:,} calls have no price here: llmtrace prices show MODEL")
    return None


def _price(row: Row, found: Comparison) -> Cause | None:
    """As many tokens for other money."""
    if not row.has_equal_quantities or row.cost_difference is None:
        return None
    here, there = _rate(row.tracked.cost_usd, row.tracked.quantity), _rate(row.billed.cost_usd, row.billed.quantity)
    if here is None or there is None:
        return None
    earlier = [
        r
        for r in found.rows
        if (r.model, r.token_class) == (row.model, row.token_class) and r.day < row.day and r.has_equal_quantities
    ]
    text = f"as many tokens, at ${there:f} instead of ${here:f} a million"
    changed = _first_of_run(row, earlier)
    if changed is not None:
        return Cause("price_change", f"{text}, since {changed}; before, both sides agree")
    return Cause("price", f"{text}, on every day compared: a price of your own, or a wrong one here")


def _first_of_run(row: Row, earlier: list[Row]) -> date | None:
    """The first of the days up to ROW's that are off without a break, where a day before them agrees."""
    first = row.day
    for before in sorted(earlier, key=lambda r: r.day, reverse=True):
        if not before.is_off:
            return first
        first = before.day
    return None


def _uncounted(row: Row, found: Comparison) -> Cause | None:
    """Calls of the day whose usage never arrived."""
    calls = found.uncounted.get((row.day, row.model), 0)
    if calls and (row.quantity_difference is None or row.quantity_difference > 0):
        return Cause("missing_usage", f"{calls:,} tracked calls of that day and model came without usage")
    return None


def _estimated(row: Row, found: Comparison) -> Cause | None:
    """Calls whose tokens were counted here."""
    if row.tracked.estimated_calls and not row.has_equal_quantities:
        of = f"{row.tracked.estimated_calls:,} of {row.tracked.requests or 0:,}"
        return Cause("estimated_usage", f"{of} tracked calls have estimated tokens")
    return None


def _batch(row: Row, found: Comparison) -> Cause | None:
    """Batches run without a call that could be tracked."""
    batched, known = row.billed.tiers.get("batch", ZERO), row.tracked.tiers.get("batch", ZERO)
    if batched > known and (row.quantity_difference or ZERO) > 0:
        return Cause(
            "batch", f"{_number(batched - known)} tokens more were billed as batches, whose calls an app does not make"
        )
    return None


def _outside(row: Row, found: Comparison) -> Cause | None:
    """Calls that llmtrace did not see."""
    more = row.quantity_difference
    if more is None or more <= 0:
        return None
    share = more / (row.billed.quantity or more)
    unit = "calls" if row.token_class == "web_search" else "tokens"
    text = f"{_number(more)} {unit} more are billed than tracked ({share:.1%} of the bill)"
    if not row.tracked.quantity:
        text = f"none of the {_number(more)} {unit} billed is tracked"
    if row.billed.requests is not None and row.billed.requests > (row.tracked.requests or 0):
        text += f", in {row.billed.requests - (row.tracked.requests or 0):,} requests that are not"
    exact = [s for s, quantity in row.billed.scopes.items() if s and is_close(quantity, more, found.tolerance)]
    if exact and len(row.billed.scopes) > 1:
        text += f"; {exact[0]} was billed exactly that: its service is not instrumented"
    return Cause("calls_outside", f"{text}: calls of a service that is not instrumented")


def _recent(row: Row, found: Comparison) -> Cause | None:
    """A bill that is still being written."""
    ended = datetime.combine(row.day, time(), UTC).replace(tzinfo=None) + timedelta(days=1)
    if _is_less_billed(row) and found.now < ended + FINAL_AFTER:
        return Cause("not_final", f"the bill of {row.day} may grow until {ended + FINAL_AFTER:%Y-%m-%d}")
    return None


def _less_billed(row: Row, found: Comparison) -> Cause | None:
    """Calls that somebody else pays for."""
    if _is_less_billed(row) and not row.has_equal_quantities:
        return Cause("billed_elsewhere", "less is billed than tracked: another organization, project or key may pay")
    return None


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


def _rate(cost_usd: Decimal | None, quantity: Decimal | None) -> Decimal | None:
    if cost_usd is None or not quantity:
        return None
    return (cost_usd / quantity * PER_MTOK).quantize(Decimal("0.0001")).normalize()


def _number(quantity: Decimal) -> str:
    return f"{quantity.normalize():,f}"


def _amount(quantity: Decimal) -> str:
    return f"{quantity.normalize():+,f}"


UNEXPLAINED = Cause("unexplained", "no rule explains it: compare the calls of that day with the provider's own logs")
WHOLE: tuple[Rule, ...] = (_beside_tokens, _time_zone, _cache, _tier, _unpriced, _price)
PARTS: tuple[Rule, ...] = (_uncounted, _estimated, _batch, _outside, _recent, _less_billed, _no_quantities)
