"""What no schema can say of the user's own prices: that every name stands for something, and no two words collide."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from llmtrace.pricing.book import PriceBook
from llmtrace.pricing.rows import Multiplier
from llmtrace.providers import find_usage

FOREVER = datetime.max.replace(tzinfo=UTC)
Place = tuple[str | int, ...]


class Wrong(Exception):
    """What is wrong at PLACE, the keys and indices that lead there."""

    def __init__(self, place: Iterable[str | int], reason: str) -> None:
        """Say where and what."""
        self.place, self.reason = tuple(place), reason
        super().__init__(reason)


def check_names(book: PriceBook) -> None:
    """Raise Wrong where a name stands for nothing that BOOK has a price of."""
    for i, entry in enumerate(book.own.entries):
        match = book.find_model(entry.first.provider, entry.first.model, entry.first.valid_from)
        if match is not None and match.kind == "family":
            raise Wrong(("rates", i, "model"), f"write '{match.model}': its dated snapshots have its prices")
    for i, discount in enumerate(book.own.discounts):
        for name in sorted(discount.models):
            provider, _, model = name.partition("/")
            if not any(p.provider == provider and p.layer == "book" for p in book.prices):
                raise Wrong(("discounts", i, "provider"), f"the bundled book has no prices of '{provider}'")
            if model != "*" and not _is_known(book, provider, model, discount.valid_from, discount.valid_to):
                raise Wrong(("discounts", i, "models"), f"the bundled book has no model '{model}' of {provider}")
    for i, d in enumerate(book.own.deployments):
        family = find_usage(d.prices_of)
        if d.model is None:
            continue
        model = d.model if family is None else family.read_model(d.model)[0]
        if not _is_known(book, d.prices_of, model, d.valid_from, d.valid_to):
            near = [m for m in sorted({p.model for p in book.rows(d.prices_of)}) if m.startswith(model)]
            hint = f"; there is {', '.join(near[:3])}" if near else ""
            raise Wrong(("deployments", i, "model"), f"there is no price of '{d.model}' of {d.prices_of}{hint}")


def _is_known(book: PriceBook, provider: str, model: str, start: datetime, end: datetime | None) -> bool:
    """Whether MODEL stands for something at some time from START until END."""
    last = end or FOREVER
    times = [start, *(p.valid_from for p in book.prices if p.provider == provider)]
    times += [a.valid_from for a in book.aliases if a.name == f"{provider}/{model}"]
    return any(book.find_model(provider, model, at) is not None for at in times if start <= at < last)


def check_overlaps(book: PriceBook) -> None:
    """Raise Wrong where two of the user's words would answer for the same tokens, or the same name."""
    for (_, a), (i, b) in combinations(enumerate(book.own.entries), 2):
        same = {(p.component, repr(p.when)) for p in a.prices} & {(p.component, repr(p.when)) for p in b.prices}
        names = {a.first.model}, {b.first.model}
        if same and a.first.provider == b.first.provider and _meet(book, a.first.provider, (a.first, b.first), names):
            raise Wrong(("rates", i), f"another entry has a rate for {min(same)[0]} of this model at this time")
    for (_, c), (i, d) in combinations(enumerate(book.own.discounts), 2):
        share = not c.components or not d.components or c.components & d.components
        (provider, of_c), (other, of_d) = _names(c), _names(d)
        if share and provider == other and _meet(book, provider, (c, d), (of_c, of_d)):
            raise Wrong(("discounts", i), f"'{c.name}' holds for the same prices at this time: write one factor")
    for (_, e), (i, f) in combinations(enumerate(book.own.deployments), 2):
        if e.provider == f.provider and e.is_called(f.name) and _start(e, f) is not None:
            raise Wrong(("deployments", i, "name"), f"'{f.name}' stands for something else at this time")


def _names(discount: Multiplier) -> tuple[str, set[str]]:
    """The provider and the models of DISCOUNT."""
    named = [m.partition("/") for m in discount.models]
    return named[0][0], {name for _, _, name in named}


def _start(a: Any, b: Any) -> datetime | None:
    """The first moment at which both A and B hold, or None."""
    start: datetime = max(a.valid_from, b.valid_from)
    return start if start < min(a.valid_to or FOREVER, b.valid_to or FOREVER) else None


def _meet(book: PriceBook, provider: str, pair: tuple[Any, Any], names: tuple[set[str], set[str]]) -> bool:
    """Whether two of NAMES, one for each of PAIR, mean the same model of PROVIDER while both of PAIR hold."""
    start, end = _start(*pair), min(x.valid_to or FOREVER for x in pair)
    if start is None:
        return False
    if "*" in names[0] | names[1]:
        return True
    times = [start, *(x.valid_from for x in book.aliases if start < x.valid_from < end)]
    return any(_meanings(book, provider, names[0], at) & _meanings(book, provider, names[1], at) for at in times)


def _meanings(book: PriceBook, provider: str, names: set[str], at: datetime) -> set[str]:
    found = ((name, book.find_model(provider, name, at)) for name in names)
    return {name if match is None else match.model for name, match in found}
