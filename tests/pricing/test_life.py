"""No model of the book is without a price between two times at which it has one, and what has none says why."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from llmtrace.model import Price
from llmtrace.pricing import PriceBook, load_book, price
from llmtrace.pricing.book import CONDITION_DEFAULTS, OPEN_CONDITIONS
from llmtrace.pricing.reading import read_book

BOOK = load_book()
FOREVER = datetime.max.replace(tzinfo=UTC)
# Requests of each kind that rows tell apart: below and above every threshold, with thoughts and without.
PROBES = [{"input_tokens": size, "thinking": thinking} for size in (1, 1_000_000) for thinking in (False, True)]

# Where nobody knows what was billed; such calls are unpriced. Model and the day the gap begins -> why.
KNOWN_GAPS = {
    ("anthropic/claude-opus-4-6", "2026-02-19"): "by 2026-03-10 the page had dropped the premium of long fast requests",
    (
        "gcp.gemini/gemini-1.5-flash-001",
        "2024-08-01",
    ): "the rate fell in August 2024; the sources do not show on which day",
    ("gcp.gemini/gemini-2.5-pro", "2025-08-01"): "the rate of cached tokens fell; the sources do not show on which day",
}
# The page of that time left the name out.
KNOWN_ALIAS_GAPS = {("openai/gpt-4o-audio-preview", "2024-12-17")}

Key = tuple[str, str, str, tuple[tuple[str, Any], ...]]


def _lives(book: PriceBook) -> dict[Key, list[Price]]:
    """The rows of each component of each model under each set of conditions, whatever the size of the request."""
    lives: dict[Key, list[Price]] = defaultdict(list)
    for row in book.prices:
        stated = tuple(sorted((k, v) for k, v in row.when.items() if k not in OPEN_CONDITIONS))
        lives[row.provider, row.model, row.component, stated].append(row)
    return lives


def _gaps(book: PriceBook) -> list[tuple[str, str]]:
    """Models and the days on which a gap of one of their components begins."""
    return [
        (f"{key[0]}/{key[1]}", f"{moment:%Y-%m-%d}")
        for key, rows in _lives(book).items()
        for moment in _ends_before_others(rows)
        if _is_gap(book, key, rows, moment)
    ]


def _ends_before_others(rows: Iterable[Price]) -> list[datetime]:
    last = max(row.valid_from for row in rows)
    return sorted({row.valid_to for row in rows if row.valid_to is not None and row.valid_to <= last})


def _is_gap(book: PriceBook, key: Key, rows: list[Price], moment: datetime) -> bool:
    """Whether nothing answers at MOMENT what rows answered before it and answer again later."""
    provider, model, component, stated = key
    for probe in PROBES:
        conditions = {**CONDITION_DEFAULTS, **dict(stated), **probe}
        days = [row.valid_from for row in rows]
        answered = {day: book.find_price(provider, model, component, conditions, day) is not None for day in days}
        before = any(found for day, found in answered.items() if day < moment)
        later = any(found for day, found in answered.items() if day > moment)
        if before and later and book.find_price(provider, model, component, conditions, moment) is None:
            return True
    return False


def test_no_price_is_missing_between_two_others() -> None:
    assert set(_gaps(BOOK)) == set(KNOWN_GAPS)


def test_no_alias_is_missing_between_two_others() -> None:
    intervals: dict[str, list[Any]] = defaultdict(list)
    for alias in BOOK.aliases:
        intervals[alias.name].append(alias)
    for name, aliases in intervals.items():
        for earlier, later in pairwise(sorted(aliases, key=lambda a: a.valid_from)):
            is_known = earlier.valid_to is not None and (name, f"{earlier.valid_to:%Y-%m-%d}") in KNOWN_ALIAS_GAPS
            assert earlier.valid_to == later.valid_from or is_known, name


GAP = """
provider: acme
sources: {page: {url: "https://example.com", note: A page., verified_at: 2026-01-01, confidence: official}}
models:
  m:
    - {valid_from: 2026-01-01, valid_to: 2026-02-01, source: page, usd_per_mtok: {output: "1"}}
    - {valid_from: 2026-02-01, valid_to: LATER, when: {input_tokens: {lte: 9}}, source: page,
       usd_per_mtok: {output: "2"}}
    - {valid_from: 2026-02-01, valid_to: LATER, when: {input_tokens: {gt: 9}}, source: page,
       usd_per_mtok: {output: "3"}}
    - {valid_from: 2026-04-01, source: page, usd_per_mtok: {output: "4"}}
"""


@pytest.mark.parametrize(("end", "gaps"), [("2026-04-01", 0), ("2026-03-31", 1)])
def test_a_missing_day_is_found(end: str, gaps: int) -> None:
    assert len(_gaps(read_book({"acme.yaml": GAP.replace("LATER", end)}))) == gaps


def test_what_is_listed_as_unpriced_has_no_price_now_and_a_reason_that_its_calls_tell() -> None:
    now = max(datetime.fromisoformat(p.verified_at) for p in BOOK.prices).replace(tzinfo=UTC)
    assert len(BOOK.unpriced) > 30
    for (provider, model), reason in BOOK.unpriced.items():
        for usage in ({"input_tokens": 1}, {"prompt_tokens": 1}, {"billed_units": {"input_tokens": 1}}):
            cost = price(usage, provider, model, now)
            assert cost.status in ("unpriced", "invalid_usage"), model
            assert cost.status == "invalid_usage" or (cost.reason or "").endswith(reason), cost.reason
