"""The page of one trace, without a browser."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from llmtrace.dashboard.source import Source
from pages import button, texts
from streamlit.testing.v1 import AppTest
from traces import TRACE, agent_trace, span_id, wide_trace

from llmtrace.model import Span

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def agent(open_spans: Callable[[list[Span]], Source]) -> Source:
    """A store of one trace of eleven spans, an hour old."""
    return open_spans(agent_trace(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)))


def figures(test: AppTest) -> dict[str, str]:
    found = {}
    for element in test.markdown:
        label, _, value = str(element.value).partition("  \n**")
        if label.startswith(":small[:gray["):
            found[label.removeprefix(":small[:gray[").rstrip("]")] = value.rstrip("*").replace("\\", "")
    return found


def test_the_figures_are_of_the_whole_trace(open_page: Open, agent: Source) -> None:
    test = open_page(agent, "trace", trace=TRACE, feature="nope", range="24h")
    found = figures(test)
    assert (found["Cost"], found["LLM calls"], found["Spans"]) == ("$0.0105", "4", "11")
    assert (found["Failed spans"], found["Took"]) == ("2", "9.40 s")
    assert "shown whole, whatever the period and the filters" in texts(test)
    assert "not recorded" in texts(test) and "span of another instrumentation" in texts(test)


def test_a_trace_outside_of_the_period_is_shown(open_page: Open, open_spans: Any) -> None:
    old = open_spans(agent_trace(datetime.now(UTC).replace(tzinfo=None) - timedelta(days=40)))
    assert figures(open_page(old, "trace", trace=TRACE, range="24h"))["Spans"] == "11"


def test_the_chosen_call_is_shown_below(open_page: Open, agent: Source) -> None:
    said = texts(open_page(agent, "trace", trace=TRACE, span=span_id(8)))
    assert f"`{span_id(8)}`" in said and "**\\$0.0035**" in said


def test_the_chosen_span_of_another_instrumentation_is_shown_below(open_page: Open, agent: Source) -> None:
    test = open_page(agent, "trace", trace=TRACE, span=span_id(6))
    assert "`SELECT orders`" in texts(test) and "`opentelemetry.instrumentation.dbapi`" in texts(test)
    assert "Begins 100 ms before its parent" in texts(test)
    button(test, "span_close")
    assert "span" not in test.query_params and test.query_params["trace"] == TRACE


def test_all_traces_are_a_click_away(open_page: Open, agent: Source) -> None:
    test = open_page(agent, "trace", trace=TRACE)
    button(test, "all_traces")
    assert "trace" not in test.query_params
    assert "**1 trace**" in texts(test)
    row = test.dataframe[0].value.iloc[0]
    assert (row["Spans"], row["LLM calls"], row["Failed"]) == (11, 4, "1")
    assert (row["Cost"], row["Took"]) == ("$0.0105", "9.40 s")


def test_the_list_follows_the_filters(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "trace", range="all", feature="draft-email")
    expected = demo.rows("traces_found", {"feature": "draft-email"}).dicts()[0]["traces"]
    assert f"**{expected:,} traces**" in texts(test)
    assert set(test.dataframe[0].value["Features"]) == {"draft-email"}
    assert "No calls match" in texts(open_page(demo, "trace", feature="draft-email", model="gpt-4.1-mini-2025-04-14"))


def test_a_trace_that_is_not_there_is_said(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "trace", trace="<img src=x>")
    assert "No such trace" in texts(test) and "`<img src=x>`" in texts(test)


def test_hundreds_of_spans_are_drawn(open_page: Open, open_spans: Any) -> None:
    wide = open_spans(wide_trace(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1), 500))
    found = figures(open_page(wide, "trace", trace=TRACE))
    assert (found["Spans"], found["LLM calls"], found["Cost"]) == ("500", "50", "$0.1750")


def test_what_was_left_out_of_the_drawing_is_said(open_page: Open, open_spans: Any) -> None:
    wide = open_spans(wide_trace(datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1), 2100))
    test = open_page(wide, "trace", trace=TRACE)
    assert "Drawn are the first 2,000 of its 2,100 spans" in texts(test)
    assert figures(test)["Spans"] == "2,100"
