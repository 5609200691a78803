"""Latency, errors, calls, traces and data as a person meets them: from figure to call to trace and back."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from browsing import SCREENSHOTS, Dashboard, Seen, click_middle, now, parameters, resting_box, settle, visit
from playwright.sync_api import Browser, Page
from traces import TRACE, agent_trace, span_id, wide_trace

from llmtrace.demo.seed import write_spans
from llmtrace.demo.traffic import make_calls
from llmtrace.model import Content, Span

pytestmark = pytest.mark.browser

TABLE, CELLS = "[data-testid=stDataFrame]", "[data-testid=stDataFrame] canvas"
ROW = ".rows .row:not([hidden])"
READY = {
    "/latency": ".st-key-latency_groups .main-svg", "/errors": ".st-key-error_types .main-svg", "/calls": CELLS,
    "/trace": CELLS, f"/trace?trace={TRACE}": ROW, "/data": CELLS,
}  # fmt: skip
ROW_PX = 30


@pytest.fixture(scope="module")
def full(serve: Callable[..., Dashboard]) -> Dashboard:
    """A month of the demo's traffic, and an agent's trace after all of it."""
    return serve(list(make_calls(now() - timedelta(minutes=2))), agent_trace(now() - timedelta(minutes=1)))


def with_range(path: str) -> str:
    return path + ("&" if "?" in path else "?") + "range=14d"


def click_row(page: Page, place: int, table: int = 0) -> None:
    """Click a cell in the row PLACE of the TABLE."""
    target = page.locator(TABLE).nth(table)
    target.scroll_into_view_if_needed()
    box = resting_box(page, target)
    page.mouse.click(box["x"] + 260, box["y"] + ROW_PX * (place + 1) + ROW_PX / 2)


def wait_for_address(page: Page, part: str) -> None:
    page.wait_for_function("part => location.href.includes(part)", arg=part, timeout=20_000)
    settle(page)


@pytest.mark.parametrize("path", READY)
def test_a_page_loads_and_asks_no_other_host(path: str, page: Page, full: Dashboard, seen: Seen) -> None:
    visit(page, full, with_range(path), waits_for=READY[path])
    page.get_by_text("Filters", exact=True).click()
    page.wait_for_selector("[data-testid=stPopoverBody]")
    settle(page)
    assert seen.hosts == {"127.0.0.1"}
    assert seen.complaints == []


@pytest.mark.parametrize("path", ["/latency", "/errors", "/calls", "/trace", "/data"])
def test_a_filter_in_the_address_holds(path: str, page: Page, full: Dashboard) -> None:
    visit(page, full, with_range(path) + "&feature=support-chat", waits_for=READY[path])
    assert page.locator(".st-key-badge_0").inner_text().endswith("support-chat")
    assert "feature=support-chat" in parameters(page)


def test_from_cost_to_the_calls_to_the_trace_and_back(page: Page, full: Dashboard, seen: Seen) -> None:
    visit(page, full, "/cost?range=14d&feature=returns-agent", waits_for=".barlayer .point")
    said = page.get_by_text("in the last 14 days").first.inner_text()
    page.get_by_role("link", name="Calls").click()
    page.wait_for_selector(".st-key-narrow")
    settle(page)
    assert set(parameters(page).split("&")) == {"range=14d", "feature=returns-agent"}
    count = said.split(" · ")[1].split(" ")[0]
    page.get_by_text(f"{count} calls", exact=True).wait_for()
    click_row(page, 0)
    wait_for_address(page, "span=")
    assert f"span={span_id(10)}" in parameters(page)
    page.locator(".st-key-call").get_by_role("link", name="Trace").click()
    page.wait_for_selector(ROW)
    settle(page)
    assert {f"trace={TRACE}", f"span={span_id(10)}", "feature=returns-agent"} <= set(parameters(page).split("&"))
    assert page.locator(f"{ROW}[aria-selected=true]").get_attribute("aria-label", timeout=5000)
    # Streamlit makes several steps of a change of page and of its address; one of them has let the filters go already.
    for _ in range(5):
        page.go_back()
        settle(page)
        if "/calls" in page.url and f"span={span_id(10)}" in parameters(page):
            break
    page.wait_for_selector(".st-key-call")
    settle(page)
    assert {"range=14d", f"span={span_id(10)}"} <= set(parameters(page).split("&"))
    assert page.locator(".st-key-call").is_visible()
    assert seen.complaints == []


def test_the_chosen_call_closes(page: Page, full: Dashboard) -> None:
    visit(page, full, f"/calls?range=24h&span={span_id(8)}", waits_for=".st-key-call")
    assert page.get_by_text("$0.0035", exact=True).count() >= 1
    page.get_by_role("button", name="Close").click()
    page.wait_for_selector(".st-key-call", state="detached")
    settle(page)
    assert parameters(page) == "range=24h"


def test_pages_of_calls_are_turned_and_linked_to(page: Page, full: Dashboard) -> None:
    visit(page, full, "/calls?range=14d&page=3", waits_for=CELLS)
    page.get_by_role("button", name="Next", exact=False).first.click()
    wait_for_address(page, "page=4")
    assert set(parameters(page).split("&")) == {"range=14d", "page=4"}


def test_a_search_finds_a_call_by_any_id(page: Page, full: Dashboard) -> None:
    visit(page, full, "/calls?range=14d", waits_for=CELLS)
    field = page.locator(".st-key-q input")
    field.fill(TRACE)
    field.press("Enter")
    wait_for_address(page, f"q={TRACE}")
    page.get_by_text("4 calls", exact=True).wait_for()


def test_the_slowest_and_the_failed_lead_to_their_calls(page: Page, full: Dashboard) -> None:
    visit(page, full, "/latency?range=14d", waits_for=READY["/latency"])
    click_row(page, 2, table=1)
    wait_for_address(page, "/calls")
    assert {"range=14d", "sort=slowest"} <= set(parameters(page).split("&"))
    page.wait_for_selector(".st-key-call")
    visit(page, full, "/errors?range=14d", waits_for=READY["/errors"])
    click_row(page, 0, table=1)
    wait_for_address(page, "/calls")
    names = {part.partition("=")[0] for part in parameters(page).split("&")}
    assert {"range", "status", "error", "provider", "model"} <= names
    page.wait_for_selector(".st-key-badge_0")
    page.get_by_text(re.compile(r"^\d+ calls?$")).first.wait_for()


def test_the_tree_is_walked_with_the_keyboard(page: Page, full: Dashboard) -> None:
    visit(page, full, f"/trace?range=14d&trace={TRACE}", waits_for=ROW)
    rows = page.locator(ROW)
    assert rows.count() == 12  # eleven spans, and the place of a parent that was not sent
    rows.first.focus()
    focused = "e => e.getRootNode().activeElement?.querySelector('.name')?.textContent"
    for key, name in (("ArrowDown", "agent.run"), ("End", "queue.publish"), ("Home", "POST /returns/{order}")):
        page.keyboard.press(key)
        assert page.locator(".rows").evaluate(focused) == name
    page.keyboard.press("ArrowLeft")
    assert rows.count() == 3
    assert rows.first.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowRight")
    assert rows.count() == 12
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_address(page, f"span={span_id(3)}")
    page.wait_for_selector(".st-key-span_panel")
    assert page.locator(f"{ROW}[aria-selected=true] .name").inner_text() == "chat gpt-4o"
    assert page.locator(".rows").evaluate(focused) == "chat gpt-4o"


def test_calls_and_failures_are_marked_in_the_tree(page: Page, full: Dashboard) -> None:
    visit(page, full, f"/trace?range=14d&trace={TRACE}", waits_for=ROW)
    assert page.locator(".row.call").count() == 4
    assert page.locator(".row.failed .mark.bad").all_text_contents() == ["failed", "failed"]
    assert page.locator(".row.missing").count() == 1
    assert page.locator(".row.call .facts").first.inner_text() == "$0.0035 · 1.0k → 100 tokens"
    click_middle(page, page.locator(".row", has_text="SELECT orders"))
    wait_for_address(page, f"span={span_id(6)}")
    page.get_by_text("Begins 100 ms before its parent: the clocks differ.").wait_for()


def test_hundreds_of_spans_are_drawn_and_followed(page: Page, serve: Callable[..., Dashboard], seen: Seen) -> None:
    began = now() - timedelta(minutes=5)
    dashboard = serve([], wide_trace(began, 500))
    visit(page, dashboard, f"/trace?range=24h&trace={TRACE}", waits_for=ROW)
    assert page.locator(".row").count() == 500
    page.locator(ROW).nth(40).focus()
    late = agent_trace(began + timedelta(seconds=1))[2]
    write_spans(dashboard.home, [replace(late, span_id="e" * 16, parent_span_id=span_id(1))])
    page.wait_for_function("document.querySelectorAll('*').length > 0")
    page.locator(".row").nth(500).wait_for(state="attached", timeout=20_000)
    settle(page)
    focused = "e => e.getRootNode().activeElement?.querySelector('.name')?.textContent"
    assert page.locator(".rows").evaluate(focused), "a renewed tree keeps its focus"
    assert seen.complaints == []


def test_an_empty_home_is_shown_with_its_account(page: Page, serve: Callable[..., Dashboard], seen: Seen) -> None:
    dashboard = serve([])
    for path in ("/calls", "/trace", "/latency", "/errors", "/data"):
        visit(page, dashboard, path, waits_for="text=No calls yet")
    page.get_by_text("0 ended = 0 stored + 0 pending + 0 dropped.").wait_for()
    assert seen.complaints == []


HOSTILE = "<img src=x onerror='window.hacked = 1'> **b** [x](http://evil.example) :red[x] $x$ `c`"


def hostile_spans() -> list[Span]:
    """An agent's trace in which every text is somebody's attempt at markup."""
    found = []
    for span in agent_trace(now() - timedelta(minutes=3)):
        changes: dict[str, Any] = {"name": HOSTILE, "status_message": HOSTILE, "scope": span.scope}
        if span.scope != "llmtrace":
            changes["attributes"] = {HOSTILE: HOSTILE}
        found.append(replace(span, **changes))
    return found


def test_hostile_texts_are_only_text(page: Page, serve: Callable[..., Dashboard], seen: Seen) -> None:
    message = '[{"role":"user","parts":[{"type":"text","content":"%s"}]}]' % HOSTILE  # noqa: UP031
    call, resource = list(make_calls(now(), days=1))[-1]
    changes = {
        "feature": HOSTILE,
        "user_id": HOSTILE,
        "error_type": HOSTILE,
        "status": "error",
        "tags": {HOSTILE: HOSTILE},
    }
    shown = replace(call, **changes, content=Content(input_messages=message))
    dashboard = serve([(shown, resource)], hostile_spans())
    for path in (
        f"/calls?range=all&span={call.span_id}", f"/trace?range=all&trace={TRACE}&span={span_id(2)}",
        "/errors?range=all", "/latency?range=all", "/data?range=all", "/trace?range=all", f"/trace?trace={HOSTILE}",
    ):  # fmt: skip
        visit(page, dashboard, path, waits_for="[data-testid=stMain] [data-testid=stMarkdown]")
        page.wait_for_timeout(700)
        settle(page)
        main = page.locator("[data-testid=stMain]")
        assert main.locator("a[href*=evil]").count() == 0 and main.locator("img").count() == 0, path
        assert page.locator(".katex").count() == 0, path
    visit(page, dashboard, f"/calls?range=all&span={call.span_id}", waits_for=".st-key-call")
    page.get_by_text("Prompt and answer (1 messages)").click()
    assert page.get_by_test_id("stCode").get_by_text(HOSTILE[:20]).first.is_visible()
    assert page.evaluate("window.hacked") is None
    assert seen.hosts == {"127.0.0.1"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_they_fit_the_screen(width: int, theme: Any, browser: Browser, full: Dashboard) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    height = 800 if width > 640 else 844
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    shots = {
        "latency": "/latency", "errors": "/errors", "calls": "/calls", "call": f"/calls?span={span_id(8)}",
        "traces": "/trace", "trace": f"/trace?trace={TRACE}", "data": "/data",
    }  # fmt: skip
    for name, path in shots.items():
        visit(page, full, with_range(path), waits_for=READY.get(path, CELLS))
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        tall = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        page.set_viewport_size({"width": width, "height": tall + 60})
        page.wait_for_timeout(700)
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}-full.png")
        page.set_viewport_size({"width": width, "height": height})
    context.close()


def test_turning_a_page_is_quick(page: Page, full: Dashboard) -> None:
    visit(page, full, "/calls?range=30d", waits_for=CELLS)
    began = time.monotonic()
    page.get_by_role("button", name="Next", exact=False).first.click()
    wait_for_address(page, "page=2")
    assert time.monotonic() - began < 6
