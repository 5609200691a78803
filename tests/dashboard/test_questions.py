"""The questions that only the pages ask, answered by a real store."""

from decimal import Decimal

import pytest
from llmtrace.dashboard.source import Source

from llmtrace.errors import QueryError


def test_the_top_groups_and_the_others_add_up_to_the_total(demo: Source) -> None:
    total = demo.rows("totals", {}).dicts()[0]
    rows = demo.rows("top_report", {"top": 3}).dicts()
    assert [r["is_other"] for r in rows] == [False, False, False, False, True]
    assert sum(r["calls"] for r in rows) == total["calls"]
    assert sum(r["cost_usd"] for r in rows) == total["cost_usd"]
    assert rows[-1]["groups"] == 5
    assert [r["key"] for r in rows].count(None) == 2


def test_the_series_of_the_top_groups_adds_up_too(demo: Source) -> None:
    total = demo.rows("totals", {}).dicts()[0]
    rows = demo.rows("top_series", {"by": "user", "bucket": "hour", "top": "4", "rank": "calls"}).dicts()
    assert sum(r["calls"] for r in rows) == total["calls"]
    assert sum(r["cost_usd"] or Decimal(0) for r in rows) == total["cost_usd"]
    assert len({r["key"] for r in rows if not r["is_other"]}) == 4


def test_pairs_add_up(demo: Source) -> None:
    total = demo.rows("totals", {}).dicts()[0]
    rows = demo.rows("pairs", {"by": "feature", "within": "model"}).dicts()
    assert sum(r["calls"] for r in rows) == total["calls"]


def test_freshness_counts_all_calls(demo: Source, empty: Source) -> None:
    found = demo.rows("freshness", {}).dicts()[0]
    assert found["calls"] == demo.rows("totals", {}).dicts()[0]["calls"]
    assert empty.rows("freshness", {}).dicts() == [
        {"calls": 0, "cost_usd": None, "first_call_at": None, "last_call_at": None}
    ]


def test_calls_are_filtered_by_tag_and_by_the_state_of_their_price(demo: Source) -> None:
    assert demo.rows("tag_keys", {}).dicts()[0]["key"] == "team"
    by_team = {r["key"]: r["calls"] for r in demo.rows("report", {"by": "tag:team"}).dicts()}
    assert demo.rows("totals", {"tag": "team=search"}).dicts()[0]["calls"] == by_team["search"]
    both = demo.rows("totals", {"tag": ["team=search", "team=growth"]}).dicts()[0]["calls"]
    assert both == by_team["search"] + by_team["growth"]
    assert demo.rows("totals", {"tag": "team="}).dicts()[0]["calls"] == 0
    unpriced = demo.rows("totals", {"cost_status": "unpriced"}).dicts()[0]
    assert unpriced["calls"] == unpriced["unpriced_calls"] > 0


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("totals", {"tag": "team"}),
        ("totals", {"tag": "=x"}),
        ("top_report", {"rank": "latency"}),
        ("top_report", {"top": "many"}),
        ("top_report", {"by": "colour"}),
        ("top_series", {"bucket": "fortnight"}),
    ],
)
def test_what_makes_no_sense_is_refused(demo: Source, question: str, options: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        demo.rows(question, options)
