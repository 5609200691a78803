"""What fails, whom it hits, what it cost: failures over time and by kind, retries, and the calls themselves."""

from functools import partial
from typing import Any

import streamlit as st

from .. import format as fmt
from .. import links, listing, rows
from ..charts import errors, outcomes, series
from ..format import calls, count, percent, share
from ..groups import coloured
from ..metrics import FAILED
from ..period import bucket_of
from ..scope import Scope
from ..widgets import chart, figures, shielded

GROUPS = {"type": "error", "HTTP status": "http_status", "feature": "feature", "model": "model", "provider": "provider",
          "service": "service", "user": "user"}  # fmt: skip
TOP, LATEST = 8, 10
GROUPS_PX = 340  # room for the names of nine groups on a narrow screen
STATUSES = ("error", "cancelled")
COLUMNS = ("feature", "status", "error_type", "model", "duration_s", "attempts", "cost_usd", "user_id", "service")


def show(scope: Scope) -> None:
    """Draw the page for SCOPE."""
    bucket = bucket_of(scope.period)
    _figures(scope)
    total = scope.ask("failure_totals")[0]
    if not (total["errors"] or total["cancelled"] or total["retried"]):
        st.success(f"{calls(total['calls'])} checked: none failed, none was cancelled, none was tried again.",
                   icon=":material/check_circle:")  # fmt: skip
        return
    left, right = st.columns(2, gap="small")
    with left.container(border=True, gap="xsmall", height="stretch"):
        _rates(scope, bucket)
    with right.container(border=True, gap="xsmall", height="stretch"):
        _retries(scope, bucket, total)
    if total["errors"] or total["cancelled"]:
        with st.container(border=True, gap="small"):
            _by(scope, bucket)
        with st.container(border=True, gap="small"):
            _types(scope)
        with st.container(border=True, gap="small"):
            _latest(scope, total)


@shielded
def _figures(scope: Scope) -> None:
    now = scope.ask("failure_totals")[0]
    cells = (
        ("Failed", f"{count(now['errors'] or 0)} · {percent(share(now['errors'] or 0, now['calls']))}"),
        ("Cancelled by the caller", f"{count(now['cancelled'] or 0)} · {_part(now, 'cancelled')}"),
        ("Tried again", f"{count(now['retried'] or 0)} · {_part(now, 'retried')}"),
        ("Waited to try again", fmt.duration(now["retry_wait_s"] or 0.0)),
        ("Spent on failed and cancelled", _wasted(now)),
    )
    with st.container(border=True):
        figures(cells, 150)


def _part(row: dict[str, Any], column: str) -> str:
    return percent(share(row[column] or 0, row["calls"]))


def _wasted(row: dict[str, Any]) -> str:
    """What failed and cancelled calls are known to have cost; at least that, where some have a cost nobody knows."""
    if not (row["errors"] or row["cancelled"]):
        return "$0.00"
    if not row["unknown_cost_calls"]:
        return fmt.money(row["wasted_usd"])
    return f"≥ {fmt.money(row['wasted_usd'])}" if row["wasted_usd"] is not None else "not known"


@shielded
def _rates(scope: Scope, bucket: str) -> None:
    found = scope.ask("outcomes", bucket=bucket)
    st.subheader("Share that failed", anchor=False)
    chart(outcomes.rates(found, scope.period, bucket), outcomes.rates_takeaway(found), "error_rates")


@shielded
def _retries(scope: Scope, bucket: str, total: dict[str, Any]) -> None:
    found = scope.ask("outcomes", bucket=bucket)
    said = f"{calls(total['retried'] or 0)}, {count(total['extra_attempts'] or 0)} attempts more"
    st.subheader(f"Tried again :small[:gray[{said}]]", anchor=False)
    if not total["retried"]:
        st.success(f"{calls(total['calls'])} checked: each got its answer at once.", icon=":material/check_circle:")
        return
    chart(outcomes.waits(found, scope.period, bucket), outcomes.waits_takeaway(found), "error_retries")


