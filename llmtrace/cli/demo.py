"""`llmtrace demo`: a month of traffic, live calls beside it, and a dashboard that shows both."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anthropic  # noqa: F401 - the live calls go through both SDKs: what is missing is told at once
import click
import openai  # noqa: F401
import streamlit  # noqa: F401

import llmtrace
from llmtrace import config
from llmtrace.cli import tables
from llmtrace.client import Client
from llmtrace.demo.live import make_live_calls
from llmtrace.demo.seed import write_calls
from llmtrace.demo.traffic import DAYS, REGRESSION_DAYS_AGO, make_calls
from llmtrace.errors import ConfigError
from llmtrace.owner import DB_NAME
from llmtrace.rendering import report_json
from llmtrace.simulator import Simulator
from llmtrace.store.lock import read_owner

MARK = "this-is-a-demo"
LIVE_SERVICE = "live-demo"
WAIT_S = 60.0


@click.command("demo")
@click.option("--home", type=click.Path(path_type=Path), help="Where the demo lives (default: beside the real home).")
@click.option("--days", type=click.IntRange(1, 90), default=DAYS, show_default=True, help="Days of traffic to make up.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the dashboard (default: any free one).")
@click.option("--dashboard/--no-dashboard", "with_dashboard", default=True, help="Start the dashboard.")
@click.option("--stop", is_flag=True, help="Stop the dashboard of an earlier demo, and do nothing else.")
def command(home: Path | None, days: int, port: int, with_dashboard: bool, stop: bool) -> None:
    """Fill a database with a month of traffic and live calls, and show it. Needs no key and no network."""
    real = config.default_home()
    place = home or real.with_name(real.name + "-demo")
    _stop_dashboard(place)
    if stop:
        return
    _start_over(place)
    now = datetime.now(UTC).replace(tzinfo=None)
    made = write_calls(place, make_calls(now, days=days))
    click.echo(f"Made up {made:,} calls of the last {days} days.")
    llmtrace.instrument(LIVE_SERVICE, home=place)
    with Simulator(seed=7, latency_s=0.15) as simulator:
        live = make_live_calls(simulator)
        answered = len([r for r in simulator.requests if r.status == 200])
    llmtrace.shutdown(5.0)
    click.echo(f"Made {live} calls through the OpenAI and Anthropic SDKs; a simulator here answered {answered}.\n")
    client = Client(place, None, None, None, "demo")
    _show(client, "The live calls, priced as the real ones would be", service=LIVE_SERVICE)
    _show(client, "Everything")
    _tell_story(client, now)
    if with_dashboard:
        click.echo(f"\nDashboard: {_start_dashboard(place, port)}   (llmtrace demo --stop ends it)")


def _start_over(place: Path) -> None:
    """An empty home at PLACE; only ever one that an earlier demo made is emptied.

    Raises:
        ConfigError: PLACE holds something else.
    """
    if place.exists() and any(place.iterdir()):
        if not (place / MARK).exists():
            raise ConfigError(f"{place} is not the home of a demo; name an empty one with --home")
        shutil.rmtree(place)
    place.mkdir(parents=True, exist_ok=True)
    (place / MARK).touch()


def _show(client: Client, title: str, **chosen: str) -> None:
    rows, totals = client.rows("report", {"by": "feature", **chosen}), client.rows("totals", chosen)
    click.secho(title, bold=True)
    tables.print_report(report_json("feature", rows, totals), totals.dicts()[0], chosen)
    click.echo()


def _tell_story(client: Client, now: datetime) -> None:
    """What there is to find in the made-up month."""
    moved = now - timedelta(days=REGRESSION_DAYS_AGO)
    before, after = (
        _cost_per_call(client, since, until) for since, until in ((moved - timedelta(days=7), moved), (moved, now))
    )
    if before and after:
        click.echo(
            f"What to look for: since {moved:%Y-%m-%d} a call of support-chat costs {tables.money(after)} instead of "
            f"{tables.money(before)}: it moved to a larger model."
        )


def _cost_per_call(client: Client, since: datetime, until: datetime) -> Decimal | None:
    chosen = {"since": since.isoformat(), "until": until.isoformat(), "feature": "support-chat"}
    total = client.rows("totals", chosen).dicts()[0]
    return total["cost_usd"] / total["calls"] if total["cost_usd"] else None


def _start_dashboard(place: Path, port: int) -> str:
    """The address of a dashboard that goes on after this command.

    Raises:
        ConfigError: it does not come up.
    """
    log = place / "dashboard.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "llmtrace", "dashboard", "--no-browser", "--home", str(place), "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        owner = read_owner(place / DB_NAME)
        if owner is not None and owner.url is not None and _answers(owner.url):
            return owner.url
        time.sleep(0.1)
    raise ConfigError(f"the dashboard did not come up; {log} says why")


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url + "/_stcore/health", timeout=2).close()
    except OSError:
        return False
    return True


def _stop_dashboard(place: Path) -> None:
    """End the dashboard that an earlier demo left at PLACE."""
    owner = read_owner(place / DB_NAME)
    if owner is None or owner.kind != "dashboard" or owner.pid is None or not (place / MARK).exists():
        return
    os.kill(owner.pid, signal.SIGTERM)
    deadline = time.monotonic() + WAIT_S
    while read_owner(place / DB_NAME) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
