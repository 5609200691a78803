"""What waits of the results that the application reads: unparsed, in blocks, and no more of it than there is room for.

A result counts as ended when the journal's thread has read it: until then nobody knows how many there are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from llmtrace.instrument.batch_files import looks_like_results
from llmtrace.instrument.batches import BatchReader, Lines, told_of
from llmtrace.instrument.figures import Figures
from llmtrace.instrument.invocation import Invocation
from llmtrace.model import Span

WAITING_BYTES = 64 * 1024 * 1024
# What each result in an answer has: enough to count about how many are let go unread.
TOLD_ANSWER, TOLD_ERROR = b'"response"', b'"error"'


class BatchIntake:
    """Takes what the steps of batches bring, and gives their spans, counted in FIGURES."""

    def __init__(self, figures: Figures) -> None:
        """Nothing waits yet."""
        self._figures = figures
        self._reader = BatchReader()
        self._waiting_bytes = 0

    # On the application's threads

    def take(self, invocation: Invocation, block: bytes) -> Lines:
        """BLOCK of the results that INVOCATION reads, as it may wait; empty where there is no room.

        There always is for the first: what the application reads as a whole, it holds itself.
        """
        is_full = self._waiting_bytes and self._waiting_bytes + len(block) > WAITING_BYTES
        lines = Lines(invocation, b"" if is_full else block, block.count(b"\n") + (not block.endswith(b"\n")))
        self._waiting_bytes += len(lines.block)  # approximate where threads race; every lull sets it straight
        return lines

    def told(self, invocation: Invocation) -> Lines | None:
        """The answer to INVOCATION, which asked how batches stand, where it may hold results; else None."""
        block, batches = invocation.response_bytes, invocation.family.batches
        if not block or batches is None or batches.read_told is None or invocation.endpoint.step != "retrieve":
            return None
        if batches.told_mark not in block:
            return None
        lines = self.take(invocation, block)
        return replace(lines, count=max(1, block.count(TOLD_ANSWER) + block.count(TOLD_ERROR)))

    def whole(self, invocation: Invocation) -> Lines | None:
        """The results that INVOCATION has read as a whole; None where it has read something else, or nothing."""
        block = invocation.response_bytes
        return self.take(invocation, block) if block and looks_like_results(invocation, block) else None

    def let_go(self, lines: Lines, reason: str) -> None:
        """Drop LINES for REASON."""
        self._figures.end(lines.count)
        self._figures.drop(reason, lines.count)

    def let_go_told(self, invocation: Invocation, reason: str) -> None:
        """Drop the results that the answer to INVOCATION holds, where it was read already, for REASON."""
        number = len(told_of(invocation))
        if number:
            self._figures.end(number)
            self._figures.drop(reason, number)

    # On the journal's thread

    def is_idle(self) -> None:
        """Nothing waits now."""
        self._waiting_bytes = 0

    def spans_of(self, item: Lines | Invocation) -> Iterator[Span]:
        """The spans that ITEM makes."""
        if isinstance(item, Invocation) and item.endpoint.step == "results":
            yield from self._counted(self._reader.read_file(item))
            return
        if isinstance(item, Invocation):
            yield from self._counted(self._reader.read_answer(item))
            return
        self._waiting_bytes -= len(item.block)
        if not item.block:
            self.let_go(item, "results_full")
        is_told = item.invocation.endpoint.step == "retrieve"
        yield from self._counted((self._reader.read_told if is_told else self._reader.read_results)(item))

    def _counted(self, results: Iterable[Span | None]) -> Iterator[Span]:
        """RESULTS that could be read, each counted as it ends."""
        for result in results:
            self._figures.end()
            if result is None:
                self._figures.drop("invalid_span")
            else:
                yield result

    def created(self, invocation: Invocation) -> Span:
        """The span of INVOCATION, which submitted a batch."""
        return self._reader.read_creation(invocation)
