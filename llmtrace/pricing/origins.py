"""Which numbers of a usage object each quantity of a bill came from.

Asked of the bill itself: one number of the usage object is moved by one, and what changes in the bill came from it.
So no provider has to describe what its adapter does, and the answer cannot differ from it. An answer that does not
add up to the quantity is not given. Where usage has a total that must agree, it moves along.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations
from typing import Any

from llmtrace.model import Call
from llmtrace.pricing.calls import billed_usage, call_conditions
from llmtrace.providers import InvalidUsage, find_usage

Path = tuple[str | int, ...]
# Component, model, and which of several of them.
Key = tuple[str, str | None, int]
Amounts = dict[Key, Decimal]
Term = tuple[int, Path, Decimal]
MOST_TERMS = 6
# What has to agree with the rest of a usage object, so that it moves along where the rest would not add up.
TOTALS = frozenset({"total_tokens", "totalTokens", "totalTokenCount"})
# What is left of a total beside a part of it.
RESTS = frozenset({"prompt_cache_miss_tokens"})
NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?")
REPORTED: Key = ("provider_reported", None, 0)


def count_origins(call: Call) -> list[tuple[str, Decimal, str | None]]:
    """Component, quantity and origin of each item of CALL's bill, such as `prompt_tokens - ...cached_tokens`.

    Empty where the provider's own usage is not what was billed.
    """
    usage, family = billed_usage(call), find_usage(call.request.provider)
    if family is None or not usage or usage is not call.response.usage:
        return []
    conditions = call_conditions(call)
    about = {"provider": call.request.provider, "endpoint": call.request.endpoint}

    def bill(usage: Any, conditions: Any) -> Amounts | None:
        return _amounts(family.bill, usage, {**conditions, **about}, call.response.finish_reasons or ())

    base = bill(usage, conditions)
    if base is None:
        return []
    terms: dict[Key, list[Term]] = defaultdict(list)
    for path, value in _numbers(usage):
        if not value and REPORTED not in base:
            continue
        for key, sign in _moved(base, lambda moves: bill(_with(usage, moves), conditions), path).items():
            terms[key].append((sign, path, value))
    for path, value in _numbers(conditions):
        for key, sign in _moved(base, lambda moves: bill(usage, _with(conditions, moves)), path).items():
            terms[key].append((sign, ("response", *path), value))
    if REPORTED in base:
        return [("provider_reported", Decimal(1), _sum(terms[REPORTED]))]
    return [(key[0], amount, _origin(amount, terms[key])) for key, amount in base.items() if amount]


def _amounts(bill: Any, usage: Any, stated: Any, finish_reasons: tuple[str, ...]) -> Amounts | None:
    """The quantities of the bill, in its order; None where there is none to be had."""
    try:
        billing = bill(usage, stated, finish_reasons)
    except InvalidUsage:
        return None
    if billing.reported_usd is not None:
        return {REPORTED: billing.reported_usd}
    amounts: Amounts = {}
    seen: dict[tuple[str, str | None], int] = defaultdict(int)
    for quantity in billing.quantities:
        if quantity.optional:
            continue  # follows the calls that brought it, many tokens at a time
        kind = (quantity.component, quantity.model)
        amounts[*kind, seen[kind]] = quantity.amount
        seen[kind] += 1
    return amounts


def _moved(base: Amounts, bill_with: Any, path: Path) -> dict[Key, int]:
    """How the amounts of BASE follow the number at PATH: by +1 or -1; empty where they jump instead."""
    for moves in _moves_of(path):
        amounts = bill_with(moves)
        if amounts is None:
            continue  # one more would be no valid usage: one less may be, or one more of a total as well
        changes = {key: (amounts.get(key, Decimal(0)) - amount) * moves[path] for key, amount in base.items()}
        moved = {key: int(change.compare(Decimal(0))) for key, change in changes.items() if change}
        is_even = all(abs(change) == 1 for change in changes.values() if change)
        return moved if is_even or REPORTED in base else {}
    return {}


def _moves_of(path: Path) -> Iterator[dict[Path, int]]:
    """How to move the number at PATH, alone or with those that have to agree: beside it, or beside what it is in."""
    if path[-1] in TOTALS | RESTS:
        yield from ({path: 1}, {path: -1})
        return
    places = [path[:depth] for depth in range(len(path))]
    totals = [(*place, name) for place in places for name in TOTALS]
    rests = [(*place, name) for place in places for name in RESTS]
    for also, other in (([], []), (totals, []), ([], rests), ([*totals, *rests], [])):
        for step in (1, -1):
            yield {**dict.fromkeys(also, step), **dict.fromkeys(other, -step), path: step}


def _numbers(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Decimal]]:
    """The numbers in TREE, with the way to each; headers tell theirs as text."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _numbers(value, (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for i, value in enumerate(tree):
            yield from _numbers(value, (*path, i))
    elif isinstance(tree, int | float | str) and not isinstance(tree, bool) and NUMBER.fullmatch(str(tree)):
        yield path, Decimal(str(tree))


def _with(tree: Any, moves: Mapping[Path, int], path: Path = ()) -> Any:
    """TREE, found at PATH, with the numbers at the keys of MOVES moved by its values."""
    if isinstance(tree, Mapping):
        return {key: _with(value, moves, (*path, str(key))) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with(value, moves, (*path, i)) for i, value in enumerate(tree)]
    step = moves.get(path)
    if step is None or isinstance(tree, bool) or not isinstance(tree, int | float | str):
        return tree
    moved = Decimal(str(tree)) + step
    return type(tree)(moved)


def _sum(terms: list[Term]) -> str | None:
    return " + ".join(".".join(map(str, path)) for _, path, _ in terms) or None


def _origin(amount: Decimal, terms: list[Term]) -> str | None:
    """`a.b + c - d`, what is added first; None unless that is AMOUNT.

    Where usage states a number twice, as a total and in parts, the amount follows both: the parts are told.
    """
    for size in range(min(len(terms), MOST_TERMS), 0, -1):
        for some in sorted(combinations(terms, size), key=lambda some: -sum(len(path) for _, path, _ in some)):
            if sum(sign * value for sign, _, value in some) == amount:
                ordered = sorted(some, key=lambda term: -term[0])
                parts = [("- " if sign < 0 else "+ ") + ".".join(str(p) for p in path) for sign, path, _ in ordered]
                return " ".join(parts).removeprefix("+ ")
    return None
