"""The one durable mechanism: append-only files of checksummed OTLP records, one set per process.

A process appends to segments of its own, so that no two ever share a lock and a forked child starts its own. Readers
keep a cursor each. What was ended is counted in a file of its own, never derived from what arrived.

    HOME/journal/PROCESS-NNNNNN.segment   records
    HOME/journal/PROCESS.counter          how many spans ended, how many were dropped and why
    HOME/journal/evicted.log              segments deleted before every reader had read them
"""

from llmtrace.journal.counter import Counter, CounterFile, read_counters
from llmtrace.journal.reader import Segment, list_segments, read_segment
from llmtrace.journal.records import Damage, Record
from llmtrace.journal.retention import Eviction, delete_read_segments, enforce_bound, read_evictions
from llmtrace.journal.writer import JournalWriter, journal_folder, new_process_name

__all__ = [
    "Counter",
    "CounterFile",
    "Damage",
    "Eviction",
    "JournalWriter",
    "Record",
    "Segment",
    "delete_read_segments",
    "enforce_bound",
    "journal_folder",
    "list_segments",
    "new_process_name",
    "read_counters",
    "read_evictions",
    "read_segment",
]
