"""`llmtrace report`: cost, latency and error rate by feature, or by something else."""

from pathlib import Path
from typing import Any

import click

from llmtrace.analytics.tables import BY_CHOICES, TAG_PREFIX
from llmtrace.cli import options, tables
from llmtrace.rendering import report_json, to_json


@click.command("report")
@click.option(
    "--by", default="feature", show_default=True, help=f"Group by {', '.join(BY_CHOICES)} or {TAG_PREFIX}KEY."
)
@options.filtering
@options.reading
def command(
    by: str, home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool, **filters: Any
) -> None:
    """Show what each feature costs, how fast it is and how often it fails."""
    chosen = {name: value for name, value in filters.items() if value}
    client = options.client(home, db, url, token, "report")
    rows = client.rows("report", {"by": by, **chosen})
    totals = client.rows("totals", chosen)
    answer = report_json(by, rows, totals, client.currency())
    if as_json:
        click.echo(to_json(answer, indent=2))
    else:
        tables.print_report(answer, totals.dicts()[0], chosen)
