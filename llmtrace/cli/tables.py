"""Answers as tables in a terminal: `rich`, loaded late."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmtrace.rendering import plain
from llmtrace.store.base import Rows

NARROW_COLUMNS = 100
NOTHING = "–"


def print_report(answer: Mapping[str, Any], totals: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """The table of `report`, and below it what the numbers do not cover."""
    console = Console()
    if not answer["total"]["calls"]:
        console.print("No calls" + (" match these filters." if chosen else " recorded yet."))
        if not chosen:
            console.print(
                "Add [bold]import llmtrace; llmtrace.instrument()[/bold] to an app, or run [bold]llmtrace demo[/bold]."
            )
        return
    console.print(_report_table(answer, is_narrow=console.width < NARROW_COLUMNS))
    console.print(Text(coverage_line(answer["total"], totals), style="dim"))


def _report_table(answer: Mapping[str, Any], *, is_narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    total = answer["total"]
    columns: list[tuple[str, Any]] = [
        ("calls", lambda r: f"{r['calls']:,}"),
        ("cost", known_cost),
        ("share", lambda r: share(r["cost_usd"], total["cost_usd"])),
        ("$/1k calls", lambda r: money(per_thousand(r))),
        ("errors", lambda r: percent(r["error_rate"])),
        ("p50", lambda r: seconds(r["latency_p50_s"])),
        ("p95", lambda r: seconds(r["latency_p95_s"])),
        ("TTFT p50", lambda r: seconds(r["ttft_p50_s"])),
        ("in", lambda r: tokens(r["input_tokens"])),
        ("cached", lambda r: tokens(r["cached_input_tokens"])),
        ("out", lambda r: tokens(r["output_tokens"])),
        ("unpriced", lambda r: f"{r['unpriced_calls']:,}" if r["unpriced_calls"] else ""),
    ]
    if is_narrow:
        columns = [c for c in columns if c[0] in {"calls", "cost", "share", "errors", "p50", "p95", "unpriced"}]
    columns = [c for c in columns if c[1](total) not in ("", NOTHING) or c[0] == "cost"]
    table.add_column(answer["by"], footer="total", overflow="fold")
    for name, show in columns:
        table.add_column(name, justify="right", footer=show(total), no_wrap=True)
    for row in answer["rows"]:
        key = (
            Text("untagged" if answer["by"] == "feature" else "(none)", style="italic")
            if row["key"] is None
            else Text(str(row["key"]))
        )
        table.add_row(key, *[show(row) for _, show in columns])
    return table


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
    Console().print(table)


def print_health(health: Mapping[str, Any]) -> None:
    """The figures of `doctor`."""
    console = Console()
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
