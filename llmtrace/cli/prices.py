"""`llmtrace prices`: what the price book knows, and how fresh it is."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from llmtrace.analytics.filters import parse_time
from llmtrace.cli import tables
from llmtrace.errors import OwnPricesError, QueryError
from llmtrace.model import Price
from llmtrace.pricing import PriceBook, current_book, load_book
from llmtrace.pricing.listing import list_factors, list_names, list_prices, summarise_book
from llmtrace.pricing.own import read_own
from llmtrace.rendering import to_json


@click.group("prices")
def command() -> None:
    """Show the prices that calls are priced by. They come with llmtrace; nothing is asked of a network."""


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show how many prices there are of each provider, when they were last checked, and which may have ended."""
    summary = summarise_book(current_book(), datetime.now(UTC))
    if as_json:
        click.echo(to_json(summary, indent=2))
        return
    console = tables.new_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("provider")
    for name in ("models", "rows", "valid now", "oldest check", "newest check"):
        table.add_column(name, justify="right")
    for row in summary["providers"]:
        table.add_row(*[str(row[key]) for key in ("provider", "models", "rows", "valid", "oldest", "newest")])
    console.print(f"version {summary['version']} · {summary['rows']:,} rows")
    console.print(table)
    own = ", ".join(f"{n} {kind}" for kind, n in summary["own"].items() if n)
    if own:
        console.print(f"of your own: {own}")
    if summary["currency"] is not None:
        rate = summary["currency"]
        console.print(f"shown in {rate['code']} as well: {rate['per_usd']} for $1 since {rate['since'][:10]}")
    if summary["fallback"] is not None:
        console.print(f"behind the book: {summary['fallback']}, whose prices nobody checked here")
    _print_rows(console, "Promotions past the day they were guaranteed until", summary["expired_promotions"])
    _print_rows(console, "Prices that change later", summary["scheduled_changes"])


def _print_rows(console: Any, title: str, rows: list[Mapping[str, Any]]) -> None:
    if rows:
        console.print(Text(f"\n{title}", style="bold"))
        for row in rows:
            console.print(Text(f"{row['on']}  {row['price_id']}"), soft_wrap=True)


@command.command("show")
@click.argument("model")
@click.option("--provider", help="Only this provider.")
@click.option("--at", help="The prices of this day (default: today): 2026-11-01, 7d, or an ISO time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(model: str, provider: str | None, at: str | None, as_json: bool) -> None:
    """Show the prices of MODEL, with the conditions they hold under and where each is printed."""
    now = datetime.now(UTC).replace(tzinfo=None)
    moment = now if at is None else parse_time(at, now)
    book, day = current_book(), moment.replace(tzinfo=UTC)
    found = list_prices(book, model, provider, day)
    if not found:
        raise QueryError(_unknown(book, model, provider, moment))
    factors = list_factors(book, found, day)
    if as_json:
        answer = {
            "model": model,
            "at": moment,
            "version": book.version,
            "prices": [_row(p) for p in found],
            "factors": [
                {"name": m.name, "factor": m.factor, "when": m.when, "source_url": m.source_url} for m in factors
            ],
        }
        click.echo(to_json(answer, indent=2))
        return
    console = tables.new_console()
    console.print(f"{', '.join(_names(found))} on {moment:%Y-%m-%d}, in US dollars")
    console.print(_table(found))
    for m in factors:
        on = ", ".join(sorted(m.components)) or "token prices"
        stated = f" with {_conditions(m.when)}" if m.when else ""
        console.print(Text(f"× {m.factor} on {on}{stated}: {m.name}"), soft_wrap=True)
    console.print(Text("\nsources", style="bold"))
    for source in dict.fromkeys(_source(p) for p in found):
        console.print(Text(source), soft_wrap=True)


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, file: Path, as_json: bool) -> None:
    """Check FILE, of your own prices, without using it. The exit code is 1 where something is wrong with it."""
    answer: dict[str, Any] = {"file": str(file), "ok": True, "line": None, "reason": None}
    said, err = "", None
    try:
        book = read_own(load_book(), file)
    except OwnPricesError as found:
        err = found
        answer |= {"ok": False, "line": err.line, "reason": err.reason}
    else:
        counts = summarise_book(book, datetime.now(UTC))["own"]
        answer |= {"version": book.version, **counts}
        said = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n) or "it says nothing yet"
    if as_json:
        click.echo(to_json(answer, indent=2))
    elif err is not None:
        click.echo(f"llmtrace: {err}", err=True)
    else:
        click.echo(f"{file} can be used: {said}")
    context.exit(0 if err is None else 1)


def _table(prices: Iterable[Price]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    rows = list(prices)
    several = len({p.provider for p in rows}) > 1
    for name in ("provider", "component", "when")[not several :]:
        table.add_column(name, overflow="fold")
    table.add_column("rate", justify="right", no_wrap=True)
    for name in ("from", "until", "read on"):
        table.add_column(name, no_wrap=True)
    for p in rows:
        until = f"{p.valid_to:%Y-%m-%d}" if p.valid_to else ""
        if p.guaranteed_until is not None:
            until = f"{until} guaranteed {p.guaranteed_until:%Y-%m-%d}".strip()
        rate = f"${p.rate_usd:f} / " + (f"{p.per:,} {p.unit}s" if p.per != 1 else p.unit)
        owner = [p.provider] if several else []
        days = f"{p.valid_from:%Y-%m-%d}", until, p.verified_at or "your own"
        table.add_row(*owner, p.component, Text(_conditions(p.when)), rate, *days)
    return table


def _conditions(when: Mapping[str, Any]) -> str:
    signs = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}
    parts = []
    for key, value in when.items():
        if isinstance(value, Mapping):
            parts += [f"{key} {signs[op]} {limit:,}" for op, limit in value.items()]
        elif isinstance(value, list):
            parts.append(f"{key} {' or '.join(map(str, value))}")
        else:
            parts.append(key if value is True else f"{key} {value}")
    return ", ".join(parts)


def _source(price: Price) -> str:
    if price.layer == "override":
        return f"{price.source_url}{f': {price.source_note}' if price.source_note else ''}"
    return f"{price.source_url} ({price.confidence}, read on {price.verified_at})"


def _row(price: Price) -> dict[str, Any]:
    return {
        "price_id": price.id,
        "provider": price.provider,
        "model": price.model,
        "component": price.component,
        "rate_usd": price.rate_usd,
        "per": price.per,
        "unit": price.unit,
        "when": price.when,
        "valid_from": _day(price.valid_from),
        "valid_until": _day(price.valid_to),
        "guaranteed_until": _day(price.guaranteed_until),
        "source_url": price.source_url,
        "source_note": price.source_note,
        "verified_at": price.verified_at or None,
        "confidence": price.confidence,
        "layer": price.layer,
    }


def _names(prices: Iterable[Price]) -> list[str]:
    return list(dict.fromkeys(f"{p.provider}/{p.model}" for p in prices))


def _day(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _unknown(book: PriceBook, model: str, provider: str | None, moment: datetime) -> str:
    known = list_names(book, provider)
    if not known:
        providers = sorted({p.provider for p in book.prices})
        return f"there are no prices of the provider '{provider}'; there are of {', '.join(providers)}"
    if model in known:
        return f"there is no price of '{model}' on {moment:%Y-%m-%d}: its first is of {known[model]:%Y-%m-%d}"
    near = difflib.get_close_matches(model, known, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "'llmtrace prices status' shows what there is"
    return f"the price book does not know '{model}'; {hint}"
