"""Every page on every kind of store, run as Streamlit runs it, without a browser."""

import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from llmtrace.dashboard import views
from llmtrace.dashboard.format import known_cost
from llmtrace.dashboard.source import Source
from pages import metrics, texts
from streamlit.testing.v1 import AppTest

from llmtrace.errors import StoreError

PAGES = [view.path for view in views.VIEWS]
CHARTED = ("overview", "cost", "latency", "errors")


def test_every_file_of_views_is_a_page() -> None:
    assert {module.name for module in pkgutil.iter_modules(views.__path__)} == set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_its_figures_are_about(path: str, open_page: Callable[..., AppTest], demo: Source) -> None:
    said = texts(open_page(demo, path, range="all"))
    total = demo.rows("totals", {}).dicts()[0]
    assert f"{total['calls']:,} calls in all recorded time" in said
    assert "UTC**" in said and "untagged" in said and "unpriced" in said and "estimated" in said
    assert "estimates, not invoices" in said


def test_the_overview_ties_with_the_totals(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, range="all")
    total = demo.rows("totals", {}).dicts()[0]
    assert metrics(test)["Spend"] == known_cost(total)
    assert metrics(test)["Spend"].startswith("≥ ")
    assert metrics(test)["Calls"] == f"{total['calls']:,}"
    assert len(test.get("plotly_chart")) == 4


def test_what_changed_most_is_said_with_its_direction_and_why(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, range="24h")
    lines = next(m.value for m in test.markdown if m.value.startswith("- ")).splitlines()
    assert len(lines) == 5
    for line in lines:
        assert re.match(r"- :(red\[▲ \+|green\[▼ −)\\\$[\d.,]+( \([^)]+\))?\] `[a-z()-]+`: \S", line), line
    assert all(metric.delta for metric in test.metric)
    assert "against the previous 24 hours" in texts(test)


def test_growth_is_not_claimed_where_recording_began_too_late(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, range="7d")
    assert "Recording began on" in texts(test)
    assert not any(metric.delta for metric in test.metric)


def test_every_chart_says_in_words_what_it_shows(open_page: Callable[..., AppTest], demo: Source) -> None:
    for path in CHARTED:
        charts = open_page(demo, path, range="all").get("plotly_chart")
        assert charts and all(len(chart.proto.alt) > 30 for chart in charts)


def test_every_chart_keeps_its_data_here(open_page: Callable[..., AppTest], demo: Source) -> None:
    for path in CHARTED:
        for chart in open_page(demo, path).get("plotly_chart"):
            assert '"showSendToCloud": false' in chart.proto.config


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_store_shows_how_to_begin(path: str, open_page: Callable[..., AppTest], empty: Source) -> None:
    test = open_page(empty, path)
    assert "No calls yet" in texts(test)
    assert "llmtrace.instrument(" in texts(test) and "llmtrace demo" in texts(test)
    assert not test.metric and not test.get("plotly_chart")


@pytest.mark.parametrize("path", PAGES)
def test_one_call_is_enough(path: str, open_page: Callable[..., AppTest], single: Source) -> None:
    assert "1 call in the last 7 days" in texts(open_page(single, path))


def test_without_any_price_spend_is_unknown_and_not_nothing(
    open_page: Callable[..., AppTest], unpriced: Source
) -> None:
    test = open_page(unpriced, range="all")
    assert metrics(test)["Spend"] == "–"
    assert "100.0% unpriced" in texts(test)
    cost = open_page(unpriced, "cost", range="all")
    table = cost.dataframe[0].value
    assert table["spend_usd"].isna().all()
    assert table["unpriced_calls"].iloc[0] == 200
    assert "acme-9" in texts(cost) and "llmtrace explain" in texts(cost)


@pytest.mark.parametrize("path", PAGES)
def test_a_store_that_does_not_answer_is_said_with_what_to_do(
    path: str, open_page: Callable[..., AppTest], demo: Source, broken: Source
) -> None:
    open_page(demo, path)
    said = texts(open_page(broken, path))
    assert "The store does not answer" in said
    assert "is not open any more" in said
    assert "Last data: **" in said
    assert "llmtrace doctor" in said


class HalfBroken:
    """A store that answers all but one question."""

    def __init__(self, whole: Source) -> None:
        self._whole = whole

    def rows(self, question: str, options: Mapping[str, Any]) -> Any:
        if question == "top_series":
            raise StoreError("the disk is gone")
        return self._whole.rows(question, options)

    def health(self) -> dict[str, Any]:
        return self._whole.health()


