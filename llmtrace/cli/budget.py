"""`llmtrace budget`: what each budget has spent, holds reserved, and will have spent at the end of its window."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace import config
from llmtrace.budgets.report import BudgetReport, report_budgets
from llmtrace.budgets.windows import Window
from llmtrace.cli import options, tables
from llmtrace.client import Client
from llmtrace.errors import LlmtraceError
from llmtrace.rendering import to_json

EXIT_EXCEEDED = 1
COVERED = ("feature", "model", "provider")


@click.command("budget")
@click.option("--no-store", is_flag=True, help="Read the budgets alone, and ask no database what it has.")
@options.reading
def command(
    no_store: bool, home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool
) -> int:
    """Show each budget: spent, reserved, limit and forecast. Exits with 1 where one is exceeded.

    Budgets are those of `llmtrace.budget(...)` in any app of this home, and of its configuration file.
    """
    where = home or config.default_home()
    store = None if no_store else _Store(options.client(where, db, url, token, "budget"))
    reports, problems = report_budgets(where, store.ask if store is not None else lambda definition, window: None)
    problems += [store.problem] if store is not None and store.problem is not None else []
    if as_json:
        click.echo(to_json({"budgets": [_plain(r) for r in reports], "problems": problems}, indent=2))
    else:
        _print(reports, problems)
    return EXIT_EXCEEDED if any(r.is_exceeded for r in reports) else 0


class _Store:
    """What the database has for the calls of a budget; `problem` says why it could not be asked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.problem: str | None = None

    def ask(self, definition: Mapping[str, Any], window: Window) -> Decimal | None:
        """The cost of what DEFINITION covers in WINDOW; None where that cannot be said."""
        covered = {k: v for k in COVERED if (v := definition.get(k)) is not None}
        if self.problem is not None or any(c in v for v in covered.values() for c in "*?["):
            return None
        since, until = (datetime.fromtimestamp(s, UTC).isoformat() for s in (window.start_s, window.end_s))
        try:
            row = self._client.rows("totals", {**covered, "since": since, "until": until}).dicts()[0]
        except LlmtraceError as err:
            self.problem = f"the database was not asked: {err}"
            return None
        return Decimal(row["cost_usd"]) if row["cost_usd"] is not None else Decimal(0)


def _plain(report: BudgetReport) -> dict[str, Any]:
    """REPORT as `--json` prints it."""
    state = report.state
    return {
        **report.definition,
        "limit_usd": state.limit_usd,
        "spent_usd": state.spent_usd,
        "reserved_usd": state.reserved_usd,
        "stored_usd": report.stored_usd,
        "share": state.share,
        "forecast_usd": report.forecast_usd,
        "exceeded": report.is_exceeded,
        "window_start": state.window_start.isoformat(),
        "window_end": state.window_end.isoformat(),
        "calls": state.calls,
        "refused_calls": state.refused_calls,
        "unpriced_calls": state.unpriced_calls,
    }


def _print(reports: list[BudgetReport], problems: list[str]) -> None:
    console = tables.new_console()
    if not reports:
        console.print("There are no budgets: see llmtrace.budget(...), or [[budgets]] in llmtrace.toml.")
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("budget", "feature"):
            table.add_column(column, overflow="fold")
        for column in ("spent", "reserved", "stored", "limit", "%", "forecast", "refused"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("until (UTC)", no_wrap=True)
        for report in reports:
            table.add_row(*_cells(report))
        console.print(table)
    for problem in problems:
        console.print(f"[yellow]problem[/yellow]  {problem}", highlight=False)


def _cells(report: BudgetReport) -> list[Text]:
    state = report.state
    share = f"{state.share:.0%}" if state.share is not None else tables.NOTHING
    style = "red" if report.is_exceeded else ""
    cells = [
        state.name, "all" if state.feature is None else state.feature or "untagged", tables.money(state.spent_usd),
        tables.money(state.reserved_usd), tables.money(report.stored_usd), tables.money(state.limit_usd), share,
        tables.money(report.forecast_usd), f"{state.refused_calls:,}", f"{state.window_end:%Y-%m-%d %H:%M}",
    ]  # fmt: skip
    return [Text(cell, style=style) for cell in cells]
