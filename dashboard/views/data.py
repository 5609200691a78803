"""Can the figures be trusted: what became of every span, what has no feature or price, and where it all lies."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import streamlit as st

from llmtrace.pricing import load_book

from .. import account, answers, facts, rows
from .. import format as fmt
from ..format import calls, count, marked, percent, share
from ..scope import Scope
from ..widgets import figures, fixes, no_match, shielded

SOURCES = {
    "provider": "reported by the provider",
    "estimated": "counted here, because the provider did not say",
    "missing": "not known",
}
ADVICE = {
    "unpriced": "write its rates into prices.yaml, then llmtrace reprice; llmtrace explain says why",
    "invalid_usage": "the counts contradict each other: see the call",
    "partial": "write the missing rate into prices.yaml, then llmtrace reprice; the call's bill says which",
}
MEANING_PX = 520


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    with st.container(border=True, gap="small"):
        _account(scope.stamp)
    if not scope.totals()["calls"]:
        no_match(scope)
    else:
        _coverage(scope)
    _batches(scope.ask, scope.totals()["cost_usd"])
    with st.container(border=True, gap="small"):
        _processes(scope.stamp)
    left, right = st.columns(2, gap="small")
    with left.container(border=True, gap="small", height="stretch"):
        _book(scope.stamp)
    with right.container(border=True, gap="small", height="stretch"):
        _storage(scope.stamp)


def show_empty(stamp: answers.Stamp) -> None:
    """Draw what there is to say while no call is stored: perhaps some were dropped, or are on their way."""
    with st.container(border=True, gap="small"):
        _account(stamp)
    _batches(partial(answers.ask, stamp, options={}), None)
    with st.container(border=True, gap="small"):
        _storage(stamp)


@shielded
def _batches(ask: Callable[[str], answers.Rows], known_usd: Decimal | None) -> None:
    """How many requests of batches nobody has read, and what part of KNOWN_USD the others are; none: nothing."""
    submitted = ask("batch_totals")[0]
    if not submitted["batches"]:
        return
    waiting = [f"{count(submitted['pending'])} of {count(submitted['requests'])}"] if submitted["requests"] else []
    waiting += [f"{count(n)} of unknown size"] if (n := submitted["uncounted_batches"]) else []
    cells = [("Batches submitted", count(submitted["batches"])), ("Requests not read yet", " + ".join(waiting))]
    if submitted["cost_usd"] is not None:
        part = percent(share(submitted["cost_usd"], known_usd))
        cells.append(("Spent at batch rates", f"{fmt.money(submitted['cost_usd'])} · {part}"))
    with st.container(border=True, gap="small"):
        st.subheader("Batches :small[:gray[a request is priced when its result is read]]", anchor=False)
        figures(cells, 180)


@shielded
def _account(stamp: answers.Stamp) -> None:
    health = answers.health(stamp)
    st.subheader("Every span that ended :small[:gray[in all, whatever the period and the filters]]", anchor=False)
    missing = account.missing(health)
    if missing:
        number = "1 span is" if abs(missing) == 1 else f"{count(abs(missing))} spans are"
        st.warning(f"{number} {'not accounted for' if missing > 0 else 'counted twice'}.")
    else:
        dropped = sum(health["dropped"].values())
        said = f"{count(health['ended'])} ended = {count(health['stored'])} stored + {count(health['pending'])} pending"
        st.success(f"{said} + {count(dropped)} dropped.", icon=":material/check_circle:")
    columns = (
        rows.text("Spans", lambda line: line.name, 200),
        rows.number("Count", lambda line: line.spans, 90),
        rows.figure("Share", lambda line: percent(share(line.spans, health["ended"])), 70),
        rows.text("Which are", lambda line: line.meaning, MEANING_PX),
    )
    rows.draw(account.lines_of(health), columns, "data_account", "What became of the spans")
    for problem in health["problems"]:
        st.markdown(f":orange[!] {fmt.code(problem, 300)}")
    if health["export_dropped"]:
        lost = count(health["export_dropped"])
        st.markdown(f":orange[!] {lost} spans did not reach your OTLP backend; they are here.")


def _coverage(scope: Scope) -> None:
    with st.container(border=True, gap="small"):
        _statuses(scope)
    fixes(scope)
    _untagged(scope)
    _unpriced(scope)
    with st.container(border=True, gap="small"):
        _services(scope)


@shielded
def _statuses(scope: Scope) -> None:
    total = scope.totals()
    st.subheader(f"How costs are known :small[:gray[{calls(total['calls'])} in {scope.period.title}]]", anchor=False)
    cells = [
        (name, f"{count(total[column] or 0)} · {_part(column)(total)}")
        for name, column in (
            ("Untagged", "untagged_calls"),
            ("Unpriced", "unpriced_calls"),
            ("Estimated or cut short", "estimated_calls"),
        )
    ]
    figures([*cells, ("Known spend", fmt.known_cost(total))], 150)
    of_all = (
        rows.number("Calls", lambda row: row["calls"], 80),
        rows.figure("Share", lambda row: percent(share(row["calls"], total["calls"])), 70),
        rows.figure("Cost", lambda row: fmt.money(row["cost_usd"]), 100),
    )
    statuses = (
        rows.text("Price", lambda row: str(row["cost_status"]).replace("_", " "), 130),
        *of_all,
        rows.text("Which means", lambda row: facts.COST_STATUSES.get(row["cost_status"], ""), MEANING_PX),
    )
    rows.draw(scope.ask("coverage"), statuses, "data_statuses", "Calls by how their cost is known")
    sources = (rows.name("Tokens", "usage_source", 130), *of_all, rows.text("Which means", _source_said, MEANING_PX))
    rows.draw(scope.ask("usage_sources"), sources, "data_usage", "Calls by where their tokens come from")


def _source_said(row: dict[str, Any]) -> str:
    said = SOURCES.get(row["usage_source"], "")
    if row["usage_source"] == "missing" and row["failed"]:
        return f"{said}; {calls(row['failed'])} of them failed or were cancelled"
    return said


def _part(column: str) -> Callable[[Any], str]:
    """What share of a row's calls its COLUMN counts."""
    return lambda row: percent(share(row[column] or 0, row["calls"]))


