"""The page of latency, without a browser, and its charts and table."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from llmtrace.dashboard import latency_table
from llmtrace.dashboard.charts import histogram, series
from llmtrace.dashboard.format import seconds
from llmtrace.dashboard.groups import Group
from llmtrace.dashboard.metrics import TIMES
from llmtrace.dashboard.period import Period
from llmtrace.dashboard.source import Source
from pages import texts
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
MEASURED: dict[str, Any] = {
    "key": "a", "calls": 30, "latency_p50_s": 1.0, "latency_p95_s": 2.0, "latency_p99_s": 3.0, "latency_max_s": 4.0,
    "streamed": 0, "ttft_p50_s": None, "ttft_p95_s": None, "timed": 30, "tokens_per_s_p50": 41.6,
}  # fmt: skip


def test_the_table_begins_with_all_calls_and_ties_with_the_totals(open_page: Open, demo: Source) -> None:
    table = open_page(demo, "latency", range="all").dataframe[0].value
    total = demo.rows("totals", {}).dicts()[0]
    assert table["name"].iloc[0] == "All together"
    assert table["calls"].iloc[0] == total["calls"] == table["calls"].iloc[1:].sum()
    for name in ("latency_p50_s", "latency_p95_s", "latency_p99_s", "ttft_p50_s", "ttft_p95_s"):
        assert table[name].iloc[0] == pytest.approx(total[name])


@pytest.mark.parametrize("metric", TIMES, ids=lambda metric: metric.name)
@pytest.mark.parametrize("by", ["feature", "model", "provider"])
def test_every_figure_is_drawn_by_any_group(metric: Any, by: str, open_page: Open, demo: Source) -> None:
    test = open_page(demo, "latency", range="all", time=metric.label, group=by)
    assert f"{metric.label} by {by}" in texts(test)
    assert len(test.get("plotly_chart")) == 4


def test_where_nothing_was_streamed_that_is_said(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "latency", range="all", feature="classify-ticket", time="TTFT p95")
    assert "No call here was streamed" in texts(test) and "None of these calls was streamed." in texts(test)
    assert len(test.get("plotly_chart")) == 2


def test_the_slowest_calls_are_listed(open_page: Open, demo: Source) -> None:
    shown = open_page(demo, "latency", range="all").dataframe[1].value
    slowest = demo.rows("calls_page", {"order": "duration_s", "limit": 10}).dicts()
    assert shown["duration_s"].tolist() == pytest.approx([row["duration_s"] for row in slowest])


def test_figures_of_few_calls_are_marked(open_page: Open, single: Source) -> None:
    test = open_page(single, "latency", range="all")
    assert "* of too few calls to say much" in texts(test)
    assert "open circles: fewer than 20 calls" in texts(test)


@pytest.mark.parametrize(
    ("calls", "marked"), [(4, ["p50", "p95", "p99"]), (19, ["p95", "p99"]), (99, ["p99"]), (100, [])]
)
def test_each_percentile_needs_its_own_number_of_calls(calls: int, marked: list[str]) -> None:
    row = {**MEASURED, "calls": calls}
    found = [c[1] for c in latency_table.COLUMNS if latency_table.cell(row, c).endswith("*")]
    assert found == marked
    assert latency_table.has_thin([("a", row)]) == bool(marked)


def test_what_is_not_known_is_a_dash_and_has_no_mark() -> None:
    texts_of = {c[0]: latency_table.cell(MEASURED, c) for c in latency_table.COLUMNS}
    assert texts_of["ttft_p50_s"] == "–"
    assert (texts_of["tokens_per_s_p50"], texts_of["latency_max_s"]) == ("42", "4.00 s")


def test_points_of_few_calls_are_open_and_say_so() -> None:
    since, day = datetime(2026, 11, 9), Period("", datetime(2026, 11, 9), datetime(2026, 11, 11), datetime(2026, 11, 9),
                                              datetime(2026, 11, 11))  # fmt: skip
    rows = [{**MEASURED, "at": since, "is_other": False}, {**MEASURED, "at": datetime(2026, 11, 10), "calls": 3}]
    drawn = series.series_of(rows, TIMES[1], day, "day")
    (line,) = series.over_time(drawn, {Group("a"): "#123456"}).data
    assert list(line.marker.symbol) == ["circle", "circle-open"]
    assert line.hovertext[0].endswith("2.00 s of 30 calls")
    assert line.hovertext[1].endswith("2.00 s of 3 calls: too few to say much")


def test_the_distribution_has_a_bar_for_every_bin_between_the_first_and_the_last() -> None:
    rows = [{"bin": -3, "calls": 2}, {"bin": 1, "calls": 8}]
    marks = {"latency_p50_s": 1.3, "latency_p95_s": 1.5, "latency_p99_s": None}
    figure = histogram.distribution(rows, marks, "duration")
    (bars,) = figure.data
    assert list(bars.y) == [2, 0, 0, 0, 8]
    assert bars.hovertext[4] == f"{seconds(10**0.1)} to {seconds(10**0.2)}<br>8 calls (80.0%)"
    assert [a.text for a in figure.layout.annotations] == ["p50", "p95"]
    assert "half took up to 1.30 s" in histogram.takeaway(rows, marks, "Duration")


def test_no_calls_have_no_distribution() -> None:
    assert len(histogram.distribution([], {}, "duration").data[0].x) == 0
    assert histogram.takeaway([], {}, "Duration") == "Duration: no call to show."
