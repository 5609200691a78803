"""Which numbers of a usage object each quantity of a bill came from.

Asked of the bill itself: one number of the usage object is moved by one, and what changes in the bill came from it.
So no provider has to describe what its adapter does, and the answer cannot differ from it. An answer that does not
add up to the quantity is not given.
"""

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
MOST_TERMS = 6


def count_origins(call: Call) -> list[tuple[str, Decimal, str | None]]:
    """Component, quantity and origin of each item of CALL's bill, such as `prompt_tokens - ...cached_tokens`.

    Empty where the provider's own usage is not what was billed.
    """
    usage, family = billed_usage(call), find_usage(call.request.provider)
    if family is None or not usage or usage is not call.response.usage:
        return []
    stated = call_conditions(call)

    def bill(usage: Any, stated: Any) -> Amounts | None:
        return _amounts(family.bill, usage, stated, call.response.finish_reasons or ())

    base = bill(usage, stated)
    if base is None:
        return []
    terms: dict[Key, list[tuple[int, Path, int]]] = defaultdict(list)
    for path, value in _numbers(usage):
        for key, sign in _moved(base, value, lambda n, at=path: bill(_with(usage, at, n), stated)).items():
            terms[key].append((sign, path, value))
    for path, value in _numbers(stated):
        for key, sign in _moved(base, value, lambda n, at=path: bill(usage, _with(stated, at, n))).items():
            terms[key].append((sign, ("response", *path), value))
    return [(key[0], amount, _origin(amount, terms[key])) for key, amount in base.items() if amount]


def _amounts(bill: Any, usage: Any, stated: Any, finish_reasons: tuple[str, ...]) -> Amounts | None:
    """The quantities of the bill, in its order; None where there is none to be had."""
    try:
        quantities = bill(usage, stated, finish_reasons).quantities
    except InvalidUsage:
        return None
    amounts: Amounts = {}
    seen: dict[tuple[str, str | None], int] = defaultdict(int)
    for quantity in quantities:
        if quantity.optional:
            continue  # follows the calls that brought it, many tokens at a time
        kind = (quantity.component, quantity.model)
        amounts[*kind, seen[kind]] = quantity.amount
        seen[kind] += 1
    return amounts


def _moved(base: Amounts, value: int, bill_with: Any) -> dict[Key, int]:
    """How the amounts of BASE follow a number of VALUE: by +1 or -1; empty where they jump instead."""
    for step in (1, -1):
        amounts = bill_with(value + step)
        if amounts is None:
            continue  # one more would be no valid usage: one less may be
        changes = {key: (amounts.get(key, Decimal(0)) - amount) * step for key, amount in base.items()}
        moved = {key: int(change) for key, change in changes.items() if change}
        return moved if all(abs(change) == 1 for change in moved.values()) else {}
    return {}


def _numbers(tree: Any, path: Path = ()) -> Iterator[tuple[Path, int]]:
    """The whole numbers in TREE, but for zeros, with the way to each."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _numbers(value, (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for i, value in enumerate(tree):
            yield from _numbers(value, (*path, i))
    elif isinstance(tree, int) and not isinstance(tree, bool) and tree:
        yield path, tree


def _with(tree: Any, path: Path, value: int) -> Any:
    """TREE with VALUE at PATH."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(tree, Mapping):
        return {**tree, key: _with(tree[str(key)], rest, value)}
    return [_with(v, rest, value) if i == key else v for i, v in enumerate(tree)]


def _origin(amount: Decimal, terms: list[tuple[int, Path, int]]) -> str | None:
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
