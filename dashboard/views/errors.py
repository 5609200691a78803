"""What fails, whom it hits, what it cost: failures over time and by kind, retries, and the calls themselves."""

from functools import partial
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st

from .. import format as fmt
from .. import links, listing
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
    rows = scope.ask("outcomes", bucket=bucket)
    st.subheader("Share that failed", anchor=False)
    chart(outcomes.rates(rows, scope.period, bucket), outcomes.rates_takeaway(rows), "error_rates")


@shielded
def _retries(scope: Scope, bucket: str, total: dict[str, Any]) -> None:
    rows = scope.ask("outcomes", bucket=bucket)
    said = f"{calls(total['retried'] or 0)}, {count(total['extra_attempts'] or 0)} attempts more"
    st.subheader(f"Tried again :small[:gray[{said}]]", anchor=False)
    if not total["retried"]:
        st.success(f"{calls(total['calls'])} checked: each got its answer at once.", icon=":material/check_circle:")
        return
    chart(outcomes.waits(rows, scope.period, bucket), outcomes.waits_takeaway(rows), "error_retries")


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
        rows = scope.ask("series", by=by, bucket=bucket)
        chart(errors.by_type(rows, scope.period, bucket), errors.takeaway(rows), "error_types")
    else:
        rows = [row for row in scope.ask("top_series", by=by, bucket=bucket, top=TOP, rank="errors") if row["errors"]]
        drawn = series.series_of(rows, FAILED, scope.period, bucket)
        colours = coloured(drawn.groups, scope.known.get(by, ()))
        chart(series.over_time(drawn, colours, height=GROUPS_PX), series.takeaway(drawn), "error_groups")
    _groups(scope, by, name or "type")


def _groups(scope: Scope, by: str, name: str) -> None:
    rows = [row for row in scope.ask("failures", by=by, limit=50) if row["errors"] or row["cancelled"]]
    # Of a type of error every call has failed: a share of its own calls would always be all of them.
    is_share = by not in ("error", "http_status")
    data = {
        "name": [_name(row["key"], by) for row in rows],
        "failed": [row["errors"] or 0 for row in rows],
        "rate": [_part(row, "errors") for row in rows],
        "cancelled": [row["cancelled"] or 0 for row in rows],
        "of": [row["calls"] for row in rows],
        "retried": [row["retried"] or 0 for row in rows],
        "waited": [fmt.duration(row["retry_wait_s"]) for row in rows],
        "wasted": [_wasted(row) for row in rows],
        "last": [fmt.moment(row["last_failed_at"]) if row["last_failed_at"] else fmt.UNKNOWN for row in rows],
    }
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    config: dict[str, Any] = {
        "name": text(name, width=200, pinned=True),
        "failed": number("Failed", width=70, format="localized"),
        "rate": text("Rate", width=66, alignment="right") if is_share else None,
        "cancelled": number("Cancelled", width=80, format="localized"),
        "of": number("Of calls", width=76, format="localized") if is_share else None,
        "retried": number("Tried again", width=86, format="localized"),
        "waited": text("Waited", width=80, alignment="right"),
        "wasted": text("Spent on them", width=110, alignment="right", help="By failed and cancelled calls."),
        "last": text("Last failed (UTC)", width=120),
    }
    st.dataframe(
        pd.DataFrame(data), column_config=config, hide_index=True, height="content" if len(rows) <= 12 else 420,
        row_height=30, key=f"failures_{by}", alt=f"Failed, cancelled and retried calls by {name}",
    )  # fmt: skip


def _name(key: str | None, by: str) -> str:
    if key is None and by in ("error", "http_status"):
        return errors.NO_TYPE if by == "error" else "(no answer)"
    return fmt.group_name(key)


@shielded
def _types(scope: Scope) -> None:
    rows = scope.ask("failure_types", limit=100)
    said = "choose a row to see its calls"
    st.subheader(f"Kinds of failure :small[:gray[{said}]]", anchor=False)
    data = {
        "status": [listing.NOT_OK.get(row["status"], row["status"]) for row in rows],
        "type": [fmt.plain(row["error_type"]) if row["error_type"] else fmt.UNKNOWN for row in rows],
        "http": [str(row["http_status"]) if row["http_status"] else fmt.UNKNOWN for row in rows],
        "provider": [fmt.plain(row["provider"]) for row in rows],
        "model": [fmt.plain(row["model"] or fmt.UNKNOWN) for row in rows],
        "calls": [row["calls"] for row in rows],
        "cost": [_known(row) for row in rows],
        "last": [fmt.moment(row["last_at"]) for row in rows],
    }
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    config = {
        "status": text("How", width=100, pinned=True),
        "type": text("Type", width=200),
        "http": text("HTTP", width=60),
        "provider": text("Provider", width=100),
        "model": text("Model", width=210),
        "calls": number("Calls", width=70, format="localized"),
        "cost": text("Cost", width=100, alignment="right"),
        "last": text("Last (UTC)", width=120),
    }
    key = f"kinds_{hash(str(rows)) & 0xFFFFFFFF:08x}"
    st.dataframe(
        pd.DataFrame(data), column_config=config, hide_index=True, height="content" if len(rows) <= 12 else 420,
        row_height=30, key=key, on_select=partial(_see_kind, key, rows), selection_mode=["single-row", "single-cell"],
        alt="Failed and cancelled calls by kind, provider and model",
    )  # fmt: skip


def _known(row: dict[str, Any]) -> str:
    if row["unknown_cost_calls"] == row["calls"]:
        return "not known"
    return ("≥ " if row["unknown_cost_calls"] else "") + fmt.money(row["cost_usd"])


def _see_kind(key: str, rows: list[dict[str, Any]]) -> None:
    """Go to the calls of the kind whose row was selected."""
    place = links.selected_row(st.session_state[key])
    if place is not None and place < len(rows):
        row = rows[place]
        wanted = {"status": "status", "error": "error_type", "provider": "provider", "model": "model"}
        links.see_chosen("calls", {name: [row[column] or ""] for name, column in wanted.items()})


@shielded
def _latest(scope: Scope, total: dict[str, Any]) -> None:
    chosen = scope.filters.get("status")
    wanted = [status for status in STATUSES if not chosen or status in chosen]
    rows = scope.ask("calls_page", status=wanted, limit=LATEST)
    of = count((total["errors"] or 0) + (total["cancelled"] or 0))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(f"Latest :small[:gray[of {of}]]", anchor=False, width="content")
        st.button(
            "All of them", icon=":material/list_alt:", key="all_failed", type="tertiary", on_click=links.see_chosen,
            args=("calls", {"status": wanted}),
        )  # fmt: skip
    links.calls_table(rows, "failed", "The latest failed and cancelled calls", listing.chosen(COLUMNS))
