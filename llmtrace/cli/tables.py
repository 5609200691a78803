"""Answers as tables in a terminal: `rich`, loaded late."""

import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmtrace.pricing import display
from llmtrace.rendering import plain
from llmtrace.store.base import Rows

KEY_COLUMNS = 32  # longer names of groups are folded
# What a narrow terminal is not shown, least important first.
LESS_IMPORTANT = ("cached", "TTFT p50", "out", "in", "$/1k calls", "share", "p50", "errors")
PIPE_COLUMNS = 1000
NOTHING = "–"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which knows what to exit with."""
        raise BrokenPipeError


def new_console() -> Console:
    """A console as wide as the terminal, or COLUMNS; a pipe has no width that lines would have to fit."""
    return _Console(width=shutil.get_terminal_size((PIPE_COLUMNS, 25)).columns)


def print_report(answer: Mapping[str, Any], totals: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """The table of `report`, and below it what the numbers do not cover."""
    console = new_console()
    if not answer["total"]["calls"]:
        console.print("No calls" + (" match these filters." if chosen else " recorded yet."))
        if not chosen:
            console.print(
                "Add [bold]import llmtrace; llmtrace.instrument()[/bold] to an app, or run [bold]llmtrace demo[/bold]."
            )
        return
    console.print(_report_table(answer, console.width))
    if "currency" in answer and answer["total"]["cost_usd"] is not None:
        console.print(Text(f"total {display.show(answer['total']['cost_usd'], answer['currency'])}"))
    console.print(Text(coverage_line(answer["total"], totals), style="dim"))


def _report_table(answer: Mapping[str, Any], width: int) -> Table:
    """The table, with as many columns as WIDTH has room for beside the names of the groups."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    total, rows = answer["total"], answer["rows"]
    keys = [_group_name(row["key"], answer["by"]) for row in rows]
    cells = {
        name: [show(row) for row in (*rows, total)]
        for name, show in _columns(total).items()
        if show(total) not in ("", NOTHING) or name == "cost"
    }
    widths = {name: 2 + max(map(len, (name, *shown))) for name, shown in cells.items()}
    room = width - min(KEY_COLUMNS, max(len(text) for text in ("total", answer["by"], *map(str, keys))))
    for name in LESS_IMPORTANT:
        if sum(widths.values()) > room:
            widths.pop(name, None)
    table.add_column(answer["by"], footer="total", overflow="fold")
    for name in widths:
        table.add_column(name, justify="right", footer=cells[name][-1], no_wrap=True)
    for i, key in enumerate(keys):
        table.add_row(key, *[cells[name][i] for name in widths])
    return table


def _columns(total: Mapping[str, Any]) -> dict[str, Callable[[Mapping[str, Any]], str]]:
    """What is shown of each group, and how."""
    return {
        "calls": lambda r: f"{r['calls']:,}",
        "cost": known_cost,
        "share": lambda r: share(r["cost_usd"], total["cost_usd"]),
        "$/1k calls": lambda r: money(per_thousand(r)),
        "errors": lambda r: percent(r["error_rate"]),
        "p50": lambda r: seconds(r["latency_p50_s"]),
        "p95": lambda r: seconds(r["latency_p95_s"]),
        "TTFT p50": lambda r: seconds(r["ttft_p50_s"]),
        "in": lambda r: tokens(r["input_tokens"]),
        "cached": lambda r: tokens(r["cached_input_tokens"]),
        "out": lambda r: tokens(r["output_tokens"]),
        "unpriced": lambda r: f"{r['unpriced_calls']:,}" if r["unpriced_calls"] else "",
    }


def _group_name(key: Any, by: str) -> Text:
    if key is None:
        return Text("untagged" if by == "feature" else "(none)", style="italic")
    return Text(str(key))


def coverage_line(total: Mapping[str, Any], totals: Mapping[str, Any]) -> str:
    """What the figures do not cover: untagged and unpriced calls and estimates, each as a share."""
    calls = total["calls"]
    untagged = totals["untagged_calls"] or 0
    parts = [f"{untagged / calls:.1%} untagged ({money(plain(totals['untagged_cost_usd']))})"]
    parts.append(f"{total['unpriced_calls'] / calls:.1%} unpriced")
    parts.append(f"{total['estimated_calls'] / calls:.1%} estimated")
    first, last = totals["first_call_at"], totals["last_call_at"]
    period = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC · estimates, not invoices"
    return " · ".join(parts) + "\n" + period


