"""From finished invocations to the journal: a bounded queue, one daemon thread, and figures for what went where.

The application's threads put and go: they never wait for the disk, and `put` may run inside the garbage collector.
Where the disk does not take a batch, it is kept and tried again; what no longer fits the queue is dropped and counted.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtrace import codec, otlp_bytes
from llmtrace.config import FLUSH_INTERVAL_S, QUEUE_BYTES, QUEUE_SPANS
from llmtrace.instrument.batch_intake import BatchIntake
from llmtrace.instrument.batches import Lines
from llmtrace.instrument.exporter import Exporter
from llmtrace.instrument.figures import Figures, Flush, meet_gevent
from llmtrace.instrument.finished import to_call
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.loading import redactor_of
from llmtrace.instrument.quiet import log_error, quietly
from llmtrace.journal import CounterFile, JournalWriter, enforce_bound, new_process_name
from llmtrace.journal.writer import make_private
from llmtrace.model import Attributes, Span

if TYPE_CHECKING:
    from llmtrace.redaction.redactor import Redactor

RETRY_INTERVAL_S = 1.0
BATCH_SPANS = 256
SPAN_BYTES = 2048
SPANS_AT_ONCE = 8
BOUND_INTERVAL_S = 60.0


class Pipeline:
    """The way of this process's finished calls. Made anew in a forked child, which has a journal of its own."""

    def __init__(
        self,
        folder: Path,
        resource: Attributes,
        service: str | None,
        exporter: Exporter | None = None,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        """Write to the journal in FOLDER, and call ON_WRITTEN; nothing is created and no thread runs before `start`."""
        self._folder, self._resource, self._service = folder, resource, service
        self._home = folder.parent
        self._exporter, self._on_written = exporter, on_written
        self._queue: queue.SimpleQueue[Invocation | Span | Lines | Flush] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._closing = self._is_disowned = False
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._queued_bytes = 0
        self._figures = Figures()
        self._batches = BatchIntake(self._figures)
        self.process = new_process_name()
        self._writer = JournalWriter(folder, self.process)
        self._counter: CounterFile | None = None
        self.has_begun = False
        self._pending: list[Span] = []
        self._redactor: Redactor | None = None
        self._bounded_at = 0.0

    def start(self) -> None:
        """Run the thread, if it does not run yet."""
        if self._thread is not None or self._closing:
            return
        with self._lock:
            if self._thread is None:
                if type(self._queue) is not queue.SimpleQueue:  # gevent came since
                    self._queue, self._hurry = meet_gevent(self._queue), threading.Event()
                # Known before it runs: where it is a greenlet, others have their turn while it starts.
                self._thread = threading.Thread(target=self._run, name="llmtrace-journal", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._thread = None
                    raise

    def begin(self) -> None:
        """A call begins: run the thread, and have the counter there before the call ends."""
        if not self.has_begun:
            self.has_begun = True
            self.start()
            self._queue.put(Flush())
            self._hurry.set()

    @property
    def ended(self) -> int:
        """How many calls ended in this process."""
        return self._figures.ended

    @property
    def dropped(self) -> dict[str, int]:
        """How many of them were dropped here, by reason."""
        return self._figures.dropped

    def put(self, invocation: Invocation | Span) -> None:
        """Take a finished INVOCATION, or a span that is one already, without waiting."""
        if self._is_disowned:
            return
        if isinstance(invocation, Invocation) and not invocation.is_span:
            self._note(invocation)
            return
        self._figures.end()
        if self._closing:
            self._figures.drop("after_shutdown")
            quietly(self._count)
            return
        if self._queue.qsize() + len(self._pending) >= QUEUE_SPANS:
            self._figures.drop("queue_full")
            return
        size = SPAN_BYTES if isinstance(invocation, Span) else invocation.size
        if self._queued_bytes + size > QUEUE_BYTES and not isinstance(invocation, Span):
            invocation.drop_content()
            size = invocation.size
        self._queued_bytes += size  # approximate where threads race; the thread sets it straight at every lull
        self._queue.put(invocation)

    def put_lines(self, invocation: Invocation, block: bytes) -> None:
        """Take BLOCK of the results of a batch that INVOCATION reads, without parsing it."""
        if not self._is_disowned:
            self._put_lines(self._batches.take(invocation, block))

    def _put_lines(self, lines: Lines) -> None:
        if self._closing:
            self._batches.let_go(lines, "after_shutdown")
            quietly(self._count)
        else:
            self._queue.put(lines)

    def _note(self, step: Invocation) -> None:
        """Take a STEP of a batch that is no span itself, where it says anything."""
        is_results = step.endpoint.step == "results"
        is_in_file = is_results and isinstance(step.asked, str) and step.status == "ok"
        lines = self._batches.whole(step) if is_results else self._batches.told(step)
        if lines is not None:
            self._put_lines(lines)
        elif is_results and not is_in_file:
            return
        elif self._closing or self._queue.qsize() >= QUEUE_SPANS:
            self._batches.let_go_told(step, "after_shutdown" if self._closing else "queue_full")
        else:
            self._queue.put(step)

    def flush(self, timeout_s: float) -> bool:
        """Whether all calls that ended before are on disk, and exported, within TIMEOUT_S."""
        if self._has_stopped:
            return not self._pending
        deadline = time.monotonic() + timeout_s
        mark = Flush()
        self.start()
        self._queue.put(mark)
        self._hurry.set()
        written = mark.done.wait(timeout_s) and mark.succeeded
        exported = self._exporter is None or self._exporter.flush(deadline)
        return written and exported

    def close(self, timeout_s: float) -> bool:
        """Flush, and stop: calls that end later are dropped and counted. Closing again changes nothing."""
        if self._has_stopped:
            return not self._pending
        deadline = time.monotonic() + timeout_s
        flushed = self.flush(timeout_s)
        self._closing = True
        if self._exporter is not None:
            self._exporter.close(deadline)
        self._queue.put(Flush())
        self._hurry.set()
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
            if not thread.is_alive():
                self._writer.close()
        return flushed

    @property
    def _has_stopped(self) -> bool:
        return self._closing and (self._thread is None or not self._thread.is_alive())

    def disown(self) -> None:
        """In a forked child: let go of the parent's files without touching its lock, and take nothing more.

        What the parent had in flight is the parent's to record; the child's copies of it end here.
        """
        self._is_disowned, self._figures.tally = True, None
        self._writer.close()
        if self._counter is not None:
            self._counter.close()

    # On the thread

    def _run(self) -> None:
        while True:
            first = self._queue.get() if not self._pending else self._wait_to_retry()
            self._hurry.wait(FLUSH_INTERVAL_S)
            self._hurry.clear()
            marks = self._take(first)
            first = None  # or the last call would stay in memory until the next
            written = self._write()
            for mark in marks:
                mark.succeeded = written
                mark.done.set()
            if self._closing and (written or marks):
                return

    def _wait_to_retry(self) -> "Invocation | Span | Lines | Flush | None":
        self._hurry.wait(RETRY_INTERVAL_S)
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def _take(self, item: "Invocation | Span | Lines | Flush | None") -> list[Flush]:
        """Turn what waits in the queue into spans; the marks among it."""
        marks: list[Flush] = []
        taken = 0
        while item is not None:
            if isinstance(item, Flush):
                marks.append(item)
            elif isinstance(item, Lines) or (isinstance(item, Invocation) and not item.is_span):
                self._expand(item)
            else:
                span = quietly(self._to_span, item)
                if span is None:
                    self._figures.drop("invalid_span")
                else:
                    self._pending.append(span)
            taken += 1
            if taken % SPANS_AT_ONCE == 0:
                time.sleep(0)  # let the application's threads have the interpreter, for which they wait 5 ms otherwise
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                self._queued_bytes = 0
                self._batches.is_idle()
                break
        return marks

    def _expand(self, item: Lines | Invocation) -> None:
        """Turn ITEM of a batch into its spans, and write them as they come: there may be very many."""
        for span in self._batches.spans_of(item):
            if len(self._pending) >= QUEUE_SPANS:  # the disk does not take them
                self._figures.drop("queue_full")
                continue
            self._pending.append(self._redacted(replace(span, resource=self._resource)))
            if len(self._pending) % BATCH_SPANS == 0:
                self._write()

    def _to_span(self, invocation: Invocation | Span) -> Span:
        if isinstance(invocation, Span):
            return self._redacted(replace(invocation, resource=self._resource))
        if invocation.shared is not None:
            quietly(invocation.shared.end, invocation)
        if invocation.endpoint.step is not None:
            return self._redacted(replace(self._batches.created(invocation), resource=self._resource))
        call = invocation.call or to_call(invocation)
        if invocation.permit is not None:
            quietly(invocation.permit.settle, call)
        return self._redacted(codec.to_span(call, self._resource))

    def _redacted(self, span: Span) -> Span:
        if self._redactor is None:
            self._redactor = redactor_of(self._home)
        return self._redactor.span(span)

    def _write(self) -> bool:
        """Whether all pending spans are on disk; what is stays there, what is not stays pending."""
        try:
            self._count()
            while self._pending:
                batch = self._pending[:BATCH_SPANS]
                self._append(batch)
                del self._pending[: len(batch)]
                if self._exporter is not None:
                    self._exporter.put(batch)
                self._on_written()
            self._keep_bound()
        except OSError as err:
            self._queued_bytes = sum(_size(span) for span in self._pending)
            log_error(f"llmtrace cannot write its journal ({err}); it keeps up to {QUEUE_SPANS} calls in memory")
            return False
        return True

    def _append(self, batch: list[Span]) -> None:
        try:
            payload = otlp_bytes.encode(batch)
        except (TypeError, ValueError):
            good = [span for span in batch if quietly(otlp_bytes.encode, [span]) is not None]
            self._figures.drop("invalid_span", len(batch) - len(good))
            if not good:
                return
            payload, batch = otlp_bytes.encode(good), good
        self._writer.append(payload, len(batch))

    def _count(self) -> None:
        """Store the figures; before the batch they count, so that they never say less than the journal."""
        if self._counter is None:
            if not self.has_begun and not self.ended:
                return  # a process that makes no calls leaves nothing behind
            make_private(self._folder)
            self._counter = CounterFile(self._folder, self.process, self._service)
            self._figures.tally = self._counter.tally
        way_out = self._exporter
        self._counter.write(self.ended, self.dropped, way_out.sent if way_out else 0, way_out.dropped if way_out else 0)

    def _keep_bound(self) -> None:
        now = time.monotonic()
        if now - self._bounded_at > BOUND_INTERVAL_S:
            self._bounded_at = now
            quietly(enforce_bound, self._folder)


def _size(span: Span) -> int:
    """About how many bytes SPAN keeps in memory."""
    return SPAN_BYTES + sum(len(v) for v in span.attributes.values() if isinstance(v, str))
