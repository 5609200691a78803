"""All that is known of one call, drawn: figures, facts, tokens, the bill with its sources, and captured content.

Everything that an application or a provider wrote is shown as code or in cells, which take no text for markup.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from llmtrace import semconv

from . import facts
from . import format as fmt
from .answers import ask
from .listing import cost_text, status_text
from .scope import Scope
from .widgets import figures, shielded

MOST_TEXT = 60_000  # of a message, in characters: more would make the page slow
SECTION = ":small[:gray[**{}**]]"


@shielded
def show(scope: Scope, span_id: str, trace_id: str | None = None) -> None:
    """Draw the call of the span SPAN_ID; what is missing is said."""
    found = ask(scope.stamp, "call", {"span_id": span_id, "trace_id": trace_id})
    if not found:
        st.markdown(f"There is no call {fmt.code(span_id, 40)} in this store.")
        return
    call = found[0]
    key = {"span_id": call["span_id"], "trace_id": call["trace_id"]}
    spans = ask(scope.stamp, "span", key)
    attributes = facts.attributes_of(spans[0] if spans else None)
    _figures(call)
    _facts(call, attributes)
    _bill(call, ask(scope.stamp, "cost_items", key), attributes)
    _content(ask(scope.stamp, "content", key))


def _figures(call: facts.Row) -> None:
    speed = facts.tokens_per_second(call)
    cells = (
        ("Cost", cost_text(call)),
        ("Status", status_text(call)),
        ("Duration", fmt.seconds(call["duration_s"])),
        ("Time to first token", fmt.seconds(call["ttft_s"])),
        ("Input tokens", fmt.count(call["input_tokens"])),
        ("Output tokens", fmt.count(call["output_tokens"])),
        ("Output per second", fmt.UNKNOWN if speed is None else f"{speed:,.0f} tokens"),
    )
    figures(cells)


def _facts(call: facts.Row, attributes: dict[str, Any]) -> None:
    sections = (
        ("Whose", facts.identity(call)),
        ("Asked", facts.request(call)),
        ("Outcome", facts.outcome(call, attributes)),
        ("Ids", [("Began", f"{fmt.date_time(call['started_at'])} UTC"), *facts.ids(call)]),
    )
    with st.grid(len(sections), min_column_width=255, gap="small"):
        for title, pairs in sections:
            with st.container(gap="xxsmall"):
                st.markdown(SECTION.format(title))
                st.markdown("  \n".join(f":small[:gray[{_label(name)}]] {fmt.code(text, 90)}" for name, text in pairs))


def _label(name: str) -> str:
    """NAME as Markdown: ours are words; the key of a tag is the application's."""
    return f"Tag {fmt.code(name.removeprefix('Tag '), 30)}" if name.startswith("Tag ") else name


def _bill(call: facts.Row, rows: Sequence[facts.Row], attributes: dict[str, Any]) -> None:
    with st.container(gap="xsmall"):
        st.markdown(SECTION.format("Cost"))
        st.markdown(_verdict(call, rows))
        if rows:
            _items(facts.items(rows))
        book = f"price book {fmt.code(call['price_book'])}" if call["price_book"] else "no price book"
        again = f", price revision {call['revision']}" if call["revision"] > 1 else ""
        st.markdown(f":small[Priced at {fmt.date_time(call['priced_at'])[:19]} UTC by {book}{again}.]")
    buckets = facts.buckets(call)
    raw = attributes.get(semconv.USAGE_RAW)
    if buckets or raw:
        with st.expander(f"Tokens by kind ({len(buckets)})", icon=":material/token:"):
            if buckets:
                _tokens(buckets)
            if raw:
                st.markdown(":small[As the provider reported them:]")
                st.code(str(raw)[:MOST_TEXT], language="json", wrap_lines=True)


def _verdict(call: facts.Row, rows: Sequence[facts.Row]) -> str:
    """What the call cost, and how sure that is."""
    status = str(call["cost_status"])
    said = facts.COST_STATUSES.get(status, "")
    reason = f" {fmt.code(call['cost_reason'], 200)}" if call["cost_reason"] else ""
    total = "not known" if call["cost_usd"] is None else fmt.marked(fmt.exact_money(call["cost_usd"]))
    if call["duplicate_of"]:
        reason += f" Counted once, in span {fmt.code(call['duplicate_of'], 40)}."
    listed = sum((row["cost_usd"] for row in rows if row["cost_usd"] is not None), Decimal(0))
    list_price = f" List price {fmt.marked(fmt.exact_money(listed))}." if status == "committed" and listed else ""
    return f"**{total}** · {fmt.code(status.replace('_', ' '))} {said}.{reason}{list_price}"


def _items(items: Sequence[facts.Item]) -> None:
    columns: dict[str, tuple[str, list[str | None]]] = {
        "component": ("Item", [item.component for item in items]),
        "quantity": ("Quantity", [item.quantity for item in items]),
        "rate": ("Rate", [item.rate for item in items]),
        "factor": ("Factor", [item.factor for item in items]),
        "cost": ("Cost", [item.cost for item in items]),
        "since": ("Price since", [item.since for item in items]),
        "source": ("Source", [item.source for item in items]),
        "note": ("Note", [item.note for item in items]),
    }
    shown = {name: values for name, (_, values) in columns.items() if any(values)}
    config: dict[str, Any] = {name: st.column_config.TextColumn(columns[name][0]) for name in shown}
    if "source" in shown:
        # The text is fixed by us: only the address is the price book's.
        config["source"] = st.column_config.LinkColumn("Source", display_text=r"https?://(?:www\.)?([^/]+)")
    st.dataframe(
        pd.DataFrame(shown), column_config=config, hide_index=True, height="content", row_height=30,
        placeholder=fmt.UNKNOWN, key="call_bill", alt="The items that the call's cost is the sum of",
    )  # fmt: skip


def _tokens(buckets: Sequence[tuple[str, int]]) -> None:
    table = pd.DataFrame({"kind": [name for name, _ in buckets], "tokens": [fmt.count(n) for _, n in buckets]})
    config = {
        "kind": st.column_config.TextColumn("Kind", width=160),
        "tokens": st.column_config.TextColumn("Tokens", width=100, alignment="right"),
    }
    st.dataframe(
        table, column_config=config, hide_index=True, height="content", width="content", row_height=28,
        key="call_tokens", alt="The call's tokens by kind",
    )  # fmt: skip


def _content(rows: Sequence[facts.Row]) -> None:
    found = facts.messages(rows[0] if rows else None)
    if not found:
        st.markdown(":small[Prompt and answer were not stored; `LLMTRACE_CAPTURE_CONTENT=true` has them stored.]")
        return
    with st.expander(f"Prompt and answer ({len(found)} messages)", icon=":material/chat:"):
        for role, text in found:
            st.markdown(f":small[{fmt.code(role)}]")
            cut = len(text) > MOST_TEXT
            st.code(text[:MOST_TEXT], language=None, wrap_lines=True)
            if cut:
                st.markdown(f":small[The first {MOST_TEXT:,} of {len(text):,} characters.]")
