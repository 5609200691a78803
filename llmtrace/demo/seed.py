"""Writes made-up traffic the way an application's calls are written: as spans, into a journal."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from llmtrace import codec, wire
from llmtrace.journal import CounterFile, JournalWriter, journal_folder, new_process_name
from llmtrace.journal.writer import make_private
from llmtrace.model import Call

BATCH_SPANS = 250


def write_calls(home: Path, calls: Iterable[tuple[Call, Mapping[str, str]]]) -> int:
    """Write CALLS with their resource attributes into the journal of HOME; how many there were."""
    folder = journal_folder(home)
    make_private(folder)
    process = new_process_name()
    counter, writer = CounterFile(folder, process, None), JournalWriter(folder, process)
    try:
        # One resource per record, as every process has one.
        ordered = sorted(calls, key=lambda pair: sorted(pair[1].items()))
        for resource, group in groupby(ordered, key=lambda pair: pair[1]):
            spans = [codec.to_span(call, resource) for call, _ in group]
            for start in range(0, len(spans), BATCH_SPANS):
                batch = spans[start : start + BATCH_SPANS]
                counter.write(writer.written_spans + len(batch), {})
                writer.append(wire.encode(batch), len(batch))
        return writer.written_spans
    finally:
        writer.close()
        counter.close()
