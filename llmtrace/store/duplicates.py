"""Finds the rows that tell of one and the same call, and the one among them that is billed.

An application may be watched by us, by its SDK and by a framework at once. Rows are of one call when the provider's
ids say so, when one is the other's parent and lacks such an id, or when one spans the other in time, either lacks an
id, and both tell the very same numbers. They are then of different scopes: one scope that tells the same id twice has
seen two calls (a gateway that answered from its cache). The result depends on the rows alone, not on the order in
which they came.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from llmtrace import semconv
from llmtrace.store.base import PricedCall

Key: TypeAlias = tuple[str, str]

# A repeated id is compared with so many others that are next in time: beyond, the cost would grow with their square.
NEIGHBOURS = 16
# Two libraries read the clock one after the other, and the store keeps microseconds.
CLOCK = timedelta(milliseconds=1)
# What reports a stream after its end is written so much later at most.
REPORT = timedelta(milliseconds=100)
# Columns of `call_rows` that a sighting is made of: what identifies it, then what makes it rich.
IDENTITY = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "started_at",
    "provider",
    "operation",
    "response_id",
    "request_id",
    "duration_s",
    "status",
    "http_status",
    "request_model",
    "response_model",
    "input_tokens",
    "output_tokens",
    "cost_status",
    "duplicate_of",
)
RICHES = (
    "ttft_s",
    "feature",
    "user_id",
    "session_id",
    "service_tier",
    "attempts",
    "finish_reason",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_usd",
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One row that tells of a call, as far as that matters here. `riches` counts what it knows."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    started_at: datetime
    provider: str
    operation: str
    response_id: str | None
    request_id: str | None
    duration_s: float | None
    status: str
    http_status: int | None
    request_model: str | None
    response_model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_status: str
    duplicate_of: str | None
    scope: str
    riches: int

    @property
    def key(self) -> Key:
        """What names the row."""
        return self.trace_id, self.span_id

    @property
    def ended_at(self) -> datetime:
        """When the call was over."""
        return self.started_at + timedelta(seconds=self.duration_s or 0)

    @property
    def numbers(self) -> tuple[Any, ...]:
        """What two rows of one call tell alike, however little they know."""
        return self.provider, self.operation, self.status == "error", self.input_tokens, self.output_tokens

    @property
    def tokens(self) -> int | None:
        """All tokens, in and out."""
        return None if self.input_tokens is None else self.input_tokens + (self.output_tokens or 0)

    @property
    def riches_of_identity(self) -> int:
        """How many of the columns that identify it, beyond those that all rows have, it knows."""
        return sum(v is not None for v in (self.http_status, self.request_model, self.response_model))

    @property
    def rank(self) -> tuple[bool | int | str, ...]:
        """What decides which row is billed, the least first: ours, an exact price, the one that knows most."""
        is_own = self.scope == semconv.SCOPE_NAME
        is_exact = self.cost_status == "exact"
        names = (self.scope, self.trace_id, self.span_id)
        return not is_own, not is_exact, self.response_id is None, -self.riches - self.riches_of_identity, *names


def sighting_of(row: Sequence[Any], scope: str | None) -> Sighting:
    """A row of the columns `IDENTITY` and `RICHES`, of a span of SCOPE."""
    identity: dict[str, Any] = dict(zip(IDENTITY, row, strict=False))
    return Sighting(**identity, scope=scope or "", riches=sum(value is not None for value in row[len(IDENTITY) :]))


def sighting_of_new(row: Sequence[Any], columns: Mapping[str, int], priced: PricedCall) -> Sighting:
    """ROW of `call_rows`, about to be written for PRICED, whose COLUMNS stand at those places."""
    return sighting_of([row[columns[name]] for name in (*IDENTITY, *RICHES)], priced.scope)


def find_duplicates(sightings: Collection[Sighting]) -> dict[Key, str | None]:
    """For each of SIGHTINGS, the span id of the row that is billed in its place; None where it is billed itself."""
    cluster: dict[Key, list[Sighting]] = {s.key: [s] for s in sightings}
    for _, _, a, b in sorted(_links(sightings), key=lambda link: (link[0], link[1], link[2].key, link[3].key)):
        mine, other = cluster[a.key], cluster[b.key]
        if mine is not other and {s.scope for s in mine}.isdisjoint(s.scope for s in other):
            mine += other
            for sighting in other:
                cluster[sighting.key] = mine
    marks: dict[Key, str | None] = {}
    for key, members in cluster.items():
        first = _billed(members)
        marks[key] = None if first.key == key else first.span_id
    return marks


def _billed(members: Sequence[Sighting]) -> Sighting:
    return min(members, key=lambda s: (s.rank[0], _is_sum(s, members), *s.rank[1:]))


def _is_sum(row: Sighting, members: Iterable[Sighting]) -> bool:
    """Whether ROW tells more tokens than a call below it, so that it may be the sum of several."""
    return any(
        (child.trace_id, child.parent_span_id) == row.key and (child.tokens or 0) < (row.tokens or 0)
        for child in members
    )


def _links(sightings: Collection[Sighting]) -> Iterator[tuple[int, float, Sighting, Sighting]]:
    """Pairs of rows that may tell of one call, with how strong the tie is and the seconds between them."""
    by_key = {s.key: s for s in sightings}
    for child in sightings:
        parent = by_key.get((child.trace_id, child.parent_span_id or ""))
        if parent is not None and _is_wrapped(parent, child):
            yield 0, 0.0, *_ordered(parent, child)
    for name in ("response_id", "request_id"):
        groups: dict[tuple[str, str], list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            if (value := getattr(sighting, name)) is not None:
                groups[sighting.provider, value].append(sighting)
        for group in groups.values():
            yield from ((1, seconds, a, b) for seconds, a, b in _near(group))
    alike: dict[tuple[Any, ...], list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        alike[sighting.numbers].append(sighting)
    for group in alike.values():
        yield from ((2, s, a, b) for s, a, b in _near(group) if _is_spanned(a, b) or _is_spanned(b, a))


def _near(group: list[Sighting]) -> Iterable[tuple[float, Sighting, Sighting]]:
    """Pairs of GROUP that are next to each other in time, and the seconds between them."""
    group.sort(key=lambda s: (s.started_at, s.key))
    for i, a in enumerate(group):
        for b in group[i + 1 : i + 1 + NEIGHBOURS]:
            if a.scope != b.scope:
                yield (b.started_at - a.started_at).total_seconds(), *_ordered(a, b)


def is_alike(a: Sighting, b: Sighting) -> bool:
    """Whether A and B may tell of one call by their time and numbers alone."""
    return a.numbers == b.numbers and a.scope != b.scope and (_is_spanned(a, b) or _is_spanned(b, a))


def _is_spanned(outer: Sighting, inner: Sighting) -> bool:
    """Whether OUTER spans INNER in time and tells the same of it, one knows no id, and nothing sets them apart.

    Spans of different traces are of different calls, unless INNER is of no trace but its own.
    """
    slack = CLOCK if outer.response_id is None else REPORT
    return (
        (outer.response_id is None or inner.response_id is None)
        and (outer.trace_id == inner.trace_id or inner.parent_span_id is None)
        and outer.started_at <= inner.started_at + CLOCK
        and outer.ended_at + slack >= inner.ended_at
        and bool({outer.request_model, outer.response_model} & {inner.request_model, inner.response_model} - {None})
        and (outer.http_status == inner.http_status if inner.status == "error" else inner.input_tokens is not None)
    )


def _is_wrapped(parent: Sighting, child: Sighting) -> bool:
    """Whether PARENT tells of the same call as CHILD: as far as both say, who answered, to what, and with which id."""
    ids = {parent.response_id, child.response_id}
    return (
        parent.scope != child.scope
        and (parent.provider, parent.operation) == (child.provider, child.operation)
        and (None in ids or len(ids) == 1)
    )


def _ordered(a: Sighting, b: Sighting) -> tuple[Sighting, Sighting]:
    return (a, b) if a.key <= b.key else (b, a)
