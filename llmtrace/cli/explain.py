"""`llmtrace explain`: the cost of one call, item by item, each with its price and where that is printed."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmtrace.cli import options, tables
from llmtrace.pricing import display
from llmtrace.rendering import to_json

SOURCES = {"provider": "counted by the provider", "estimated": "estimated here", "missing": "not reported"}


@click.command("explain")
@click.argument("span_id")
@options.filtering
@options.reading
def command(
    span_id: str, home: Path | None, db: Path | None, url: str | None, token: str | None, as_json: bool, **filters: Any
) -> None:
    """Show how the cost of one call adds up; the first digits of its SPAN_ID will do."""
    chosen = {name: value for name, value in filters.items() if value}
    answer = options.client(home, db, url, token, "explain").explain(span_id, chosen)
    if as_json:
        click.echo(to_json(answer, indent=2))
    else:
        _print(answer)


def _print(answer: Mapping[str, Any]) -> None:
    console = tables.new_console()
    console.print(_head(answer))
    if answer["items"]:
        console.print()
        console.print(_bill(answer))
    for line in _remarks(answer):
        console.print(Text(line, style="yellow"), soft_wrap=True)
    _print_sources(console, answer["items"])
    if answer["usage"] is not None:
        console.print(Text("\nusage, as the provider sent it", style="bold"))
        console.print(Text(json.dumps(answer["usage"], ensure_ascii=False)), soft_wrap=True)


def _head(answer: Mapping[str, Any]) -> Table:
    call = answer["call"]
    asked, answered = call["request_model"], call["response_model"]
    model = " → ".join(dict.fromkeys(m for m in (asked, answered) if m)) or tables.NOTHING
    took = [f"took {tables.seconds(call['duration_s'])}", call["status"]]
    if call["attempts"] and call["attempts"] > 1:
        took.append(f"{call['attempts']} attempts")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in (
        ("call", f"{answer['span_id']} of trace {answer['trace_id']}"),
        ("feature", call["feature"] or "untagged"),
        ("model", f"{model} · {call['provider']} {call['endpoint'] or call['operation']}"),
        ("time", f"{call['started_at'].replace('T', ' ').removesuffix('Z')} UTC · " + " · ".join(took)),
        ("tokens", _tokens(call)),
        ("cost", _cost(answer)),
    ):
        table.add_row(name, Text(value))
    return table


def _cost(answer: Mapping[str, Any]) -> str:
    shown = display.show(answer["total_usd"], answer["currency"]) if "currency" in answer else ""
    return " · ".join(part for part in (tables.exact_money(answer["total_usd"]), answer["status"], shown) if part)


def _tokens(call: Mapping[str, Any]) -> str:
    parts = [
        f"{call[column]:,} {says}"
        for column, says in (
            ("input_tokens", "in"),
            ("cached_input_tokens", "of them cached"),
            ("cache_write_tokens", "of them written to a cache"),
            ("output_tokens", "out"),
            ("reasoning_tokens", "of them reasoning"),
        )
        if call[column] is not None
    ]
    return " · ".join([*parts, SOURCES.get(call["usage_source"], call["usage_source"])])


def _bill(answer: Mapping[str, Any]) -> Table:
    items = answer["items"]
    added = sum((Decimal(i["cost_usd"]) for i in items if i["cost_usd"] is not None), Decimal(0))
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("component", footer="total", overflow="fold")
    for name, footer in (("quantity", ""), ("rate", ""), ("factor", ""), ("cost", tables.exact_money(added))):
        table.add_column(name, footer=footer, justify="right", no_wrap=True)
    table.add_column("counted from", overflow="fold")
    for item in items:
        per = f"{item['per']:,} {item['unit']}s" if item["per"] != 1 else item["unit"]
        table.add_row(
            Text(item["component"]),
            f"{Decimal(item['quantity']):,f} {item['unit']}s",
            tables.NOTHING if item["rate_usd"] is None else f"${item['rate_usd']} / {per}",
            f"× {item['multiplier']}" if item["multiplier"] != "1" else "",
            tables.exact_money(item["cost_usd"]),
            Text(item["counted_from"] or ""),
        )
    return table


def _remarks(answer: Mapping[str, Any]) -> list[str]:
    """What the total does not cover, or is not; and which factors were applied."""
    said = []
    if answer["duplicate_of"] is not None:
        said.append(f"recorded twice: it is counted as {answer['duplicate_of']}, and not again here")
    notes = [item["note"] for item in answer["items"] if item["note"]]
    for item in answer["items"]:
        if item["multiplier_reason"]:
            said.append(f"{item['component']} × {item['multiplier']}: {item['multiplier_reason']}")
        if item["note"]:
            said.append(f"{item['component']}: {item['note']}")
    if answer["reason"] and answer["reason"] not in "; ".join(notes):
        said.append(f"{answer['status']}: {answer['reason']}")
    return said


def _print_sources(console: Console, items: list[dict[str, Any]]) -> None:
    priced = [item for item in items if item["price_id"]]
    if not priced:
        return
    console.print(Text("\nprices", style="bold"))
    for item in priced:
        is_of_book = item["confidence"] != "own" and item["layer"] != "genai-prices"
        gone = ", no longer in this price book" if is_of_book else ""
        read = f", read on {item['verified_at']}" if item["verified_at"] else gone
        console.print(Text(item["price_id"]), soft_wrap=True)
        where = f"  {item['source_url']} ({item['layer']}, {item['confidence']}{read})"
        console.print(Text(where, style="dim"), soft_wrap=True)
