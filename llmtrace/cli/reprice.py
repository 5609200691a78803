"""`llmtrace reprice`: prices stored calls anew, by the prices in force now for the time of each call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace.cli import options, tables
from llmtrace.rendering import to_json


@click.command("reprice")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@options.filtering
@options.reading
def command(
    dry_run: bool,
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Price stored calls anew, each by the prices of its own time, and show what changes.

    Needs `--since`. A call whose cost changes gets a new revision; the old one stays in `calls_all`.
    """
    chosen = {name: value for name, value in filters.items() if value}
    if "since" not in chosen:
        raise click.UsageError("name the calls: --since 2026-11-01, or --since 2000-01-01 for all there are")
    answer = options.client(home, db, url, token, "reprice").reprice(chosen, is_dry=dry_run)
    if as_json:
        click.echo(to_json(answer, indent=2))
    else:
        _print(answer)


def _print(answer: Mapping[str, Any]) -> None:
    console = tables.new_console()
    done = "would change" if answer["dry_run"] else "changed"
    console.print(f"{answer['changed']:,} of {answer['calls']:,} calls {done} · prices {answer['price_book']}")
    if answer["price_problem"]:
        console.print(Text(answer["price_problem"], style="yellow"), soft_wrap=True)
    if answer["unreadable"]:
        console.print(f"{answer['unreadable']:,} calls were left as they are: what they were priced from is gone")
    if not answer["changed"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("model", footer="total", overflow="fold")
    table.add_column("component", overflow="fold")
    table.add_column("calls", footer=f"{answer['changed']:,}", justify="right")
    for name, key in (("before", "before_usd"), ("after", "after_usd"), ("difference", "difference_usd")):
        table.add_column(name, footer=tables.exact_money(answer[key]), justify="right", no_wrap=True)
    for row in answer["rows"]:
        amounts = [tables.exact_money(row[key]) for key in ("before_usd", "after_usd", "difference_usd")]
        table.add_row(Text(row["model"] or tables.NOTHING), Text(row["component"]), f"{row['calls']:,}", *amounts)
    console.print(table)
    for row in answer["statuses"]:
        if row["before"] != row["after"]:
            console.print(f"{row['calls']:,} calls: {row['before']} → {row['after']}")
