"""`llmtrace reconcile`: what was tracked beside what the provider bills, and where a difference comes from."""

import textwrap
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace import config
from llmtrace.analytics.filters import parse_time
from llmtrace.cli import options, tables
from llmtrace.client import Client
from llmtrace.errors import ConfigError
from llmtrace.reconcile.answer import Group, by_drift, group_causes, to_answer
from llmtrace.reconcile.causes import find_causes
from llmtrace.reconcile.compare import compare
from llmtrace.reconcile.fetch import SOURCES, Part, fetch_bill
from llmtrace.reconcile.figures import decimal
from llmtrace.reconcile.files import read_files
from llmtrace.reconcile.rows import Comparison, Row
from llmtrace.rendering import to_json

DAY = timedelta(days=1)
SHOWN_ROWS = 20


@click.command("reconcile")
@click.option(
    "--provider", type=click.Choice(tuple(SOURCES)), help="Whose bill (default: the one whose admin key is set)."
)
@click.option("--since", default="7d", show_default=True, help="From this UTC day on: 7d, 2026-11-01, an ISO time.")
@click.option("--until", help="Up to this UTC day, without it (default: today).")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A downloaded export of usage or costs, CSV or JSON, instead of the provider's API; may be repeated.",
)
@click.option("--scope", multiple=True, help="Only what this project or workspace paid, by its id.")
@click.option("--key", multiple=True, help="Only what was asked with this API key, by its id.")
@click.option("--service", multiple=True, help="Only the tracked calls of this service; '' for calls without one.")
@click.option("--environment", multiple=True, help="Only the tracked calls of this environment.")
@click.option("--base-url", help="Ask the provider's API at this address instead.")
@click.option("--tolerance", default="1", show_default=True, help="How many percent may differ.")
@options.reading
def command(
    home: Path | None,
    db: Path | None,
    url: str | None,
    token: str | None,
    as_json: bool,
    provider: str | None,
    since: str,
    until: str | None,
    files: tuple[Path, ...],
    scope: tuple[str, ...],
    key: tuple[str, ...],
    service: tuple[str, ...],
    environment: tuple[str, ...],
    base_url: str | None,
    tolerance: str,
) -> int:
    """Compare what was tracked with the provider's own figures; exits with 1 where they differ by more than allowed.

    Reads the provider's admin API with OPENAI_ADMIN_KEY or ANTHROPIC_ADMIN_KEY, or downloaded files.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    part = Part(parse_time(since, now).date(), (parse_time(until, now) if until else now).date(), scope, key)
    if part.first >= part.end:
        raise ConfigError(f"there is no whole day from {part.first} to before {part.end}: give an earlier --since")
    percent = decimal(tolerance, "--tolerance")
    if percent is None or percent < 0:
        raise ConfigError(f"--tolerance is {tolerance!r}; give percent, such as 1 or 0.5")
    provider = provider or _only_provider()
    if files:
        billed = read_files(provider, files, part)
    else:
        billed = fetch_bill(provider, config.admin_key(provider), base_url or config.admin_url(provider), part)
    # One day more on both ends: a day elsewhere begins up to fourteen hours from ours.
    wanted = {"provider": provider, "service": service, "environment": environment}
    client = options.client(home, db, url, token, "reconcile")
    tracked = _tracked(client, wanted, part.first - DAY, part.end + DAY)
    found = compare(tracked, billed, part.first, part.end, percent / 100, now)
    find_causes(found)
    if as_json:
        click.echo(to_json(to_answer(found, provider, part.first, part.end), indent=2))
    else:
        _print(found, provider, part.first, part.end)
    return 1 if found.is_off else 0


def _tracked(client: Client, wanted: Mapping[str, Any], first: date, end: date) -> list[dict[str, Any]]:
    """What was tracked from FIRST to before END, in as many answers as it takes."""
    found = client.rows("billable", {**wanted, "since": str(first), "until": str(end)})
    if not found.is_cut:
        return found.dicts()
    if end - first <= DAY:
        raise ConfigError(f"{first} has more models than one answer can hold: name a --service")
    middle = first + (end - first) // 2
    return [*_tracked(client, wanted, first, middle), *_tracked(client, wanted, middle, end)]


def _only_provider() -> str:
    """The provider whose admin key is set."""
    known = [name for name in SOURCES if config.has_admin_key(name)]
    if len(known) != 1:
        why = "both admin keys are set" if known else "neither OPENAI_ADMIN_KEY nor ANTHROPIC_ADMIN_KEY is set"
        raise ConfigError(f"{why}: say whose bill it is, with --provider openai or --provider anthropic")
    return known[0]


def _print(found: Comparison, provider: str, first: date, end: date) -> None:
    console = tables.new_console()
    if not found.rows:
        console.print(f"Nothing was tracked or billed by {provider} from {first} to before {end}.")
        return
    off = [row for row in found.rows if row.is_off]
    console.print(Text(f"{provider}, {first} to {end - DAY} (UTC)", style="bold"))
    console.print(_summary(found, len(off)))
    if not off:
        return
    shown = by_drift(off)[:SHOWN_ROWS]
    console.print()
    console.print(_table(sorted(shown, key=off.index)))
    if len(off) > len(shown):
        console.print(Text(f"and {len(off) - len(shown):,} rows more that differ by less: --json has all", style="dim"))
    console.print()
    console.print(Text("Likely causes", style="bold"))
    for group in group_causes(off):
        console.print(Text(f"{group.name}: {_extent(group)}", style="yellow"))
        said = f"{_where(group.rows[0])}: {group.evidence}"
        lines = textwrap.wrap(said, console.width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        console.print(Text("\n".join(lines)), soft_wrap=True)


def _summary(found: Comparison, off: int) -> Text:
    """Both sums, and how far they are from each other."""
    total = found.total
    parts = [f"tracked {_dollars(total.tracked_usd)}", f"billed {_dollars(total.billed_usd)}"]
    if total.billed_usd is None:
        parts = [f"tracked {_number(total.tracked_tokens)}", f"billed {_number(total.billed_tokens)} tokens"]
    if total.coverage is not None:
        parts.append(f"coverage {total.coverage:.1%}")
    if total.drift_usd is not None:
        share = f" ({total.drift_usd / total.billed_usd:+.1%})" if total.billed_usd else ""
        parts.append(f"drift {_drift(total.drift_usd)}{share}")
    lines = [" · ".join(parts)]
    if total.uncompared_usd:
        lines.append(f"{_dollars(total.uncompared_usd)} more was tracked of tokens that the bill names no dollars for")
    percent = (found.tolerance * 100).normalize()
    lines.append(f"{len(found.rows) - off} of {len(found.rows)} rows agree within {percent:f} %")
    return Text("\n".join(lines))


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("day", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("class", overflow="fold")
    for name in ("tracked", "billed", "covered", "drift"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"{row.day:%m-%d}",
            Text(row.model or tables.NOTHING),
            Text(row.token_class),
            _number(row.tracked.quantity),
            _number(row.billed.quantity),
            tables.NOTHING if row.coverage is None else f"{row.coverage:.1%}",
            tables.NOTHING if row.cost_difference is None else _drift(row.cost_difference),
        )
    return table


def _extent(group: Group) -> str:
    rows = "1 row" if len(group.rows) == 1 else f"{len(group.rows)} rows"
    return rows if group.drift_usd is None else f"{rows}, {_drift(group.drift_usd)}"


def _where(row: Row) -> str:
    return " ".join(filter(None, (str(row.day), row.model, row.token_class)))


def _number(quantity: Decimal | None) -> str:
    return tables.NOTHING if quantity is None else f"{quantity.normalize():,f}"


def _dollars(cost_usd: Decimal | None) -> str:
    return tables.NOTHING if cost_usd is None else f"${cost_usd:,.4f}"


def _drift(cost_usd: Decimal) -> str:
    return f"{'-' if cost_usd < 0 else '+'}${abs(cost_usd):,.4f}"
