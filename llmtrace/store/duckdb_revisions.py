"""New revisions of stored calls in DuckDB: what stood there goes to the history, which only grows."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llmtrace.store import rows
from llmtrace.store.base import Attribution, PricedCall

if TYPE_CHECKING:
    import duckdb

REVISED = "(trace_id, span_id) IN (SELECT unnest($traces), unnest($spans))"
KEEP_REVISED = f"INSERT INTO call_history FROM call_rows WHERE {REVISED}"
DELETE_REVISED = f"DELETE FROM call_rows WHERE {REVISED} RETURNING trace_id, span_id, revision"  # noqa: S608  (no value)
KEEP_ITEMS = (
    "INSERT INTO cost_items SELECT i.* REPLACE (i.revision + 1 AS revision) FROM cost_items i JOIN call_rows c "
    "USING (trace_id, span_id, revision) WHERE (trace_id, span_id) IN (SELECT unnest($traces), unnest($spans))"
)
ATTRIBUTE = (
    "UPDATE call_rows SET feature = a.feature, feature_source = a.source, revision = revision + 1 "
    "FROM (SELECT unnest($traces) AS trace, unnest($spans) AS span, unnest($features) AS feature, "
    "unnest($sources) AS source) a WHERE trace_id = a.trace AND span_id = a.span"
)


class Revisions:
    """The revisions written over one connection, within its transactions."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", append: Callable[[str, Sequence[tuple[Any, ...]]], None]
    ) -> None:
        """Write over CONNECTION; APPEND puts rows into a table."""
        self._connection, self._append = connection, append

    def revise(self, revisions: Sequence[PricedCall]) -> None:
        """Put REVISIONS in the place of what stands there, which goes to the history."""
        if not revisions:
            return
        keys = {
            "traces": [p.call.trace_id for p in revisions],
            "spans": [p.call.span_id for p in revisions],
        }
        self._connection.execute(KEEP_REVISED, keys)
        removed = self._connection.execute(DELETE_REVISED, keys).fetchall()
        last = {(trace_id, span_id): revision for trace_id, span_id, revision in removed}
        now = rows.utc_now()
        for priced in revisions:
            number = last.get((priced.call.trace_id, priced.call.span_id), 0) + 1
            self._append("call_rows", [rows.call_row(priced, number, now)])
            self._append("cost_items", list(rows.item_rows(priced.call, priced.cost, number)))

    def attribute(self, attributions: Sequence[Attribution]) -> None:
        """Put new features in the place of what stands there, which goes to the history."""
        if not attributions:
            return
        keys = {"traces": [a.trace_id for a in attributions], "spans": [a.span_id for a in attributions]}
        self._connection.execute(KEEP_REVISED, keys)
        self._connection.execute(KEEP_ITEMS, keys)
        named = {"features": [a.feature for a in attributions], "sources": [a.source for a in attributions]}
        self._connection.execute(ATTRIBUTE, {**keys, **named})
