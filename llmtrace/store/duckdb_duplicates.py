"""Marks duplicates in DuckDB's tables, within the transaction that writes the rows that bring them to light."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from llmtrace import semconv
from llmtrace.providers.uncharged import FETCH_OPERATION
from llmtrace.store.base import PricedCall
from llmtrace.store.duplicates import (
    IDENTITY,
    REPORT,
    RICHES,
    Key,
    Sighting,
    find_duplicates,
    is_alike,
    sighting_of,
    sighting_of_new,
)

if TYPE_CHECKING:
    import duckdb

# Rows of one call start within its duration of each other, so that no more of the table need be looked at.
WINDOW = timedelta(hours=1)
COLUMNS = ", ".join(f"c.{name}" for name in (*IDENTITY, *RICHES))
RELATED = (
    f"SELECT {COLUMNS}, s.scope FROM call_rows c "  # noqa: S608  (names of our own columns)
    "JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.span_id "
    f"WHERE c.operation <> '{FETCH_OPERATION}' "
    "AND c.started_at BETWEEN $start AND $end AND s.started_at BETWEEN $start AND $end "
    "AND (c.response_id IN (SELECT unnest($responses)) OR c.request_id IN (SELECT unnest($requests)) "
    "OR c.span_id IN (SELECT unnest($parents)) OR c.parent_span_id IN (SELECT unnest($spans)))"
)
# Rows that overlap one in time and tell the same numbers.
ALIKE = (
    f"SELECT {COLUMNS}, s.scope FROM call_rows c "  # noqa: S608
    "JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.span_id "
    "WHERE c.started_at BETWEEN $start AND $end AND s.started_at BETWEEN $start AND $end "
    "AND EXISTS (SELECT 1 FROM (SELECT unnest($providers) AS provider, unnest($inputs::BIGINT[]) AS input_tokens, "
    "unnest($outputs::BIGINT[]) AS output_tokens, unnest($starts) AS started_at, unnest($ends) AS ended_at, "
    "unnest($known) AS is_known) n WHERE c.provider = n.provider "
    "AND c.input_tokens IS NOT DISTINCT FROM n.input_tokens AND c.output_tokens IS NOT DISTINCT FROM n.output_tokens "
    "AND (c.response_id IS NULL OR NOT n.is_known) AND c.started_at <= n.ended_at "
    "AND c.started_at + to_microseconds(CAST(c.duration_s * 1000000 AS BIGINT)) >= n.started_at)"
)
MARK = (
    "UPDATE call_rows SET duplicate_of = m.duplicate_of FROM (SELECT unnest($traces) AS trace_id, "
    "unnest($spans) AS span_id, unnest($marks) AS duplicate_of) m "
    "WHERE call_rows.trace_id = m.trace_id AND call_rows.span_id = m.span_id "
    "AND call_rows.started_at BETWEEN $start AND $end"
)


class DuplicateMarks:
    """Keeps `duplicate_of` right as rows come in. Costs nothing while all spans are our own."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """Mark in the database behind CONNECTION."""
        self._connection = connection
        self._has_foreign: bool | None = None
        self._places: dict[str, int] | None = None

    def mark(self, calls: Sequence[PricedCall], new_rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """NEW_ROWS of `call_rows`, made of CALLS, with `duplicate_of`; rows that stand there already are set right."""
        if not calls or not self._may_overlap(calls):
            return list(new_rows)
        places = self._column_places()
        pairs = zip(new_rows, calls, strict=True)
        new = [sighting_of_new(row, places, p) for row, p in pairs if p.call.request.operation != FETCH_OPERATION]
        stored = self._related(new)
        marks = find_duplicates([*new, *stored])
        self._update([s for s in stored if marks[s.key] != s.duplicate_of], marks)
        at = places["duplicate_of"]
        return [(*row[:at], marks.get((row[0], row[1]), row[at]), *row[at + 1 :]) for row in new_rows]

    def _may_overlap(self, calls: Sequence[PricedCall]) -> bool:
        if any(priced.scope != semconv.SCOPE_NAME for priced in calls):
            self._has_foreign = True
        elif self._has_foreign is None:
            found = self._connection.execute(
                "SELECT 1 FROM spans WHERE scope IS DISTINCT FROM ? LIMIT 1", [semconv.SCOPE_NAME]
            ).fetchone()
            self._has_foreign = found is not None
        return self._has_foreign

    def _column_places(self) -> dict[str, int]:
        if self._places is None:
            described = self._connection.execute("DESCRIBE call_rows").fetchall()
            self._places = {row[0]: i for i, row in enumerate(described)}
        return self._places

    def _related(self, new: Sequence[Sighting]) -> list[Sighting]:
        """The stored rows that may be of the same calls as NEW, and those that may be of the same calls as they."""
        found: dict[Key, Sighting] = {}
        frontier: Sequence[Sighting] = new
        while frontier:
            near = [*self._alike(frontier), *self._tied_by_ids(frontier)]
            frontier = list({s.key: s for s in near if s.key not in found}.values())
            found.update({s.key: s for s in frontier})
        return list(found.values())

    def _alike(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The stored rows that time and numbers tie to SIGHTINGS; one that is merely near is not judged anew."""
        parameters = {
            **_window(sightings),
            "providers": [s.provider for s in sightings],
            "inputs": [s.input_tokens for s in sightings],
            "outputs": [s.output_tokens for s in sightings],
            "starts": [s.started_at - REPORT for s in sightings],
            "ends": [s.ended_at + REPORT for s in sightings],
            "known": [s.response_id is not None for s in sightings],
        }
        return [s for s in self._sightings(ALIKE, parameters) if any(is_alike(s, other) for other in sightings)]

    def _tied_by_ids(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The stored rows that ids tie to SIGHTINGS: the provider's, or those of parent and child."""
        parameters = {
            **_window(sightings),
            "responses": [s.response_id for s in sightings if s.response_id is not None],
            "requests": [s.request_id for s in sightings if s.request_id is not None],
            "parents": [s.parent_span_id for s in sightings if s.parent_span_id is not None],
            "spans": [s.span_id for s in sightings],
        }
        return self._sightings(RELATED, parameters)

    def _sightings(self, sql: str, parameters: dict[str, Any]) -> list[Sighting]:
        return [sighting_of(row[:-1], row[-1]) for row in self._connection.execute(sql, parameters).fetchall()]

    def _update(self, changed: Sequence[Sighting], marks: dict[Key, str | None]) -> None:
        if changed:
            self._connection.execute(
                MARK,
                {
                    **_window(changed),
                    "traces": [s.trace_id for s in changed],
                    "spans": [s.span_id for s in changed],
                    "marks": [marks[s.key] for s in changed],
                },
            )


def _window(sightings: Iterable[Sighting]) -> dict[str, Any]:
    times = [s.started_at for s in sightings]
    return {"start": min(times) - WINDOW, "end": max(times) + WINDOW}
