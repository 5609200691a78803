"""Writes made-up traffic the way an application's calls are written: as spans, into a journal."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from llmtrace import codec, otlp_bytes
from llmtrace.journal import CounterFile, JournalWriter, journal_folder, new_process_name
from llmtrace.journal.writer import make_private
from llmtrace.model import Call, Span

BATCH_SPANS = 250


def write_calls(home: Path, calls: Iterable[tuple[Call, Mapping[str, str]]]) -> int:
    """Write CALLS with their resource attributes into the journal of HOME; how many there were."""
    return write_spans(home, (codec.to_span(call, resource) for call, resource in calls))


def write_spans(home: Path, spans: Iterable[Span]) -> int:
    """Write SPANS into the journal of HOME, as one process; how many there were."""
    folder = journal_folder(home)
    make_private(folder)
    process = new_process_name()
    counter, writer = CounterFile(folder, process, None), JournalWriter(folder, process)
    try:
        # One resource and one scope per record, as an exporter groups them.
        for _, group in groupby(sorted(spans, key=_source), key=_source):
            same = list(group)
            for start in range(0, len(same), BATCH_SPANS):
                batch = same[start : start + BATCH_SPANS]
                counter.write(writer.written_spans + len(batch), {})
                writer.append(otlp_bytes.encode(batch), len(batch))
        return writer.written_spans
    finally:
        writer.close()
        counter.close()


def _source(span: Span) -> tuple[str, str]:
    return str(sorted(span.resource.items())), span.scope