@shielded
def _by(scope: Scope, bucket: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Failed calls", anchor=False, width="content")
        name = st.segmented_control(
            "By", list(GROUPS), default="type", required=True, key="by", bind="query-params", wrap=False,
            label_visibility="collapsed",
        )  # fmt: skip
    by = GROUPS.get(name or "", "error")
    if not scope.totals()["errors"]:
        st.success("None failed: the calls counted above were cancelled by their callers.")
    elif by == "error":
        found = scope.ask("series", by=by, bucket=bucket)
        chart(errors.by_type(found, scope.period, bucket), errors.takeaway(found), "error_types")
    else:
        found = [row for row in scope.ask("top_series", by=by, bucket=bucket, top=TOP, rank="errors") if row["errors"]]
        drawn = series.series_of(found, FAILED, scope.period, bucket)
        colours = coloured(drawn.groups, scope.known.get(by, ()))
        chart(series.over_time(drawn, colours, height=GROUPS_PX), series.takeaway(drawn), "error_groups")
    _groups(scope, by, name or "type")


def _groups(scope: Scope, by: str, name: str) -> None:
    found = [row for row in scope.ask("failures", by=by, limit=50) if row["errors"] or row["cancelled"]]
    # Of a type of error every call has failed: a share of its own calls would always be all of them.
    shares = (
        rows.figure("Rate", lambda row: _part(row, "errors"), 66),
        rows.number("Of calls", lambda row: row["calls"], 76),
    )
    columns = (
        rows.text(name, lambda row: _name(row["key"], by), 200),
        rows.number("Failed", lambda row: row["errors"] or 0, 70),
        *(() if by in ("error", "http_status") else shares),
        rows.number("Cancelled", lambda row: row["cancelled"] or 0, 80),
        rows.number("Tried again", lambda row: row["retried"] or 0, 86),
        rows.figure("Waited", lambda row: fmt.duration(row["retry_wait_s"]), 80),
        rows.figure("Spent on them", _wasted, 110, "By failed and cancelled calls."),
        rows.when("Last failed (UTC)", "last_failed_at", 120),
    )
    rows.draw(found, columns, f"failures_{by}", f"Failed, cancelled and retried calls by {name}")


def _name(key: str | None, by: str) -> str:
    if key is None and by in ("error", "http_status"):
        return errors.NO_TYPE if by == "error" else "(no answer)"
    return fmt.group_name(key)


@shielded
def _types(scope: Scope) -> None:
    kinds = scope.ask("failure_types", limit=100)
    st.subheader("Kinds of failure :small[:gray[choose a row to see its calls]]", anchor=False)
    columns = (
        rows.text("How", lambda row: listing.NOT_OK.get(row["status"], row["status"]), 100),
        rows.name("Type", "error_type", 200),
        rows.name("HTTP", "http_status", 60),
        rows.name("Provider", "provider", 100),
        rows.name("Model", "model", 210),
        rows.number("Calls", lambda row: row["calls"], 70),
        rows.figure("Cost", _known, 100),
        rows.when("Last (UTC)", "last_at", 120),
    )
    key = f"kinds_{hash(str(kinds)) & 0xFFFFFFFF:08x}"
    rows.draw(
        kinds, columns, key, "Failed and cancelled calls by kind, provider and model",
        on_select=partial(_see_kind, key, kinds), selection_mode=["single-row", "single-cell"],
    )  # fmt: skip


def _known(row: dict[str, Any]) -> str:
    if row["unknown_cost_calls"] == row["calls"]:
        return "not known"
    return ("≥ " if row["unknown_cost_calls"] else "") + fmt.money(row["cost_usd"])


def _see_kind(key: str, kinds: list[dict[str, Any]]) -> None:
    """Go to the calls of the kind whose row was selected."""
    place = links.selected_row(st.session_state[key])
    if place is not None and place < len(kinds):
        row = kinds[place]
        wanted = {"status": "status", "error": "error_type", "provider": "provider", "model": "model"}
        links.see_chosen("calls", {name: [row[column] or ""] for name, column in wanted.items()})


@shielded
def _latest(scope: Scope, total: dict[str, Any]) -> None:
    chosen = scope.filters.get("status")
    wanted = [status for status in STATUSES if not chosen or status in chosen]
    latest = scope.ask("calls_page", status=wanted, limit=LATEST)
    of = count((total["errors"] or 0) + (total["cancelled"] or 0))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Latest :small[:gray[of {of}]]", anchor=False, width="content")
        st.button(
            "All of them", icon=":material/list_alt:", key="all_failed", type="tertiary", on_click=links.see_chosen,
            args=("calls", {"status": wanted}),
        )  # fmt: skip
    links.calls_table(latest, "failed", "The latest failed and cancelled calls", listing.chosen(COLUMNS))
