"""`llmtrace reconcile`: what was tracked beside what the provider bills, and where a difference comes from."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace import config
from llmtrace.analytics.filters import parse_time
from llmtrace.cli import options, tables
from llmtrace.errors import ConfigError
from llmtrace.reconcile.causes import find_causes
from llmtrace.reconcile.compare import Comparison, Row, compare
from llmtrace.reconcile.fetch import SOURCES, fetch_bill
from llmtrace.reconcile.figures import decimal
from llmtrace.reconcile.files import read_files
from llmtrace.rendering import to_json

DAY = timedelta(days=1)


@click.command("reconcile")
@click.option("--provider", type=click.Choice(tuple(SOURCES)), required=True, help="Whose bill.")
@click.option("--since", default="7d", show_default=True, help="From this UTC day on: 7d, 2026-11-01, an ISO time.")
@click.option("--until", help="Up to this UTC day, without it (default: today).")
@click.option(
    "--bill",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A downloaded export of usage or costs, CSV or JSON, instead of the provider's API; may be repeated.",
)
@click.option("--scope", multiple=True, help="Only this project (OpenAI) or workspace (Anthropic), by its id.")
@click.option("--base-url", help="Ask the provider's API at this address instead.")
@click.option("--tolerance", default="1", show_default=True, help="How many percent may differ.")
@options.reading
def command(
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    provider: str,
    since: str,
    until: str | None,
    bill: tuple[Path, ...],
    scope: tuple[str, ...],
    base_url: str | None,
    tolerance: str,
) -> int:
    """Compare what was tracked with the provider's own figures; exits with 1 where they differ by more than allowed.

    Reads the provider's admin API with OPENAI_ADMIN_KEY or ANTHROPIC_ADMIN_KEY, or downloaded files.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    first, end = parse_time(since, now).date(), (parse_time(until, now) if until else now).date()
    if first >= end:
        raise ConfigError(f"there is no whole day from {first} to before {end}: give an earlier --since")
    percent = decimal(tolerance, "--tolerance")
    if percent is None or percent < 0:
        raise ConfigError(f"--tolerance is {tolerance!r}; give percent, such as 1 or 0.5")
    if bill:
        billed = read_files(provider, bill, first, end, scope)
    else:
        billed = fetch_bill(provider, config.admin_key(provider), base_url, first, end, scope)
    # One day more on both ends: a day elsewhere begins up to fourteen hours from ours.
    asked = {"provider": provider, "since": str(first - DAY), "until": str(end + DAY)}
    tracked = options.client(home, db, url, token, "reconcile").rows("billable", asked)
    if tracked.is_cut:
        raise ConfigError("there is more than one answer can hold: compare fewer days")
    found = compare(tracked.dicts(), billed, first, end, percent / 100, now)
    find_causes(found)
    if as_json:
        click.echo(to_json(_answer(found, provider, first, end), indent=2))
    else:
        _print(found, provider, first, end)
    return 1 if found.is_off else 0


def _answer(found: Comparison, provider: str, first: Any, end: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "since": first,
        "until": end,
        "tolerance": found.tolerance,
        "agrees": not found.is_off,
        "total": _total(found.rows),
        "rows": [
            {
                "day": row.day,
                "model": row.model,
                "token_class": row.token_class,
                "tracked_quantity": row.tracked.quantity,
                "billed_quantity": row.billed.quantity,
                "quantity_difference": row.quantity_difference,
                "tracked_usd": row.tracked.cost_usd,
                "billed_usd": row.billed.cost_usd,
                "difference_usd": row.cost_difference,
                "coverage": row.coverage if row.coverage is None else round(row.coverage, 6),
                "is_off": row.is_off,
                "causes": [{"name": cause.name, "evidence": cause.evidence} for cause in row.causes],
                "scopes": row.billed.scopes,
            }
            for row in found.rows
        ],
    }


def _total(rows: list[Row]) -> dict[str, Any]:
    """The dollars of all rows; None where a side has none at all."""
    tracked = [r.tracked.cost_usd for r in rows if r.tracked.cost_usd is not None]
    billed = [r.billed.cost_usd for r in rows if r.billed.cost_usd is not None]
    ours, theirs = (sum(side, Decimal(0)) if side else None for side in (tracked, billed))
    return {
        "tracked_usd": ours,
        "billed_usd": theirs,
        "difference_usd": None if ours is None or theirs is None else theirs - ours,
        "coverage": round(ours / theirs, 6) if ours is not None and theirs else None,
    }


def _print(found: Comparison, provider: str, first: Any, end: Any) -> None:
    console = tables.new_console()
    off = [row for row in found.rows if row.is_off]
    total = _total(found.rows)
    if not found.rows:
        console.print(f"Nothing was tracked or billed by {provider} from {first} to before {end}.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("day", "model", "class"):
        table.add_column(name, overflow="fold")
    for name in ("tracked", "billed", "tracked $", "billed $", "covered"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in off:
        table.add_row(
            str(row.day),
            Text(row.model or tables.NOTHING),
            Text(row.token_class),
            _number(row.tracked.quantity),
            _number(row.billed.quantity),
            _dollars(row.tracked.cost_usd),
            _dollars(row.billed.cost_usd),
            tables.NOTHING if row.coverage is None else f"{row.coverage:.1%}",
        )
    if off:
        console.print(table)
        for row in off:
            for cause in row.causes:
                where = f"{row.day} {row.model or ''} {row.token_class}".replace("  ", " ")
                console.print(Text(f"{where}: {cause.name}: {cause.evidence}", style="yellow"), soft_wrap=True)
    covered = "" if total["coverage"] is None else f" · {total['coverage']:.1%} covered"
    console.print(
        f"{len(found.rows) - len(off)} of {len(found.rows)} rows agree within {found.tolerance * 100:f} % · "
        f"tracked {_dollars(total['tracked_usd'])} · billed {_dollars(total['billed_usd'])}{covered}"
    )


def _number(quantity: Decimal | None) -> str:
    return tables.NOTHING if quantity is None else f"{quantity.normalize():,f}"


def _dollars(cost_usd: Decimal | None) -> str:
    return tables.NOTHING if cost_usd is None else f"${cost_usd:,.4f}"
