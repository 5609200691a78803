"""The page of errors, without a browser, and its charts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from llmtrace.dashboard.charts import outcomes
from llmtrace.dashboard.format import duration
from llmtrace.dashboard.period import Period
from llmtrace.dashboard.source import Source
from pages import texts
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
START = datetime(2026, 11, 2)
PERIOD = Period("the last days", START, None, START, datetime(2026, 11, 5, 12))


def outcome(day: int, **counts: Any) -> dict[str, Any]:
    return {
        "at": datetime(2026, 11, day), "calls": 100, "errors": 0, "cancelled": 0, "retried": 0, "retry_wait_s": None,
        **counts,
    }  # fmt: skip


def test_the_figures_tie_with_the_overview(open_page: Open, demo: Source) -> None:
    said = texts(open_page(demo, "errors", range="all"))
    total = demo.rows("totals", {}).dicts()[0]
    assert total["errors"]
    assert f"**{total['errors']:,} · {total['errors'] / total['calls']:.1%}**" in said
    assert "Cancelled by the caller]]  \n**0 · 0.0%**" in said


@pytest.mark.parametrize("by", ["type", "HTTP status", "feature", "model", "provider", "service", "user"])
def test_failures_are_shown_by_any_group(by: str, open_page: Open, demo: Source) -> None:
    test = open_page(demo, "errors", range="all", by=by)
    assert len(test.get("plotly_chart")) == 3
    assert test.dataframe[0].value["Failed"].sum() == demo.rows("totals", {}).dicts()[0]["errors"]


def test_kinds_and_latest_failures_are_listed(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "errors", range="all")
    total = demo.rows("totals", {}).dicts()[0]
    assert test.dataframe[1].value["Calls"].sum() == total["errors"]
    latest = test.dataframe[2].value
    assert len(latest) == min(total["errors"], 10)
    assert all(status.startswith("✕ failed") for status in latest["status"])


def test_nothing_failed_is_said_with_how_many_were_checked(open_page: Open, single: Source) -> None:
    test = open_page(single, "errors", range="all")
    assert "1 call checked: none failed, none was cancelled, none was tried again." in texts(test)
    assert not test.get("plotly_chart")


def test_cancelled_calls_alone_are_no_failures(open_page: Open, open_store: Any, made_calls: Any) -> None:
    calls = [(replace(c, status="cancelled"), r) for c, r in made_calls if c.status == "ok"][:7]
    test = open_page(open_store(calls), "errors", range="all")
    assert "**0 · 0.0%**" in texts(test) and "**7 · 100.0%**" in texts(test)
    assert "None failed: the calls counted above were cancelled by their callers." in texts(test)
    assert set(test.dataframe[2].value["status"]) == {"◌ cancelled"}


def test_what_was_spent_on_cancelled_calls_is_said(open_page: Open, open_store: Any, made_calls: Any) -> None:
    calls = [(replace(c, status="cancelled"), r) for c, r in made_calls if c.status == "ok"][:40]
    shown = open_store(calls)
    spent = shown.rows("totals", {}).dicts()[0]["cost_usd"]
    assert spent > Decimal(0)
    assert f"**\\${spent:.4f}**" in texts(open_page(shown, "errors", range="all")).replace("≥ ", "")


def test_buckets_without_calls_are_gaps_and_days_without_failures_nought() -> None:
    rows = [outcome(2, errors=5), outcome(4)]
    figure = outcomes.rates(rows, PERIOD, "day")
    (line,) = figure.data
    assert list(line.y) == [0.05, None, 0.0, None]
    assert line.hovertext[0].startswith("5.0% failed<br>") and line.hovertext[0].endswith("5 of 100 calls")
    assert "5.0%" in outcomes.rates_takeaway(rows)


def test_cancelled_calls_have_a_line_of_their_own() -> None:
    figure = outcomes.rates([outcome(2, errors=1, cancelled=4)], PERIOD, "day")
    assert [(line.name, line.y[0]) for line in figure.data] == [("failed", 0.01), ("cancelled", 0.04)]


def test_retries_are_counted_with_what_they_waited() -> None:
    rows = [outcome(2, retried=3, retry_wait_s=190.0)]
    bars = outcomes.waits(rows, PERIOD, "day").data
    assert bars[0].y[0] == 3 and "waited 3 min 10 s in all" in bars[0].hovertext[0]
    assert outcomes.waits_takeaway(rows).startswith("Calls tried again over time: 3 in all")


def test_no_calls_have_no_share() -> None:
    assert outcomes.rates_takeaway([]) == "Share of failed calls over time: no calls."


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(None, "–"), (0.25, "250 ms"), (119, "119.00 s"), (121, "2 min 1 s"), (7_260, "2 h 1 min"), (200_000, "2 d 7 h")],
)
def test_long_times_have_two_units(value_s: float | None, text: str) -> None:
    assert duration(value_s) == text