@shielded
def _untagged(scope: Scope) -> None:
    found = scope.ask("untagged", limit=50)
    if not found:
        return
    total = scope.totals()
    columns = (
        rows.name("Made by", "origin", 260, "(not known)"),
        rows.name("Which is a", "kind", 90, ""),
        rows.number("Calls", lambda row: row["calls"], 70),
        rows.figure("Share", lambda row: percent(share(row["calls"], total["untagged_calls"])), 70),
        rows.figure("Cost", fmt.known_cost, 100),
        rows.when("Last (UTC)", "last_at", 110),
    )
    with st.container(border=True, gap="small"):
        st.subheader("Without a feature, by the place in the app that made them", anchor=False)
        rows.draw(found, columns, "data_untagged", "Calls without a feature by what made them")


@shielded
def _unpriced(scope: Scope) -> None:
    found = scope.ask("unpriced", limit=50)
    if not found:
        return
    columns = (
        rows.name("Model", "model", 190, "(no model)"),
        rows.name("Provider", "provider", 90),
        rows.number("Calls", lambda row: row["calls"], 70),
        rows.figure("Input", lambda row: fmt.tokens(row["input_tokens"]), 70),
        rows.figure("Output", lambda row: fmt.tokens(row["output_tokens"]), 70),
        rows.name("Why", "reason", 320, "no reason given"),
        rows.text("What to do", lambda row: ADVICE.get(row["cost_status"], ""), 260),
        rows.when("Last (UTC)", "last_at", 110),
    )
    with st.container(border=True, gap="small"):
        st.subheader("Without a price, or with a part without one", anchor=False)
        rows.draw(found, columns, "data_unpriced", "Calls without a price by model and reason")


