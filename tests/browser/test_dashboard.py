"""The dashboard as a person meets it: the real command, a real browser, and nothing on the network but loopback."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browsing import (
    FIGURE,
    SCREENSHOTS,
    Calls,
    Dashboard,
    Seen,
    bars,
    click_middle,
    figure,
    now,
    parameters,
    resting_box,
    settle,
    start,
    visit,
)
from playwright.sync_api import Browser, Page

from llmtrace.demo.seed import write_calls
from llmtrace.demo.traffic import make_calls

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<a href='http://evil.example'>link</a><b>bold</b>",
    "**x** [a](http://evil.example)",
    ":red[x] :tada: :material/home:",
    "$x$ and `code`",
    "www.evil.example",
    "=1+1",
    "%{x} %{customdata}",
    "🚀 émoji",
    "x" * 300,
)


@pytest.mark.parametrize("path", ["/", "/cost"])
def test_a_page_loads_and_asks_no_other_host(path: str, page: Page, demo: Dashboard, seen: Seen) -> None:
    visit(page, demo, path, waits_for=".barlayer .point")
    page.get_by_text("Filters").click()
    page.wait_for_selector("[data-testid=stPopoverBody]")
    settle(page)
    assert seen.hosts == {"127.0.0.1"}
    assert seen.complaints == []


def test_a_click_on_a_bar_filters_and_back_restores(page: Page, demo: Dashboard) -> None:
    visit(page, demo, "/?range=14d")
    before = figure(page, 1)
    click_middle(page, bars(page, "overview_bars").nth(0))
    page.wait_for_selector(".st-key-badge_0")
    settle(page)
    assert parameters(page) == "range=14d&feature=support-chat"
    assert figure(page, 1) != before
    assert bars(page, "overview_bars").count() == 1
    page.go_back()
    page.wait_for_selector(".st-key-badge_0", state="detached")
    settle(page)
    assert parameters(page) == "range=14d"
    assert figure(page, 1) == before


def test_a_link_restores_what_it_was_copied_from(page: Page, demo: Dashboard) -> None:
    link = "/cost?range=14d&feature=support-chat&group=model&metric=Calls&compare=false"
    visit(page, demo, link, waits_for=".barlayer .point")
    assert page.get_by_role("heading", name="Calls by model").is_visible()
    assert page.locator(".st-key-badge_0").inner_text().endswith("support-chat")
    names = page.locator(".st-key-cost_series .legendtext").all_text_contents()
    assert sorted(names) == ["gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"]
    assert set(parameters(page).split("&")) == set(link.partition("?")[2].split("&"))


def test_filters_stay_from_page_to_page(page: Page, demo: Dashboard) -> None:
    visit(page, demo, "/?range=14d&feature=draft-email")
    calls = figure(page, 1)
    page.get_by_role("link", name="Cost").click()
    page.wait_for_selector(".st-key-cost_series .barlayer .point", state="attached")
    settle(page)
    assert page.url.startswith(demo.url + "/cost?")
    assert set(parameters(page).split("&")) == {"range=14d", "feature=draft-email"}
    assert page.get_by_text(f"{calls} calls in the last 14 days").is_visible()


def test_the_search_finds_any_name_and_filters_by_it(page: Page, demo: Dashboard) -> None:
    visit(page, demo, "/?range=14d")
    page.get_by_text("Filters").click()
    page.get_by_role("combobox", name="Find").fill("haiku")
    page.wait_for_selector("[role=option]")
    assert re.search(
        r"model · claude-haiku-4-5-20251001 · [\d,]+ calls", page.locator("[role=option]").first.inner_text()
    )
    page.keyboard.press("Enter")
    page.wait_for_selector(".st-key-badge_0")
    settle(page)
    assert parameters(page) == "range=14d&model=claude-haiku-4-5-20251001"


def test_values_in_the_address_that_make_no_sense_fall_back(page: Page, demo: Dashboard, seen: Seen) -> None:
    visit(page, demo, "/?range=99d&feature=nope&compare=maybe")
    assert page.get_by_text("in the last 7 days").is_visible()
    assert parameters(page) == ""
    assert seen.complaints == []


def test_a_row_of_the_table_is_looked_into(page: Page, demo: Dashboard) -> None:
    visit(page, demo, "/cost?range=14d", waits_for=".barlayer .point")
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = resting_box(page, table)
    page.mouse.click(box["x"] + 17, box["y"] + 35 * 2 + 17)  # the box before the first group, below heading and total
    page.wait_for_selector(".st-key-badge_0")
    settle(page)
    assert set(parameters(page).split("&")) == {"range=14d", "feature=support-chat", "group=model"}


def test_the_table_is_taken_away_as_a_file(page: Page, demo: Dashboard) -> None:
    visit(page, demo, "/cost?range=14d", waits_for=".barlayer .point")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text()
    assert text.startswith("feature,kind,spend_usd,")
    assert "\nTotal,total," in text
    assert download.value.suggested_filename.startswith("llmtrace-feature-")


def new_calls(count: int) -> Calls:
    calls = list(make_calls(now(), days=1))[:count]
    start_ns = time.time_ns()
    return [
        (replace(c, started_at_ns=start_ns - i * 1_000_000, feature="just-now"), r) for i, (c, r) in enumerate(calls)
    ]


def test_new_calls_appear_by_themselves_without_a_flicker(page: Page, serve: Callable[..., Dashboard]) -> None:
    dashboard = serve(list(make_calls(now(), days=2)))
    visit(page, dashboard, "/?range=24h", waits_for=".barlayer .point")
    before = int(figure(page, 1).replace(",", ""))
    page.evaluate(
        """() => { window.faded = 0; const look = () => {
          for (const e of document.querySelectorAll('[data-stale=true]'))
            if (+getComputedStyle(e).opacity < 0.95) window.faded += 1
          requestAnimationFrame(look) }; look() }"""
    )
    began = time.monotonic()
    write_calls(dashboard.home, new_calls(25))
    page.wait_for_function(f"document.querySelectorAll('{FIGURE}')[1].innerText != '{before:,}'", timeout=10_000)
    took = time.monotonic() - began
    settle(page)
    assert abs(int(figure(page, 1).replace(",", "")) - before - 25) <= 2  # a day ends while we look
    assert page.get_by_text("just-now").first.is_visible()
    assert took < 10
    assert page.evaluate("window.faded") == 0


def test_an_empty_store_fills_by_itself(page: Page, serve: Callable[..., Dashboard]) -> None:
    dashboard = serve([])
    visit(page, dashboard, waits_for="text=No calls yet")
    page.wait_for_selector("[data-testid=stCode]")
    assert "llmtrace.instrument(" in page.get_by_test_id("stCode").first.inner_text()
    write_calls(dashboard.home, new_calls(5))
    page.wait_for_selector(FIGURE, timeout=10_000)
    settle(page)
    assert figure(page, 1) == "5"


def test_hostile_names_are_only_text(page: Page, serve: Callable[..., Dashboard], seen: Seen) -> None:
    calls = list(make_calls(now(), days=2))[:440]
    dashboard = serve([(replace(c, feature=HOSTILE[i % len(HOSTILE)]), r) for i, (c, r) in enumerate(calls)])
    for path in ("/?range=all", "/cost?range=all&top=15", "/cost?range=all&top=15&metric=%24+per+1k+calls"):
        visit(page, dashboard, path, waits_for=".js-plotly-plot .main-svg")
        page.wait_for_timeout(500)
        drawn = page.locator("svg .legendtext, svg .ytick text").all_text_contents()
        assert any("<script>" in text or "<a href" in text or "<img" in text for text in drawn), drawn
        assert page.locator("[data-testid=stMain] a[href*=evil]").count() == 0
        assert page.locator("[data-testid=stMain] img, [data-testid=stMain] script").count() == 0
        assert page.locator(".katex").count() == 0
    visit(page, dashboard, "/?range=all")
    for place in range(bars(page, "overview_bars").count()):
        box = bars(page, "overview_bars").nth(place).bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector(".st-key-overview_bars .hoverlayer .hovertext")
        assert page.locator(".hoverlayer a, .hoverlayer [style*=bold]").count() == 0
    for name in HOSTILE[:6]:
        page.goto(dashboard.url + "/?range=all&feature=" + quote(name, safe=""))
        page.wait_for_selector(".st-key-badge_0")
        settle(page)
        assert page.locator(".st-key-badge_0 a, .st-key-badge_0 img").count() == 0
    assert page.evaluate("window.hacked") is None
    assert seen.hosts == {"127.0.0.1"}


SETTINGS = """
[theme]
backgroundColor = "#ffc0cb"
[theme.light]
backgroundColor = "#ffc0cb"
font = "monospace"
[server]
baseUrlPath = "elsewhere"
[browser]
gatherUsageStats = true
serverAddress = "evil.example"
"""


def test_settings_of_other_streamlit_apps_change_nothing(page: Page, tmp_path: Path, seen: Seen) -> None:
    folder, home = tmp_path / ".streamlit", tmp_path / "home"
    folder.mkdir()
    (folder / "config.toml").write_text(SETTINGS)
    write_calls(home, new_calls(5))
    dashboard = start(home, cwd=tmp_path)
    try:
        visit(page, dashboard)
        style = page.evaluate(
            "() => { const s = getComputedStyle(document.querySelector('[data-testid=stApp]'));"
            " return [s.backgroundColor, s.fontFamily] }"
        )
        assert style[0] == "rgb(255, 255, 255)"
        assert "Source Sans" in style[1]
        assert seen.hosts == {"127.0.0.1"}
    finally:
        dashboard.stop()


def test_a_dead_server_is_said_and_a_new_one_is_found(page: Page, serve: Callable[..., Dashboard]) -> None:
    dashboard = serve(list(make_calls(now(), days=2)))
    visit(page, dashboard)
    dashboard.process.kill()
    dashboard.process.wait(5)
    banner = page.get_by_text("Connection lost: the dashboard's process does not answer.")
    banner.wait_for(state="visible", timeout=10_000)
    assert re.search(r"as of \d\d:\d\d:\d\d UTC", banner.inner_text())
    assert "llmtrace dashboard" in banner.inner_text()
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "lost.png")
    again = start(dashboard.home, int(dashboard.url.rpartition(":")[2]))
    try:
        banner.wait_for(state="hidden", timeout=40_000)
        settle(page)
        assert page.locator(FIGURE).count() == 5
    finally:
        again.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen(width: int, theme: Any, browser: Browser, demo: Dashboard) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    height = 800 if width > 640 else 844
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    for name, path in (("overview", "/?range=14d"), ("cost", "/cost?range=14d")):
        visit(page, demo, path, waits_for=".barlayer .point")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if name == "overview" and width == 1280:
            last = page.locator("[data-testid=stMetric]").last.bounding_box()
            assert last is not None and last["y"] + last["height"] < 400, "all figures are above the fold"
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}.png")
        tall = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
        page.set_viewport_size({"width": width, "height": tall + 60})
        page.wait_for_timeout(700)
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}-full.png")
        page.set_viewport_size({"width": width, "height": height})
    context.close()
