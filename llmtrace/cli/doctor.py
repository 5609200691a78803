"""`llmtrace doctor`: whether anything was lost, and the state of journal, store and prices."""

from pathlib import Path
from typing import Any

import click

from llmtrace.cli import options, tables
from llmtrace.rendering import to_json


@click.command("doctor")
@options.reading
def command(home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool) -> None:
    """Check that every span that ended is stored, pending or counted as dropped."""
    health: dict[str, Any] = options.client(home, db, url, token, "doctor").health()
    if as_json:
        click.echo(to_json(health, indent=2))
    else:
        tables.print_health(health)