def test_a_part_that_cannot_be_read_leaves_the_others(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(HalfBroken(demo))
    assert "This part could not be read" in texts(test)
    assert len(test.get("plotly_chart")) == 3


def test_filters_that_match_nothing_are_named_and_cleared_at_once(
    open_page: Callable[..., AppTest], demo: Source
) -> None:
    test = open_page(demo, feature="draft-email", model="gpt-4.1-mini-2025-04-14")
    assert "No calls match" in texts(test)
    assert "feature `draft-email` and model `gpt-4.1-mini-2025-04-14`" in texts(test)
    test.button(key="no_match_clear").click().run()
    assert metrics(test)["Calls"] == f"{demo.rows('totals', {'since': '7d'}).dicts()[0]['calls']:,}"
    assert "feature" not in test.query_params


def test_the_address_holds_the_state(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, range="30d", feature=["support-chat", "(untagged)"], compare="false")
    expected = demo.rows("totals", {"feature": ["support-chat", ""]}).dicts()[0]
    assert metrics(test)["Calls"] == f"{expected['calls']:,}"
    assert [button.label for button in test.button if (button.key or "").startswith("badge_")] == [
        "feature `support-chat`",
        "feature `(untagged)`",
    ]
    test.button(key="badge_1").click().run()
    assert test.query_params["feature"] == "support-chat"


def test_values_that_make_no_sense_fall_back_silently(open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, "cost", range="99d", feature="nope", group="colour", top="many", metric="?", dates="x")
    assert f"{demo.rows('totals', {'since': '7d'}).dicts()[0]['calls']:,} calls in the last 7 days" in texts(test)


@pytest.mark.parametrize("by", ["feature", "model", "user", "tenant", "prompt version", "tag:team"])
def test_the_first_row_of_the_table_is_the_total(by: str, open_page: Callable[..., AppTest], demo: Source) -> None:
    by = by.replace(" ", "_")
    test = open_page(demo, "cost", range="all", group=by)
    total = demo.rows("totals", {}).dicts()[0]
    table = test.dataframe[0].value
    groups = table[~table["name"].isin(["Total", "(unpriced) of these"])]
    assert table["name"].iloc[0] == "Total"
    assert table["calls"].iloc[0] == total["calls"] == groups["calls"].sum()
    assert table["spend_usd"].iloc[0] == pytest.approx(float(total["cost_usd"]))
    assert groups["spend_usd"].sum() == pytest.approx(float(total["cost_usd"]))
    assert f"**{known_cost(total)}**".replace("$", "\\$") in texts(test)


def test_untagged_and_unpriced_calls_are_always_in_sight(open_page: Callable[..., AppTest], demo: Source) -> None:
    said = texts(open_page(demo, "cost", range="all", feature="support-chat"))
    assert "**(untagged)** · 0 calls" in said and "**(unpriced)** · 0 calls" in said
    names = open_page(demo, "cost", range="all", top="5").dataframe[0].value["name"].tolist()
    assert "(untagged)" in names and "(unpriced) of these" in names and "(other) 3 more" in names


@pytest.mark.parametrize("metric", ["Spend", "Calls", "Input tokens", "Output tokens", "$ per 1k calls"])
def test_every_metric_can_be_explored(metric: str, open_page: Callable[..., AppTest], demo: Source) -> None:
    test = open_page(demo, "cost", metric=metric, bucket="hour", cumulative="true")
    assert metric.replace("$", "\\$") + " by feature" in texts(test)


def test_hostile_names_are_code_wherever_markdown_is_read(
    open_page: Callable[..., AppTest], open_store: Callable[[Any], Source], made_calls: Any
) -> None:
    names = ["<script>alert(1)</script>", "**x** [a](http://b.example)", ":red[x] $x$ `a`", "=1+1", "x" * 300]
    calls = [(replace(c, feature=names[i % 5]), resource) for i, (c, resource) in enumerate(made_calls[:100])]
    shown = open_store(calls)
    test = open_page(shown, feature=["**x** [a](http://b.example)", "<script>alert(1)</script>"], range="all")
    labels = [button.label for button in test.button if (button.key or "").startswith("badge_")]
    assert labels == ["feature `**x** [a](http://b.example)`", "feature `<script>alert(1)</script>`"]
    assert not test.get("html")[1:], "no HTML but the page's own style"
    listed = open_page(shown, "cost", range="all").dataframe[0].value["name"].tolist()
    assert set(names) <= set(listed)
