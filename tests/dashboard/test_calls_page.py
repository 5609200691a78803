"""The page of single calls, without a browser: the list, its pages, and the call that is chosen."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from llmtrace.dashboard.format import exact_money, known_cost
from llmtrace.dashboard.source import Source
from pages import button, texts
from streamlit.testing.v1 import AppTest

from llmtrace.model import Content

Open = Callable[..., AppTest]


def listed(test: AppTest) -> Any:
    return test.dataframe[0].value


def test_the_list_ties_with_the_totals(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "calls", range="all")
    total = demo.rows("totals", {}).dicts()[0]
    assert f"**{total['calls']:,} calls** · {known_cost(total)}".replace("$", "\\$") in texts(test)
    assert len(listed(test)) == 25


def test_a_page_is_asked_for_and_not_all_calls(open_page: Open, demo: Source) -> None:
    class Watched:
        limits: list[int] = []  # noqa: RUF012

        def rows(self, question: str, options: Any) -> Any:
            if "limit" in options:
                self.limits.append(options["limit"])
            return demo.rows(question, options)

    open_page(Watched(), "calls", range="all")
    assert Watched.limits == [25]


def test_the_address_names_page_order_and_search(open_page: Open, demo: Source) -> None:
    third = open_page(demo, "calls", range="all", sort="dearest", page="3")
    expected = demo.rows("calls_page", {"order": "cost_usd", "limit": 25, "offset": 50}).dicts()
    assert listed(third)["cost_usd"].tolist() == pytest.approx([float(row["cost_usd"]) for row in expected])
    found = open_page(demo, "calls", range="all", q=expected[0]["response_id"].upper())
    assert "**1 call**" in texts(found) and len(listed(found)) == 1


def test_least_seconds_and_dollars_narrow_the_list(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "calls", range="all", min_s="5", min_usd="0.01")
    expected = demo.rows("calls_found", {"min_duration_s": 5, "min_cost_usd": "0.01"}).dicts()[0]
    assert 0 < expected["calls"] < demo.rows("totals", {}).dicts()[0]["calls"]
    assert f"**{expected['calls']:,} calls**" in texts(test)
    assert (listed(test)["duration_s"] >= 5).all() and (listed(test)["cost_usd"] >= 0.01).all()


def test_filters_of_all_pages_hold_here_too(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "calls", range="all", feature="draft-email", status="ok")
    expected = demo.rows("totals", {"feature": "draft-email", "status": "ok"}).dicts()[0]
    assert f"**{expected['calls']:,} calls**" in texts(test)
    assert set(listed(test)["feature"]) == {"draft-email"} and set(listed(test)["status"]) == {"ok"}


def test_another_order_begins_with_the_first_page(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "calls", range="all", page="4")
    test.selectbox(key="sort").select("slowest").run()
    slowest = demo.rows("calls_page", {"order": "duration_s", "limit": 1}).dicts()[0]
    assert listed(test)["duration_s"].iloc[0] == pytest.approx(slowest["duration_s"])
    assert "page" not in test.query_params


def test_a_page_beyond_the_last_is_the_last_or_the_first(open_page: Open, demo: Source) -> None:
    assert len(listed(open_page(demo, "calls", range="all", page="9999"))) > 0


def test_a_search_that_finds_nothing_is_undone_at_once(open_page: Open, demo: Source) -> None:
    test = open_page(demo, "calls", range="all", q="no such id")
    assert "No call of these matches" in texts(test)
    button(test, "narrow_clear")
    assert len(listed(test)) == 25


def test_the_chosen_call_is_shown_with_a_bill_that_adds_up(open_page: Open, demo: Source) -> None:
    call = demo.rows("calls_page", {"order": "cost_usd", "limit": 1}).dicts()[0]
    test = open_page(demo, "calls", range="all", span=call["span_id"])
    said = texts(test)
    for known in ("trace_id", "span_id", "response_id", "user_id", "service", "provider"):
        assert f"`{call[known]}`" in said
    assert f"**{exact_money(call['cost_usd'])}**".replace("$", "\\$") in said and "every part has a price" in said
    bill = test.dataframe[1].value
    items = demo.rows("cost_items", {"span_id": call["span_id"]}).dicts()
    assert bill["cost"].tolist() == [exact_money(item["cost_usd"]) for item in items]
    assert sum(item["cost_usd"] for item in items) == call["cost_usd"]
    assert all(source.startswith("https://") for source in bill["source"])
    assert "were not stored" in said
    button(test, "call_close")
    assert "span" not in test.query_params


def test_why_a_call_has_no_price_is_said(open_page: Open, unpriced: Source) -> None:
    call = unpriced.rows("calls_page", {"limit": 1}).dicts()[0]
    said = texts(open_page(unpriced, "calls", range="all", span=call["span_id"]))
    assert "**not known** · `unpriced` no price is known." in said
    reason = unpriced.rows("call", {"span_id": call["span_id"]}).dicts()[0]["cost_reason"]
    assert reason and reason[:40] in said


def test_a_call_that_is_not_there_is_said(open_page: Open, demo: Source) -> None:
    assert "There is no call `<b>nope</b>` in this store." in texts(open_page(demo, "calls", span="<b>nope</b>"))


def test_captured_content_is_shown_as_code(open_page: Open, open_store: Any, made_calls: Any) -> None:
    text = "<script>alert(1)</script> **bold** [x](http://evil.example)"
    message = json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])
    call, resource = made_calls[-1]
    shown = open_store([(replace(call, content=Content(input_messages=message)), resource)])
    test = open_page(shown, "calls", range="all", span=call.span_id)
    assert text in [code.value for code in test.code]
    assert not any("<script>" in str(markdown.value) for markdown in test.markdown)
    assert not test.get("html")[1:]
