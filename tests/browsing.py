"""Drives a real browser over the real command's pages, and notes what they ask for and complain about."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IDLE = "[data-testid=stApp][data-test-script-state=notRunning][data-test-connection-state=CONNECTED]"
FIGURE = "[data-testid=stMetricValue]"
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
# What Streamlit's own page asks for below a page's path, and what it says of the trends in cards.
ALLOWED = re.compile(r"404 \(Not Found\)|Infinite extent for field|Scale bindings are currently")
Calls = list[Any]


@dataclass
class Dashboard:
    """A running `llmtrace dashboard`."""

    home: Path
    process: "subprocess.Popen[str]"
    url: str

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Seen:
    """What a page asked for and complained about."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def start(home: Path, port: int = 0, cwd: Path | None = None) -> Dashboard:
    command = [sys.executable, "-m", "llmtrace", "dashboard", "--home", str(home), "--no-browser", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=cwd)
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert found is not None, said
    return Dashboard(home, process, found[0])


def watch(page: Page, seen: Seen) -> None:
    page.on(
        "request",
        lambda r: seen.hosts.add(urlsplit(r.url).hostname or "") if r.url.startswith(("http", "ws")) else None,
    )
    page.on("websocket", lambda w: seen.hosts.add(urlsplit(w.url).hostname or ""))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on(
        "console",
        lambda m: (
            seen.complaints.append(m.text) if m.type in ("error", "warning") and not ALLOWED.search(m.text) else None
        ),
    )


def wait_until_stored(dashboard: Dashboard) -> None:
    """Return once the dashboard has read its journal to the end."""
    for _ in range(600):
        with urllib.request.urlopen(f"{dashboard.url}/api/v1/doctor", timeout=30) as answer:
            if json.load(answer)["pending"] == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the journal is not read to its end")


def settle(page: Page) -> None:
    """Wait until the page is drawn."""
    page.wait_for_timeout(100)
    page.wait_for_selector(IDLE)


def visit(page: Page, dashboard: Dashboard, path: str = "/", waits_for: str = FIGURE) -> None:
    page.goto(dashboard.url + path)
    page.wait_for_selector(waits_for, state="attached")  # a bar of nothing has no height
    settle(page)


def figure(page: Page, place: int) -> str:
    return page.locator(FIGURE).nth(place).inner_text()


def bars(page: Page, key: str) -> Locator:
    page.wait_for_selector(f".st-key-{key} .barlayer .point", state="attached")
    return page.locator(f".st-key-{key} .barlayer .point")


def resting_box(page: Page, target: Locator) -> dict[str, float]:
    """Where TARGET is once it stays there: what is above it may still grow."""
    last: Any = None
    for _ in range(40):
        box = target.bounding_box()
        if box is not None and box == last:
            return dict(box)
        last = box
        page.wait_for_timeout(250)
    raise AssertionError(f"{target} does not come to rest")


def click_middle(page: Page, target: Locator) -> None:
    box = resting_box(page, target)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def parameters(page: Page) -> str:
    return urlsplit(page.url).query
