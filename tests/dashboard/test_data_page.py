"""The page on what the figures are worth, without a browser."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st
from llmtrace.dashboard import account
from llmtrace.dashboard.source import Source
from pages import texts
from streamlit.testing.v1 import AppTest

from llmtrace.pricing import load_book

Open = Callable[..., AppTest]
HEALTH: dict[str, Any] = {
    "ended": 100, "stored": 80, "pending": 5, "dropped": {"queue_full": 3, "process_died": 12}, "export_dropped": 0,
    "problems": [],
}  # fmt: skip


class Ill:
    """A store with an account of its own."""

    def __init__(self, whole: Source, **changes: Any) -> None:
        self._whole, self._changes = whole, changes

    def rows(self, question: str, options: Mapping[str, Any]) -> Any:
        return self._whole.rows(question, options)

    def health(self) -> dict[str, Any]:
        return {**self._whole.health(), **self._changes}


def values(test: AppTest, heading: str) -> Any:
    """The table whose first column is called HEADING."""
    return next(frame.value for frame in test.dataframe if frame.value.columns[0] == heading)


def test_every_span_that_ended_is_accounted_for(open_page: Open, demo: Source) -> None:
    health = demo.health()
    test = open_page(demo, "data", range="all")
    assert f"{health['ended']:,} ended = {health['stored']:,} stored + 0 pending + 0 dropped." in texts(test)
    assert values(test, "Spans")["Count"].tolist() == [health["ended"], health["stored"], 0]


def test_what_was_dropped_is_told_by_reason(open_page: Open, demo: Source) -> None:
    test = open_page(Ill(demo, **HEALTH), "data")
    table = values(test, "Spans")
    assert table["Spans"].tolist() == ["Ended", "Stored", "Pending", "Dropped: process died", "Dropped: queue full"]
    assert table["Share"].tolist() == ["100.0%", "80.0%", "5.0%", "12.0%", "3.0%"]
    assert all(table["Which are"])
    assert "100 ended = 80 stored + 5 pending + 15 dropped." in texts(test)


def test_an_account_that_does_not_tie_is_said(open_page: Open, demo: Source) -> None:
    ill = Ill(demo, **{**HEALTH, "stored": 79, "problems": ["the counter of process p is gone"], "export_dropped": 4})
    said = texts(open_page(ill, "data"))
    assert "1 span is not accounted for." in said
    assert "`the counter of process p is gone`" in said
    assert "4 spans did not reach your OTLP backend" in said


def test_calls_by_price_tie_with_the_totals(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "data", range="all")
    total = demo.rows("totals", {}).dicts()[0]
    for heading in ("Price", "Tokens"):
        assert values(test, heading)["Calls"].sum() == total["calls"]
    assert values(test, "Service")["Calls"].sum() == total["calls"]
    assert f"**{total['untagged_calls']:,} · {total['untagged_calls'] / total['calls']:.1%}**" in texts(test)


def test_models_without_a_price_are_told_with_why_and_what_to_do(open_page: Open, demo: Source) -> None:
    table = values(open_page(demo, "data", range="all"), "Model")
    assert table["Model"].tolist() == ["acme-risk-7b"]
    assert (
        "acme-risk-7b" in table["Why"].iloc[0] and "prices.yaml, then llmtrace reprice" in table["What to do"].iloc[0]
    )


def test_where_every_call_has_a_price_none_is_listed(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "data", range="all", feature="draft-email")
    assert "Every call has a price." in texts(test)
    assert "Model" not in [frame.value.columns[0] for frame in test.dataframe]


def test_an_empty_store_is_accounted_for_too(open_page: Open, empty: Source) -> None:
    test = open_page(empty, "data")
    assert "No calls yet" in texts(test)
    assert "0 ended = 0 stored + 0 pending + 0 dropped." in texts(test)
    assert "llmtrace.duckdb" in texts(test)


def test_what_was_lost_before_anything_was_stored_is_told(open_page: Open, empty: Source) -> None:
    ill = Ill(empty, **{**HEALTH, "stored": 0, "pending": 85})
    assert "100 ended = 0 stored + 85 pending + 15 dropped." in texts(open_page(ill, "data"))


def test_filters_that_match_nothing_leave_the_account(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "data", feature="draft-email", model="gpt-4.1-mini-2025-04-14")
    assert "No calls match" in texts(test) and "ended = " in texts(test)


def test_the_price_book_is_told_with_its_dates(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "data")
    table = values(test, "Provider").set_index("Provider")
    assert set(table.index) == {price.provider for price in load_book().prices}
    assert (table["Valid now"] > 0).all() and table["Checked"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    assert f"`{load_book().version}`" in texts(test)


def test_an_owner_with_other_prices_is_said(open_page: Open, demo: Source) -> None:
    ill = Ill(demo, price_book={"version": "0ther", "rows": 7})
    assert "The database's owner prices by that version" in texts(open_page(ill, "data"))


@pytest.mark.expects_warning
def test_your_own_prices_and_a_mistake_in_them_are_said(
    open_page: Open, open_store: Callable[[Any], Any], made_calls: Any
) -> None:
    source = open_store(made_calls)
    file = source.owner.home / "prices.yaml"
    file.write_text("currency: {code: EUR, rates: [{valid_from: 2026-01-01, per_usd: 0.92}]}\n")
    good = texts(open_page(source, "data", range="all"))
    assert "Your own prices come first" in good and "prices.yaml, line" not in good
    assert "Spend ≈ €" in texts(open_page(source, "overview", range="all")).replace("\\", "")
    file.write_text("# now with a mistake\ncurrency: EUR\n")
    st.cache_data.clear()
    bad = texts(open_page(source, "data", range="all"))
    assert "prices.yaml, line 2: currency: 'EUR' is not of type 'object'" in bad
    assert "Your own prices come first" in bad  # what was in force stays


def test_prices_are_counted_by_whether_they_hold() -> None:
    prices = load_book().prices
    early, late = (account.prices_of(prices, datetime(year, 1, 1, tzinfo=UTC)) for year in (2020, 2099))
    assert sum(row["current"] for row in early) == 0
    assert {row["provider"] for row in late} == {price.provider for price in prices}
    for row in late:
        own = [price for price in prices if price.provider == row["provider"]]
        assert row["current"] + row["ended"] == len(own)
        assert row["promotions"] == sum(p.guaranteed_until is not None and p.valid_to is None for p in own)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 bytes"), (999, "999 bytes"), (35_100_000, "35.1 MB"), (2 * 10**12, "2,000.0 GB")],
)
def test_sizes_have_the_unit_that_suits_them(value: int | None, text: str) -> None:
    assert account.size(value) == text


def test_more_spans_than_ended_are_too_many() -> None:
    assert account.missing({**HEALTH, "stored": 81}) == -1
