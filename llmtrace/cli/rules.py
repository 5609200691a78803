"""`llmtrace rules`: what names the feature of calls that have none, tried and applied to the past."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace import config
from llmtrace.cli import options, tables
from llmtrace.errors import ConfigFileError
from llmtrace.rendering import to_json
from llmtrace.rules import NO_RULES, Rules, read_rules, suggest_rules

UNTAGGED = "untagged"


@click.group("rules")
def command() -> None:
    """Name the feature of calls by where they were made. The rules stand in `llmtrace.toml`, in the home."""


@command.command("list")
@options.place
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(home: Path | None, db: Path | None, as_json: bool) -> None:
    """Show the rules in their order: the first that fits a call names its feature."""
    path = config.config_file(home or config.default_home())
    rules = read_rules(path) if path.exists() else NO_RULES
    if as_json:
        click.echo(to_json({"file": path, "rules": _rows(rules)}, indent=2))
        return
    if not rules.rules:
        click.echo(f"There are no rules in {path}.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("#", "name", "feature", "where"):
        table.add_column(name, overflow="fold")
    for number, rule in enumerate(rules.rules, 1):
        where = " and ".join(f"{c.field} {' or '.join(c.patterns)}" for c in rule.conditions)
        table.add_row(str(number), Text(rule.name or tables.NOTHING), Text(rule.feature), Text(where))
    tables.new_console().print(table)


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, file: Path | None, as_json: bool) -> None:
    """Check FILE (default: the one in force) without using it. The exit code is 1 where something is wrong with it."""
    path = file or config.config_file(config.default_home())
    answer: dict[str, Any] = {"file": str(path), "ok": True, "line": None, "reason": None}
    try:
        answer["rules"] = len(read_rules(path).rules)
    except ConfigFileError as err:
        answer |= {"ok": False, "line": err.line, "reason": err.reason}
        if not as_json:
            click.echo(f"llmtrace: {err}", err=True)
    if as_json:
        click.echo(to_json(answer, indent=2))
    elif answer["ok"]:
        click.echo(f"{path} can be used: {answer['rules']} rules")
    context.exit(0 if answer["ok"] else 1)


@command.command("suggest")
@click.option("--limit", default=10, show_default=True, help="For how many places at most.")
@options.filtering
@options.reading
def suggest(
    limit: int,
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Write rules for the places that most untagged calls come from. The features are guesses: replace them."""
    chosen = {name: value for name, value in filters.items() if value}
    rows = options.client(home, db, url, token, "rules").rows("untagged", {**chosen, "limit": limit}).dicts()
    if as_json:
        click.echo(to_json({"rows": rows}, indent=2))
    else:
        click.echo(suggest_rules(rows) or "# Of no untagged call is it known where it was made.", nl=False)


@command.command("apply")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@options.filtering
@options.reading
def apply(
    dry_run: bool,
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Apply the rules to stored calls, and show what changes. A feature that somebody named is never changed.

    A call whose feature changes gets a new revision; the old one stays in `calls_all`. Costs stay as they are.
    """
    chosen = {name: value for name, value in filters.items() if value}
    answer = options.client(home, db, url, token, "rules").apply_rules(chosen, is_dry=dry_run)
    if as_json:
        click.echo(to_json(answer, indent=2))
    else:
        _print(answer)


def _print(answer: Mapping[str, Any]) -> None:
    console = tables.new_console()
    done = "would get another feature" if answer["dry_run"] else "got another feature"
    console.print(f"{answer['changed']:,} of {answer['calls']:,} calls that nobody tagged {done}")
    if answer["unreadable"]:
        console.print(f"{answer['unreadable']:,} calls were left as they are: their spans are no calls any more")
    if not answer["changed"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("from", footer="total", overflow="fold")
    table.add_column("to", overflow="fold")
    table.add_column("by", overflow="fold")
    table.add_column("calls", footer=f"{answer['changed']:,}", justify="right")
    table.add_column("cost", footer=tables.money(answer["changed_usd"]), justify="right", no_wrap=True)
    for row in answer["rows"]:
        names = [Text(row[key] or UNTAGGED, style="" if row[key] else "italic") for key in ("before", "after")]
        table.add_row(*names, Text(row["source"] or tables.NOTHING), f"{row['calls']:,}", tables.known_cost(row))
    console.print(table)


def _rows(rules: Rules) -> list[dict[str, Any]]:
    return [
        {"name": r.name, "feature": r.feature, "where": {c.field: list(c.patterns) for c in r.conditions}}
        for r in rules.rules
    ]
