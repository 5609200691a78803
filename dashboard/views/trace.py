"""What happened in one piece of work: its spans over time, with what its calls cost; without one, a list to choose."""

from functools import partial
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from .. import call_panel, facts, links, rows, tree, waterfall
from .. import format as fmt
from ..answers import ask
from ..scope import Scope
from ..widgets import figures, no_match, shielded

TRACE, SPAN, PAGE, SORT, FALL = "trace", "span", "traces_page", "traces_sort", "fall"
PER_PAGE = 25
MOST_SPANS = 2000
SORTS = {"newest": "started_at", "dearest": "cost_usd", "most calls": "calls", "longest in calls": "calls_s"}


def show(scope: Scope) -> None:
    """Draw the page for SCOPE: the trace that the address names, or all that match."""
    trace_id = st.query_params.get(TRACE)
    if trace_id:
        _trace(scope, trace_id)
    elif scope.totals()["calls"]:
        _list(scope)
    else:
        no_match(scope)


@shielded
def _list(scope: Scope) -> None:
    found = scope.ask("traces_found")[0]
    pages = -(-found["traces"] // PER_PAGE)
    held = st.session_state.get(PAGE)
    if held is not None and held > pages:
        st.session_state[PAGE] = pages
    sort = st.selectbox("Sort", list(SORTS), key=SORT, bind="query-params", width=170)
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            said = f"**{found['traces']:,} trace{'s' * (found['traces'] != 1)}** · choose a row to see what happened"
            st.markdown(f":small[{said}]", width="content")
            page = st.pagination(pages, key=PAGE, bind="query-params") if pages > 1 else 1
        _traces(scope.ask("traces", limit=PER_PAGE, offset=(page - 1) * PER_PAGE, order=SORTS[sort]))


def _traces(found: list[dict[str, Any]]) -> None:
    ids = [row["trace_id"] for row in found]
    columns = (
        rows.text("Began (UTC)", lambda row: f"{row['started_at']:%d %b %H:%M:%S}", 124),
        rows.text("Features", _features, 190),
        rows.number("Spans", lambda row: row["spans"], 64),
        rows.number("LLM calls", lambda row: row["calls"], 76, "Of those that match the filters."),
        rows.figure("Failed", lambda row: fmt.count(row["errors"]) if row["errors"] else "", 64),
        rows.figure("Cost", fmt.known_cost, 92, "Of the calls that match the filters."),
        rows.figure("Took", lambda row: fmt.duration(row["duration_s"]), 80, "From its first start to its last end."),
        rows.figure("In calls", lambda row: fmt.duration(row["calls_s"]), 80, "All its calls together."),
        rows.text("Trace", lambda row: row["trace_id"], 250),
    )
    key = f"traces_{hash(tuple(ids)) & 0xFFFFFFFF:08x}"
    rows.draw(
        found, columns, key, "Traces with their features, spans, calls, cost and duration", most_rows=PER_PAGE,
        on_select=partial(_open, key, ids), selection_mode=["single-row", "single-cell"],
    )  # fmt: skip


def _features(row: dict[str, Any]) -> str:
    more = f" and {row['features'] - 1} more" if row["features"] > 1 else ""
    return fmt.group_name(row["feature"]) + more


def _open(key: str, ids: list[str]) -> None:
    place = links.selected_row(st.session_state[key])
    if place is not None and place < len(ids):
        st.query_params[TRACE] = ids[place]


@shielded
def _trace(scope: Scope, trace_id: str) -> None:
    spans = ask(scope.stamp, "trace", {"trace_id": trace_id, "limit": MOST_SPANS})
    if not spans:
        _not_found(scope, trace_id)
        return
    total = ask(scope.stamp, "trace_total", {"trace_id": trace_id})[0]
    nodes = tree.nodes_of(spans)
    known = {node.span_id: node for node in nodes}
    chosen = st.query_params.get(SPAN)
    with st.container(border=True, gap="small"):
        _head(scope, trace_id)
        _figures(total, spans, nodes)
        if total["spans"] > len(spans):
            st.markdown(f"Drawn are the first {len(spans):,} of its {total['spans']:,} spans; the figures are of all.")
        waterfall.draw(nodes, trace_id, chosen, FALL, _choose)
        _legend(nodes)
    if chosen in known and known[chosen].row is not None:
        _span(scope, known[chosen], trace_id)


def _head(scope: Scope, trace_id: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"##### Trace {fmt.code(trace_id, 40)}", width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            st.button("Its calls", icon=":material/list_alt:", key="its_calls", type="tertiary",
                      on_click=links.see_all, args=("calls",), kwargs={"q": trace_id})  # fmt: skip
            st.button("All traces", icon=":material/arrow_back:", key="all_traces", on_click=_leave, type="tertiary")


def _figures(total: dict[str, Any], spans: list[dict[str, Any]], nodes: list[tree.Node]) -> None:
    features = sorted({fmt.group_name(row["feature"]) for row in spans if row["is_call"]})
    failed = sum(node.is_failed for node in nodes)
    cells = (
        ("Cost", fmt.known_cost(total)),
        ("LLM calls", fmt.count(total["calls"])),
        ("Spans", fmt.count(total["spans"])),
        ("Failed spans", fmt.count(failed)),
        ("Took", fmt.seconds(tree.length_s(nodes))),
        ("Input tokens", fmt.tokens(total["input_tokens"])),
        ("Output tokens", fmt.tokens(total["output_tokens"])),
    )
    figures(cells, 100)
    began = fmt.date_time(min(row["started_at"] for row in spans))
    of = ", ".join(fmt.code(name, 40) for name in features[:5]) or "no LLM call"
    st.markdown(f":small[Began {began} UTC · {of} · shown whole, whatever the period and the filters]")


def _legend(nodes: list[tree.Node]) -> None:
    kinds = {node.kind for node in nodes}
    said = [":blue[■] LLM call, paler until its first token"]
    if tree.OWN in kinds:
        said.append(":violet[■] other span of llmtrace")
    if tree.FOREIGN in kinds:
        said.append(":gray[■] span of another instrumentation")
    if any(node.is_failed for node in nodes):
        said.append(":red[■] failed")
    if tree.MISSING in kinds:
        said.append(":gray[□] not recorded")
    st.markdown(f":small[{' · '.join(said)} · choose a line to see all of it; arrow keys walk the tree]")


def _span(scope: Scope, node: tree.Node, trace_id: str) -> None:
    row = node.row
    assert row is not None
    with st.container(border=True, gap="small", key="span_panel"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Call" if row["is_call"] else "Span", anchor=False, width="content")
            st.button("Close", icon=":material/close:", key="span_close", on_click=_close, type="tertiary")
        for note in node.notes:
            st.markdown(f":orange[!] {fmt.code(note, 300)}")
        if row["is_call"]:
            call_panel.show(scope, node.span_id, trace_id)
        else:
            _foreign(scope, node, trace_id)


@shielded
def _foreign(scope: Scope, node: tree.Node, trace_id: str) -> None:
    """A span that is no call: what its instrumentation said of it."""
    found = ask(scope.stamp, "span", {"span_id": node.span_id, "trace_id": trace_id})
    if not found:
        return
    span = found[0]
    pairs = [
        ("Name", span["name"]), ("Service", span["service"]), ("Instrumentation", span["scope"]),
        ("Began", f"{fmt.date_time(span['started_at'])} UTC"), ("Took", fmt.seconds(span["duration_s"])),
        ("Status", "failed" if span["status_code"] == 2 else None), ("Message", span["status_message"]),
        ("Span", span["span_id"]), ("Parent span", span["parent_span_id"]),
    ]  # fmt: skip
    lines = [f":small[:gray[{name}]] {fmt.code(str(text), 120)}" for name, text in pairs if text]
    st.markdown("  \n".join(lines))
    attributes = facts.attributes_of(span)
    if attributes:
        st.dataframe(
            pd.DataFrame({"attribute": [*attributes], "value": [str(value)[:2000] for value in attributes.values()]}),
            hide_index=True, height="content", row_height=28, key="span_attributes", alt="The span's attributes",
        )  # fmt: skip


def _not_found(scope: Scope, trace_id: str) -> None:
    first = scope.stamp.first_call_at
    since = f" Calls are recorded here since {fmt.moment(first)} UTC." if first is not None else ""
    with st.container(border=True):
        st.subheader("No such trace", icon=":material/search_off:")
        st.markdown(f"There is no trace {fmt.code(trace_id, 40)} in this store.{since}")
        st.markdown("It may not have ended yet, or be in the store of another home; this page looks again by itself.")
        st.button("All traces", key="all_traces", on_click=_leave, type="primary")


def _choose() -> None:
    chosen = waterfall.chosen_of(st.session_state.get(FALL))
    if chosen:
        st.query_params[SPAN] = chosen


def _close() -> None:
    st.query_params.pop(SPAN, None)


def _leave() -> None:
    st.query_params.pop(TRACE, None)
    st.query_params.pop(SPAN, None)
