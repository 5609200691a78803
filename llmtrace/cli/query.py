"""`llmtrace query`: SQL over the database, reading only."""

from pathlib import Path
from typing import Any

import click

from llmtrace.cli import options, tables
from llmtrace.rendering import plain, to_json


@click.command("query")
@click.argument("sql")
@options.filtering
@options.reading
def command(
    sql: str, home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool, **filters: Any
) -> None:
    """Run SQL, one statement that only reads, over `calls`, `spans` and `cost_items`.

    With filters, `calls` means the calls that match them.
    """
    chosen = {name: value for name, value in filters.items() if value}
    rows = options.client(home, db, url, token, "query").sql_rows(sql, chosen)
    if as_json:
        click.echo(to_json({"columns": list(rows.columns), "rows": [plain(row) for row in rows.dicts()]}, indent=2))
    else:
        tables.print_rows(rows)
    if rows.is_cut:
        click.echo(f"llmtrace: only the first {len(rows.rows)} rows are shown; add a LIMIT or narrow it down", err=True)
