"""The relations beside `calls` as Ibis sees them, unbound: all revisions of calls, spans, items of cost, contents."""

import ibis
import ibis.expr.types as ir

from llmtrace.analytics.tables import CALLS

CALLS_ALL: ir.Table = ibis.table(
    {
        **dict(CALLS.schema().items()),
        "endpoint": "string",
        "request_id": "string",
        "retry_wait_s": "float64",
        "cost_reason": "string",
        "priced_at": "timestamp",
        "revision": "int32",
        "duplicate_of": "string",
    },
    name="calls_all",
)

SPANS: ir.Table = ibis.table(
    {
        "trace_id": "string",
        "span_id": "string",
        "parent_span_id": "string",
        "name": "string",
        "kind": "int8",
        "started_at": "timestamp",
        "duration_s": "float64",
        "status_code": "int8",
        "status_message": "string",
        "service": "string",
        "environment": "string",
        "scope": "string",
        "attributes": "json",
        "resource": "json",
        "process": "string",
    },
    name="spans",
)

COST_ITEMS: ir.Table = ibis.table(
    {
        "trace_id": "string",
        "span_id": "string",
        "revision": "int32",
        "seq": "int32",
        "component": "string",
        "quantity": "decimal(18, 6)",
        "unit": "string",
        "rate": "decimal(18, 9)",
        "per": "int64",
        "multiplier": "decimal(9, 6)",
        "multiplier_reason": "string",
        "cost_usd": "decimal(18, 12)",
        "price_row_id": "string",
        "layer": "string",
        "confidence": "string",
        "source_url": "string",
        "note": "string",
    },
    name="cost_items",
)

CONTENTS: ir.Table = ibis.table(
    {
        "trace_id": "string",
        "span_id": "string",
        "started_at": "timestamp",
        "input_messages": "json",
        "output_messages": "json",
        "system_instructions": "json",
        "tool_definitions": "json",
    },
    name="contents",
)

BATCHES: ir.Table = ibis.table(
    {
        "provider": "string",
        "batch_id": "string",
        "started_at": "timestamp",
        "seen_at": "timestamp",
        "status": "string",
        "endpoint": "string",
        "request_model": "string",
        "requests": "int64",
        "results": "int64",
        "errors": "int64",
        "pending": "int64",
        "cost_usd": "decimal(38, 12)",
        "service": "string",
        "environment": "string",
        "feature": "string",
        "user_id": "string",
        "session_id": "string",
        "tenant": "string",
        "prompt_version": "string",
        "tags": "json",
    },
    name="batches",
)
