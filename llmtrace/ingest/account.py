"""What became of every span that ended: stored, pending, or dropped for a reason.

A process counts what it ended and what it dropped itself; the reader counts what it stored and, by the spans' numbers,
what a damaged or deleted stretch cost. What a dead process ended beyond all that was still in its memory.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from llmtrace.journal import Counter, Eviction
from llmtrace.store.base import Process

EVICTED, EXPIRED, DAMAGED, INVALID, DIED = "journal_full", "expired", "damaged_record", "invalid_span", "process_died"


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of all processes; `ended == stored + pending + sum(dropped)` unless `problems` say otherwise."""

    ended: int = 0
    stored: int = 0
    pending: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    export_dropped: int = 0
    problems: tuple[str, ...] = ()


def account_for(
    process: Process, first_span: int, span_count: int, stored: int, evictions: Iterable[Eviction], *, is_first: bool
) -> Process:
    """PROCESS after a record of SPAN_COUNT spans from FIRST_SPAN on, of which STORED went into the store.

    IS_FIRST: nothing of this process was ever read by this store, so that what came before it was an earlier store's.
    """
    dropped = dict(process.dropped)
    gap = first_span - process.next_span
    if gap > 0:
        evicted = _overlap(process, first_span, evictions)
        _add(dropped, EVICTED, evicted)
        _add(dropped, EXPIRED if is_first else DAMAGED, gap - evicted)
    _add(dropped, INVALID, span_count - stored)
    end = max(process.next_span, first_span + span_count)
    return replace(process, next_span=end, stored=process.stored + stored, dropped=dropped)


def close_account(process: Process, counter: Counter, evictions: Iterable[Eviction]) -> Process:
    """PROCESS with its own figures, once it is over and its journal is read to the end."""
    written = counter.ended - sum(counter.dropped.values())
    dropped = dict(process.dropped)
    gap = max(0, written - process.next_span)
    evicted = _overlap(process, process.next_span + gap, evictions)
    _add(dropped, EVICTED, evicted)
    _add(dropped, DIED, gap - evicted)
    return replace(
        process,
        service=counter.service or process.service,
        next_span=process.next_span + gap,
        dropped=dropped,
        ended=max(counter.ended, process.next_span + sum(counter.dropped.values())),
        dropped_in_process=dict(counter.dropped),
    )


def summarise(processes: Mapping[str, Process], counters: Iterable[Counter]) -> Summary:
    """The figures over all PROCESSES that the store knows and all COUNTERS that lie beside the journal."""
    ended = stored = pending = export_dropped = 0
    dropped: dict[str, int] = {}
    problems: list[str] = []
    by_name = {c.process: c for c in counters}
    for name in {*processes, *by_name}:
        process, counter = processes.get(name, Process(name)), by_name.get(name, Counter(name))
        in_process = process.dropped_in_process if process.ended is not None else counter.dropped
        own = process.ended if process.ended is not None else counter.ended
        accounted = process.next_span + sum((in_process or {}).values())
        if name not in by_name and process.ended is None:
            problems.append(f"the counter of process {name} is gone: what it dropped itself is not known")
            own = accounted
        ended += max(own, accounted)
        stored += process.stored
        pending += max(0, own - accounted)
        export_dropped += counter.export_dropped
        for reasons in (process.dropped, in_process or {}):
            for reason, n in reasons.items():
                _add(dropped, reason, n)
    return Summary(ended, stored, pending, dropped, export_dropped, tuple(problems))


def _overlap(process: Process, until: int, evictions: Iterable[Eviction]) -> int:
    """How many of the spans from the process's next one to UNTIL were in segments deleted for want of room."""
    spans = (
        (max(e.first_span, process.next_span), min(e.end_span, until))
        for e in evictions
        if e.process == process.process
    )
    return sum(max(0, end - start) for start, end in spans)


def _add(dropped: dict[str, int], reason: str, n: int) -> None:
    if n > 0:
        dropped[reason] = dropped.get(reason, 0) + n
