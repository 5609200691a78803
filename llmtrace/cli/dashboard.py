"""`llmtrace dashboard`: the same in a browser, live."""

import webbrowser
from pathlib import Path

import click

from llmtrace import config
from llmtrace.cli import options


@click.command("dashboard")
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="0 takes any free port.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@options.place
def command(port: int, browser: bool, home: Path | None, db: Path | None) -> None:
    """Show cost, latency and errors by feature in a browser, live while apps write."""
    from llmtrace.dashboard import launch

    launch.run(
        home or config.default_home(),
        db,
        port,
        on_ready=lambda url: _announce(url, open_browser=browser),
    )


def _announce(url: str, *, open_browser: bool) -> None:
    click.echo(f"Dashboard: {url}  (Ctrl-C stops it)")
    if open_browser:
        webbrowser.open(url)
