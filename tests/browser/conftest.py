"""Running dashboards, and a browser to look at them with."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from browsing import CHROMIUM, FLAGS, Calls, Dashboard, Seen, now, start, wait_until_stored, watch
from playwright.sync_api import Browser, Page, sync_playwright

from llmtrace.demo.seed import write_calls, write_spans
from llmtrace.demo.traffic import make_calls
from llmtrace.model import Span


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Dashboard]]:
    """Starts dashboards of homes with the given calls and spans."""
    running: list[Dashboard] = []

    def run(calls: Calls, spans: Sequence[Span] = ()) -> Dashboard:
        home = tmp_path_factory.mktemp("home")
        if calls:
            write_calls(home, calls)
        if spans:
            write_spans(home, spans)
        running.append(start(home))
        wait_until_stored(running[-1])
        return running[-1]

    yield run
    for dashboard in running:
        dashboard.stop()


@pytest.fixture(scope="module")
def demo(serve: Callable[..., Dashboard]) -> Dashboard:
    """A month of the demo's traffic."""
    return serve(list(make_calls(now())))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    """A page of 1280 by 800, that tells what it asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened = context.new_page()
    watch(opened, seen)
    yield opened
    context.close()
