"""Answers as JSON: money as decimal strings, times as ISO 8601 in UTC, seconds as floats, what is absent as null."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from llmtrace.pricing.display import convert, exchange_at
from llmtrace.store.base import Rows

# What `report --json` prints for each row, in this order.
REPORT_KEYS = (
    "key", "calls", "errors", "error_rate", "cost_usd", "unpriced_calls", "estimated_calls", "input_tokens",
    "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "latency_p50_s", "latency_p95_s",
    "latency_p99_s", "ttft_p50_s", "ttft_p95_s",
)  # fmt: skip


def plain(value: Any) -> Any:
    """VALUE as JSON can hold it without loss."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """VALUE as JSON text."""
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


def report_json(by: str, rows: Rows, totals: Rows, currency: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The answer of `report --json`: ROWS of the question `report` and TOTALS of the question `totals`.

    With a CURRENCY, costs are there in that one too, by the rate of the last call.
    """
    total = totals.dicts()[0]
    answer: dict[str, Any] = {
        "by": by,
        "rows": [report_row(row, by) for row in rows.dicts()],
        "total": report_row({"key": None, **total}, by),
    }
    exchange = exchange_at(currency, total["last_call_at"])
    if exchange is not None:
        answer["currency"] = exchange
        for row in (*answer["rows"], answer["total"]):
            row["cost_display"] = plain(convert(row["cost_usd"], exchange))
    return answer


def report_row(row: Mapping[str, Any], by: str) -> dict[str, Any]:
    """ROW with the keys of the contract; the error rate is divided here, not in the engine."""
    calls = row["calls"]
    error_rate = round(row["errors"] / calls, 6) if calls else None
    shown = {**row, "error_rate": error_rate, "key": bucket_label(row["key"], by)}
    for name in ("errors", "unpriced_calls", "estimated_calls"):
        shown[name] = shown[name] or 0
    return {name: plain(shown[name]) for name in REPORT_KEYS}


def bucket_label(key: Any, by: str) -> Any:
    """KEY as it is shown: a day as `2026-11-01`, an hour as `2026-11-01T08:00Z`."""
    if isinstance(key, datetime):
        return f"{key:%Y-%m-%d}" if by == "day" else f"{key:%Y-%m-%dT%H:%MZ}"
    return key
