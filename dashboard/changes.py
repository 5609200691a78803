"""What changed between two periods, feature by feature, and why: more calls, other models, or dearer calls.

The three parts add up to the change exactly: calls at the old cost per call; the same calls on other models, at what
those cost before (a new model at what it costs now); and what the same models cost more or less per call.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .format import MINUS, arrow, calls, change, code, count, group_name, marked, money_change, percent, signed_percent

ZERO = Decimal(0)
SMALLEST_USD = Decimal("0.000001")
MOST_OF_IT = 0.5


@dataclass(slots=True)
class Side:
    """One group in one period: calls, known cost, calls without a price, tokens, and calls and cost by model."""

    calls: int = 0
    cost: Decimal | None = None
    unpriced: int = 0
    tokens: int = 0
    models: dict[str | None, tuple[int, Decimal]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count ROW of the question `pairs`."""
        cost = row["cost_usd"]
        self.calls += row["calls"]
        self.unpriced += row["unpriced_calls"] or 0
        self.tokens += (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
        if cost is not None:
            self.cost = (self.cost or ZERO) + cost
        self.models[row["sub"]] = (row["calls"], cost or ZERO)

    def per_call(self, model: str | None) -> Decimal:
        """What a call to MODEL cost."""
        number, cost = self.models[model]
        return cost / number


@dataclass(slots=True)
class Line:
    """A group (`key`; None where it has no name) in the period and the one before."""

    key: str | None
    now: Side = field(default_factory=Side)
    before: Side = field(default_factory=Side)

    @property
    def name(self) -> str:
        """What the group is called."""
        return group_name(self.key)

    @property
    def difference(self) -> Decimal:
        """Dollars more than before, of what is known."""
        return (self.now.cost or ZERO) - (self.before.cost or ZERO)


def lines_of(now: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The groups in the answers NOW and BEFORE of the question `pairs`, dearest now first."""
    lines: dict[str | None, Line] = {}
    for rows, side in ((now, "now"), (before, "before")):
        for row in rows:
            line = lines.setdefault(row["key"], Line(row["key"]))
            getattr(line, side).add(row)
    return sorted(lines.values(), key=lambda line: (-(line.now.cost or ZERO), line.key is None, line.key or ""))


def lumped(lines: Sequence[Line], most: int) -> tuple[list[Line], Line | None]:
    """The first MOST of LINES with the one of calls without a name, and the others added up, where there are any."""
    named = [line for line in lines if line.key is not None]
    kept = [*named[:most], *(line for line in lines if line.key is None)]
    rest = named[most:]
    if not rest:
        return kept, None
    other = Line(None)
    for line in rest:
        for total, part in ((other.now, line.now), (other.before, line.before)):
            total.calls += part.calls
            total.unpriced += part.unpriced
            if part.cost is not None:
                total.cost = (total.cost or ZERO) + part.cost
    return kept, other


def top_changes(lines: Sequence[Line], most: int = 5) -> list[Line]:
    """The MOST lines that changed by most dollars, either way."""
    moved = [line for line in lines if abs(line.difference) >= SMALLEST_USD]
    return sorted(moved, key=lambda line: (-abs(line.difference), line.name))[:most]


def drivers(line: Line) -> dict[str, Decimal]:
    """The parts of LINE's change: `volume`, `models` and `price` (cost per call on the same models)."""
    now, before = line.now, line.before
    if not now.calls or not before.calls:
        return {"volume": line.difference, "models": ZERO, "price": ZERO}
    old_per_call = (before.cost or ZERO) / before.calls
    volume = (now.calls - before.calls) * old_per_call
    at_old_prices = ZERO
    for model, (number, _cost) in now.models.items():
        at_old_prices += number * (before if model in before.models else now).per_call(model)
    models = at_old_prices - now.calls * old_per_call
    return {"volume": volume, "models": models, "price": line.difference - volume - models}


def describe(line: Line) -> str:
    """By how much LINE changed, what it is, and why, as Markdown."""
    colour = "red" if line.difference > 0 else "green"
    moved = change(line.now.cost, line.before.cost)
    by = f" ({signed_percent(moved)})" if moved is not None else ""
    amount = marked(f":{colour}[{arrow(line.difference)} {money_change(line.difference)}{by}]")
    return f"{amount} {code(line.name, 36)}: {explain(line)}"


def explain(line: Line) -> str:
    """Why LINE changed, as Markdown."""
    now, before = line.now, line.before
    if not before.calls:
        return f"new: {calls(now.calls)}, none before"
    if not now.calls:
        return f"no calls any more, {calls(before.calls)} before"
    parts = drivers(line)
    name = max(parts, key=lambda part: parts[part] if line.difference > 0 else -parts[part])
    mostly = "mostly " if abs(float(parts[name])) < 0.95 * abs(float(line.difference)) else ""
    if name == "models":
        return mostly + _model_words(line)
    if name == "volume":
        word = "more" if now.calls > before.calls else "fewer"
        by = signed_percent(change(now.calls, before.calls))
        return f"{mostly}{word} calls: {count(now.calls)}, were {count(before.calls)} ({by})"
    return mostly + _price_words(now, before)


def _model_words(line: Line) -> str:
    """Which model took over calls, or lost them where nothing gained."""
    now, before = line.now, line.before
    gains = {
        model: now.models.get(model, (0, ZERO))[0] / now.calls - before.models.get(model, (0, ZERO))[0] / before.calls
        for model in {*now.models, *before.models}
    }
    model = max(gains, key=lambda m: (gains[m], m or ""))
    shares = [side.models.get(model, (0, ZERO))[0] / side.calls for side in (now, before)]
    named = code(model, 36) if model is not None else "calls without a model"
    return f"model mix: {named} takes {percent(shares[0])} of its calls, was {percent(shares[1])}"


def _price_words(now: Side, before: Side) -> str:
    """How the cost of a call changed on the same models, and the tokens with it."""
    per_call = change((now.cost or ZERO) / now.calls, (before.cost or ZERO) / before.calls)
    per_call_tokens = change(now.tokens / now.calls, before.tokens / before.calls)
    said = f"a call costs {_direction(per_call)}"
    if per_call is None or per_call_tokens is None or abs(per_call_tokens) < 0.02:
        return said + ", with about as many tokens"
    return f"{said}, with {_direction(per_call_tokens, 'fewer')} tokens in it"


def _direction(value: float | None, less: str = "less") -> str:
    """VALUE, a change, in words and figures."""
    if value is None:
        return "about as many"
    return f"{signed_percent(abs(value)).lstrip('+' + MINUS)} {'more' if value > 0 else less}"
