"""Takes the cost of one call apart: every item with its price and its source, and what has no price and why."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir

from llmtrace import codec
from llmtrace.analytics.filters import Filter, apply_filter
from llmtrace.analytics.relations import CALLS_ALL, COST_ITEMS, SPANS
from llmtrace.analytics.tables import CALLS
from llmtrace.errors import QueryError
from llmtrace.model import Call
from llmtrace.pricing import PriceBook
from llmtrace.pricing.display import convert, describe_currency, exchange_at
from llmtrace.pricing.origins import count_origins
from llmtrace.store.base import Rows
from llmtrace.store.rows import read_span

PER_CALL = "request"  # the component that is billed with each call, whatever its usage
MOST_CANDIDATES = 5
HEX = frozenset("0123456789abcdef")
HINT = "the latest are shown by: llmtrace query 'SELECT span_id, feature FROM calls ORDER BY started_at DESC LIMIT 9'"
# Columns of `calls_all` that a call is shown with beside those of `calls`.
MORE_COLUMNS = ("endpoint", "request_id", "retry_wait_s")

Ask = Callable[[ir.Table], Rows]


def explain_call(ask: Ask, book: PriceBook, span_id: str, chosen: Filter) -> dict[str, Any]:
    """The cost of the one call whose span id starts with SPAN_ID, among those that CHOSEN describes.

    `total_usd`, `status` and `items` are the cost; `call` is its row, `usage` the provider's own usage object.

    Raises:
        QueryError: no call, or more than one, has such an id.
    """
    row = _find(ask, span_id, chosen)
    key = {name: row[name] for name in ("trace_id", "span_id")}
    span = _span(ask, key)
    call = codec.decode(span) if span is not None else None
    prices = {price.id: price for price in book.prices}
    rows = _items(ask, key, row["revision"])
    items = []
    for item, origin in zip(rows, _origins(call, rows), strict=True):
        price = prices.get(item["price_row_id"] or "")
        items.append(_item(item, price.verified_at if price is not None else None, origin))
    exchange = exchange_at(describe_currency(book), row["started_at"])
    shown = {"cost_display": convert(row["cost_usd"], exchange), "currency": exchange} if exchange is not None else {}
    return {
        **key,
        "total_usd": row["cost_usd"],
        **shown,
        "status": row["cost_status"],
        "reason": row["cost_reason"],
        "items": items,
        "price_book": row["price_book"],
        "priced_at": row["priced_at"],
        "revision": row["revision"],
        "duplicate_of": row["duplicate_of"],
        "call": {name: _loaded(name, row[name]) for name in (*CALLS.columns, *MORE_COLUMNS)},
        "usage": call.response.usage if call is not None else None,
    }


def _find(ask: Ask, span_id: str, chosen: Filter) -> dict[str, Any]:
    """The latest revision of the one call that SPAN_ID begins."""
    prefix = span_id.strip().lower()
    if not prefix or not set(prefix) <= HEX:
        raise QueryError(f"'{span_id}' is no span id: those are 16 hexadecimal digits, of which the first few will do")
    calls = apply_filter(CALLS_ALL, chosen)
    order = [ibis.asc("span_id"), ibis.asc("trace_id"), ibis.desc("revision")]
    found = ask(calls.filter(calls.span_id.startswith(prefix)).order_by(order).limit(100)).dicts()
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in found:
        latest.setdefault((row["span_id"], row["trace_id"]), row)
    if len(latest) > 1:
        raise QueryError(_ambiguous(prefix, list(latest.values())))
    for row in latest.values():
        return row
    if ask(SPANS.filter(SPANS.span_id.startswith(prefix)).limit(1)).rows and chosen == Filter():
        raise QueryError(f"the span {prefix} is no call to a provider, so it has no cost")
    among = "" if chosen == Filter() else " among those that match the filters"
    raise QueryError(f"there is no call with the span id {prefix}{among}; {HINT}")


def _ambiguous(prefix: str, rows: list[dict[str, Any]]) -> str:
    shown = [
        f"  {row['span_id']}  {row['started_at']:%Y-%m-%d %H:%M:%S}  {row['feature'] or 'untagged'}"
        f"  {row['request_model'] or ''}".rstrip()
        for row in rows[:MOST_CANDIDATES]
    ]
    more = [] if len(rows) <= MOST_CANDIDATES else ["  ..."]
    return "\n".join([f"several calls have a span id that starts with {prefix}; give more of it:", *shown, *more])


def _span(ask: Ask, key: Mapping[str, str]) -> Any:
    found = ask(SPANS.filter([SPANS[name] == value for name, value in key.items()]).limit(1)).dicts()
    return read_span(found[0]) if found else None


def _items(ask: Ask, key: Mapping[str, str], revision: int) -> list[dict[str, Any]]:
    mine = [COST_ITEMS[name] == value for name, value in {**key, "revision": revision}.items()]
    return ask(COST_ITEMS.filter(mine).order_by("seq")).dicts()


def _origins(call: Call | None, items: list[dict[str, Any]]) -> list[str | None]:
    """What each of ITEMS was counted from, where CALL's usage still makes the same bill."""
    origins = count_origins(call) if call is not None else []
    counted = [(i["component"], i["quantity"]) for i in items if i["component"] != PER_CALL]
    if [(c, n) for c, n, _ in origins] != counted:
        return [None] * len(items)
    told = iter(origin for _, _, origin in origins)
    return ["the call itself" if i["component"] == PER_CALL else next(told) for i in items]


def _item(item: Mapping[str, Any], verified_at: str | None, origin: str | None) -> dict[str, Any]:
    return {
        "component": item["component"],
        "quantity": shortest(item["quantity"]),
        "unit": item["unit"],
        "rate_usd": shortest(item["rate"]),
        "per": item["per"],
        "multiplier": shortest(item["multiplier"]),
        "multiplier_reason": item["multiplier_reason"],
        "cost_usd": item["cost_usd"],
        "price_id": item["price_row_id"],
        "layer": item["layer"],
        "confidence": item["confidence"],
        "source_url": item["source_url"],
        "verified_at": verified_at,
        "note": item["note"],
        "counted_from": origin,
    }


def shortest(value: Decimal | None) -> Decimal | None:
    """VALUE without the zeros that its column appends."""
    if value is None:
        return None
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _loaded(name: str, value: Any) -> Any:
    return json.loads(value) if name == "tags" and isinstance(value, str) else value