def print_rows(rows: Rows) -> None:
    """ROWS as a plain table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in rows.columns:
        table.add_column(column, overflow="fold")
    for row in rows.rows:
        table.add_row(*[Text("" if v is None else str(plain(v))) for v in row])
    new_console().print(table)


def print_health(health: Mapping[str, Any]) -> None:
    """The figures of `doctor`."""
    console = new_console()
    dropped = health["dropped"]
    lost = sum(dropped.values())
    console.print(
        f"[bold]{health['ended']:,}[/bold] ended = {health['stored']:,} stored + {health['pending']:,} pending "
        f"+ {lost:,} dropped"
    )
    for reason, n in sorted(dropped.items()):
        console.print(f"  dropped: {n:,} {reason}")
    for delivery in health.get("deliveries", ()):
        undelivered = "".join(f", {n:,} not ({reason})" for reason, n in sorted(delivery["dropped"].items()))
        console.print(f"sent     {delivery['delivered']:,} spans to {delivery['to']}{undelivered}")
    store, book = health["store"], health["price_book"]
    console.print(f"store    {store['path']} · {size(store['bytes'])} · {store['calls']:,} calls")
    console.print(f"journal  {health['journal_segments']} segments · {size(health['journal_bytes'])}")
    console.print(f"prices   {book['rows']:,} rows · version {book['version']}")
    found = health["calls"]
    if found["calls"]:
        said = ("untagged", "unpriced", "estimated")
        counts = " · ".join(f"{found[name + '_calls']:,} {name}" for name in said)
        console.print(f"calls    {found['calls']:,} · {counts}")
    for problem in health["problems"]:
        console.print(f"[yellow]problem[/yellow]  {problem}")
    if not health["problems"] and lost == dropped.get("duplicate", 0):  # what came twice is kept once
        console.print("[green]Nothing is lost.[/green]")


def money(value: str | Decimal | None) -> str:
    """VALUE in dollars: cents from a dollar on, less below, but never rounded to nothing; unknown is a dash."""
    if value is None:
        return NOTHING
    amount = Decimal(value)
    if abs(amount) >= 1 or not amount:
        return f"${amount:,.2f}"
    if abs(amount) < Decimal("0.000001"):
        return "<$0.000001"
    return f"${amount:.4f}" if abs(amount) >= Decimal("0.01") else f"${amount:.2g}"


def exact_money(value: str | Decimal | None) -> str:
    """VALUE in dollars to the last digit; unknown is a dash."""
    if value is None:
        return NOTHING
    amount = Decimal(value)
    return f"{'-' if amount < 0 else ''}${abs(amount):,f}"


def known_cost(row: Mapping[str, Any]) -> str:
    """The cost of ROW, and that it is at least that where calls have no price."""
    return ("≥ " if row["unpriced_calls"] and row["cost_usd"] is not None else "") + money(row["cost_usd"])


def per_thousand(row: Mapping[str, Any]) -> Decimal | None:
    """Dollars per thousand calls of ROW."""
    return None if row["cost_usd"] is None or not row["calls"] else Decimal(row["cost_usd"]) * 1000 / row["calls"]


def share(part: str | None, whole: str | None) -> str:
    """PART of WHOLE as a percentage."""
    return NOTHING if part is None or not whole or not Decimal(whole) else f"{Decimal(part) / Decimal(whole):.1%}"


def percent(value: float | None) -> str:
    """VALUE, a fraction, as a percentage."""
    return NOTHING if value is None else f"{value:.1%}"


def seconds(value: float | None) -> str:
    """VALUE seconds: milliseconds below one second."""
    if value is None:
        return NOTHING
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def tokens(value: int | None) -> str:
    """VALUE tokens, shortened."""
    if value is None:
        return NOTHING
    for limit, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}"
    return str(value)


def size(value: int) -> str:
    """VALUE bytes, shortened."""
    return f"{value / 1024**2:.1f} MiB" if value >= 1024**2 else f"{value / 1024:.0f} KiB"
