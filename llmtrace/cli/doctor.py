"""`llmtrace doctor`: whether anything was lost, and the state of journal, store and prices."""

from pathlib import Path
from typing import Any

import click

from llmtrace.cli import options, tables
from llmtrace.rendering import to_json

COVERAGE = ("calls", "untagged_calls", "unpriced_calls", "estimated_calls")


@click.command("doctor")
@options.filtering
@options.reading
def command(
    home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool, **filters: Any
) -> None:
    """Check that every span that ended is stored, pending or counted as dropped.

    Filters restrict what is said of the stored calls; spans are counted before anything of them is known.
    """
    chosen = {name: value for name, value in filters.items() if value}
    client = options.client(home, db, url, token, "doctor")
    health: dict[str, Any] = client.health()
    totals = client.rows("totals", chosen).dicts()[0]
    health["calls"] = {name: totals[name] or 0 for name in COVERAGE}
    if as_json:
        click.echo(to_json(health, indent=2))
    else:
        tables.print_health(health)