@shielded
def _services(scope: Scope) -> None:
    st.subheader("Services", anchor=False)
    columns = (
        rows.name("Service", "service", 150, "(no name)"),
        rows.name("Environment", "environment", 120),
        rows.number("Calls", lambda row: row["calls"], 80),
        rows.figure("Untagged", _part("untagged_calls"), 84),
        rows.figure("Unpriced", _part("unpriced_calls"), 84),
        rows.figure("Spend", fmt.known_cost, 100),
        rows.when("First call (UTC)", "first_at"),
        rows.when("Last call (UTC)", "last_at"),
        _ago(scope.stamp),
    )
    found = scope.ask("services")
    rows.draw(found, columns, "data_services", "Services with their calls and when they were last heard of")


@shielded
def _processes(stamp: answers.Stamp) -> None:
    st.subheader("Processes :small[:gray[those last heard of, whatever the period and the filters]]", anchor=False)
    columns = (
        rows.name("Process", "process", 220),
        rows.name("Service", "service", 150, "(no name)"),
        rows.number("Spans", lambda row: row["spans"], 80),
        rows.when("First span (UTC)", "first_at"),
        rows.when("Last span (UTC)", "last_at"),
        _ago(stamp),
    )
    found = answers.ask(stamp, "processes", {"limit": 20})
    rows.draw(found, columns, "data_processes", "Processes with their spans and when they were last heard of")


@shielded
def _book(stamp: answers.Stamp) -> None:
    used = answers.health(stamp)["price_book"]
    book = load_book()
    st.subheader("Price book", anchor=False)
    st.markdown(f"Version {fmt.code(used['version'])}, {count(used['rows'])} dated prices. Estimates, not invoices.")
    if used.get("bundled", used["version"]) != book.version:
        mine = fmt.code(book.version)
        st.markdown(
            f":orange[!] The database's owner prices by that version; the dates below are of this page's {mine}."
        )
    if used.get("own"):
        st.markdown(f"Your own prices come first: {fmt.code(used['own'], 200)}")
    columns = (
        rows.name("Provider", "provider", 100),
        rows.number("Models", lambda row: row["models"], 70),
        rows.number("Valid now", lambda row: row["current"], 80),
        rows.number("Ended", lambda row: row["ended"], 70, "Kept for the calls of their time."),
        rows.number("Expired", lambda row: row["promotions"], 76, "Promotions past their promised end."),
        rows.text("Checked", lambda row: row["verified_at"], 100),
    )
    rows.draw(account.prices_of(book.prices, datetime.now(UTC)), columns, "data_book", "Prices by provider")
    st.markdown(":small[A newer release has newer prices; `llmtrace prices status` says how old these are.]")


@shielded
def _storage(stamp: answers.Stamp) -> None:
    health = answers.health(stamp)
    collapsed = sum(row["calls"] for row in answers.ask(stamp, "duplicates", {}))
    store, owner = health["store"], health["owner"]
    st.subheader("Where it lies", anchor=False)
    pairs = [
        ("Database", f"{fmt.code(store['path'], 90)} {account.size(store['bytes'])}"),
        ("In it", f"{count(store['spans'])} spans, {calls(store['calls'])}"),
        ("Sent twice", f"{calls(collapsed)}, each counted once" if collapsed else "no call"),
        ("Journal", f"{account.size(health['journal_bytes'])} in {count(health['journal_segments'])} segments"),
        ("Owner", f"{fmt.code(owner['kind'])}, process {owner['pid']}" if owner else "whoever asks, while it asks"),
    ]
    st.markdown("  \n".join(f":small[:gray[{name}]] {marked(text)}" for name, text in pairs))
    st.markdown(":small[The same figures for scripts: `llmtrace doctor --json`.]")


def _ago(stamp: answers.Stamp) -> rows.Column:
    """How long before STAMP it was that a row's last came."""
    return rows.figure("Ago", lambda row: fmt.duration(max((stamp.at - row["last_at"]).total_seconds(), 0.0)), 90)
