"""Delivers a journal to a destination: in order, until it is acknowledged, with a cursor of its own.

What the destination refuses for good is cut down to the span it refuses, which is counted as dropped; everything else
waits. Source of what is to be retried: https://opentelemetry.io/docs/specs/otlp/#failures
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llmtrace.errors import LlmtraceError
from llmtrace.journal import Damage, Record, Segment, list_segments, read_evictions, read_segment
from llmtrace.journal.cursor import Cursor, has_passed
from llmtrace.otlp_http import Answer, Sender

BATCH_BYTES = 512 * 1024
BATCH_SPANS = 2000
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
UNAUTHORISED = frozenset({401, 403})
TOO_LARGE = 413
# What breaks a destination five times running is looked for.
BROKEN, LAST_TRY = 500, 5
PASSING = frozenset({408, 429, 500, 502, 503, 504})
REFUSED = frozenset({400, 406, 415, 422})


@dataclass(frozen=True, slots=True)
class _Piece:
    """Spans [first, end) of a segment's process: a record, or a part of one.

    `before` is how many spans of the record come before them. The cursor stands at `position` behind them, `part`
    spans into the record there.
    """

    segment: Segment
    payload: bytes
    first_span: int
    end_span: int
    start: int
    position: int
    before: int = 0
    part: int = 0

    @property
    def spans(self) -> int:
        return self.end_span - self.first_span

    def halves(self) -> "list[_Piece]":
        """The same in two."""
        middle = self.spans // 2
        first, last = _cut(self.payload, 0, middle), _cut(self.payload, middle, None)
        at, done = self.first_span + middle, self.before + middle
        return [
            replace(self, payload=first, end_span=at, position=self.start, part=done),
            replace(self, payload=last, first_span=at, before=done),
        ]


class Undelivered(LlmtraceError):
    """The destination did not take spans; they wait.

    `answer` is what it said, `wait_s` when to try again.
    """

    def __init__(self, answer: Answer, wait_s: float) -> None:
        """Say why."""
        self.answer, self.wait_s = answer, wait_s
        self.is_unauthorised = answer.status in UNAUTHORISED
        # What a busy or restarting destination answers; anything else lasts until somebody sees to it.
        self.is_passing = answer.status is None or answer.status in PASSING
        super().__init__(f"{answer.status or ''} {answer.reason}".strip())


class Delivery:
    """One reader of one journal. One thread, in the process that holds the cursor."""

    def __init__(
        self,
        folder: Path,
        cursor: Cursor,
        sender: Sender,
        wants: Callable[[Segment], bool] = lambda _: True,
        prepare: Callable[[bytes], bytes] = lambda payload: payload,
    ) -> None:
        """Send the segments in FOLDER that it WANTS from CURSOR on with SENDER, each payload PREPAREd."""
        self._folder, self._cursor, self._sender = folder, cursor, sender
        self._wants, self._prepare = wants, prepare
        self._failures = 0

    def close(self) -> None:
        """Let the connection go; the next delivery makes another."""
        self._sender.close()

    def deliver(self, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Send what is new; whether that was all there is. SHOULD_STOP is asked after each request.

        Raises:
            Undelivered: the destination does not take it now.
            OSError: the cursor cannot be stored.
        """
        evictions = read_evictions(self._folder)
        self._cursor.take_evictions(evictions)
        segments = list_segments(self._folder)
        for segment in segments:
            if not self._wants(segment):
                self._cursor.move(segment.name, segment.size)
                continue
            if segment.number == 1:
                self._cursor.begin(segment.process)
            for batch in self._batches(segment):
                self._send(batch)
                if should_stop():
                    return False
        self._cursor.forget(segments, evictions)
        self._cursor.save_changes()
        return True

    def _batches(self, segment: Segment) -> Iterator[list[_Piece]]:
        """What is new in SEGMENT, in requests of a bearable size."""
        progress = self._cursor.progress
        if has_passed(progress, segment):
            return
        position = progress.positions.get(segment.name, 0)
        batch: list[_Piece] = []
        for found in read_segment(segment, position):
            if isinstance(found, Damage):
                batch.append(_Piece(segment, b"", 0, 0, found.start, found.end))
                continue
            piece = self._piece(segment, found)
            if batch and _is_full(batch, piece):
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch

    def _piece(self, segment: Segment, record: Record) -> _Piece:
        progress = self._cursor.progress
        end = record.first_span + record.span_count
        piece = _Piece(segment, record.payload, record.first_span, end, record.start, record.end)
        done = progress.parts.get(segment.name, 0)
        if done and record.start == progress.positions.get(segment.name):
            rest = _cut(record.payload, done, None)
            return replace(piece, payload=rest, first_span=record.first_span + done, before=done)
        return piece

    def _send(self, batch: list[_Piece]) -> None:
        """Send BATCH, in parts where it is not taken whole. Raises like `deliver`."""
        payload = self._payload(batch)
        answer = self._sender.send(payload) if payload else Answer(200)
        if answer.status is not None and 200 <= answer.status < 300:
            self._failures = 0
            self._done(batch, {"rejected": answer.rejected} if answer.rejected else {})
        elif answer.status == TOO_LARGE or answer.status in REFUSED:
            self._send_parts(batch, "too_large" if answer.status == TOO_LARGE else "refused")
        elif answer.status == BROKEN and self._failures >= LAST_TRY - 1 and _can_be_cut(batch):
            self._find_what_breaks(batch, answer)
        else:
            raise Undelivered(answer, self._wait_s(answer))

    def _find_what_breaks(self, batch: list[_Piece], answer: Answer) -> None:
        """Send BATCH, at which the destination broke again and again, in ever smaller parts.

        A span at which it breaks while it takes another is given up; one that takes nothing is broken itself, and all
        waits. Raises like `deliver`.
        """
        waiting, has_taken = _cut_in_two(batch), False
        while waiting:
            part, behind = waiting.pop(0), None
            is_taken = self._takes(part)
            if not is_taken and _can_be_cut(part):
                waiting[:0] = _cut_in_two(part)
                continue
            if not is_taken and not has_taken:
                if not waiting or not self._takes(waiting[0]):
                    raise Undelivered(answer, self._wait_s(answer))
                behind = waiting.pop(0)
            has_taken = True
            self._done(part, {} if is_taken else {"refused": part[0].spans})
            if behind is not None:
                self._done(behind, {})
        self._failures = 0

    def _takes(self, batch: list[_Piece]) -> bool:
        payload = self._payload(batch)
        return not payload or self._sender.send(payload).status == 200

    def _payload(self, batch: list[_Piece]) -> bytes:
        return b"".join(self._prepare(piece.payload) for piece in batch if piece.payload)

    def _send_parts(self, batch: list[_Piece], reason: str) -> None:
        if len(batch) == 1 and batch[0].spans > 1:
            batch = batch[0].halves()
        if len(batch) == 1:
            self._done(batch, {reason: batch[0].spans})
            return
        middle = len(batch) // 2
        self._send(batch[:middle])
        self._send(batch[middle:])

    def _done(self, batch: list[_Piece], losses: dict[str, int]) -> None:
        """Stand behind BATCH, of which LOSSES were not taken."""
        for piece in batch:
            if piece.spans:
                taken = {reason: min(n, piece.spans) for reason, n in losses.items()}
                losses = {reason: n - taken[reason] for reason, n in losses.items()}
                self._cursor.account(piece.segment.process, piece.first_span, piece.end_span, taken)
            self._cursor.move(piece.segment.name, piece.position, piece.part)
        self._cursor.save()

    def _wait_s(self, answer: Answer) -> float:
        """What the destination asked for, or twice as long as the last time."""
        self._failures += 1
        if answer.retry_after_s is not None:
            return answer.retry_after_s
        if answer.status in UNAUTHORISED:
            return LONGEST_WAIT_S
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 10))
        return longest * random.uniform(0.5, 1.0)


def _can_be_cut(batch: list[_Piece]) -> bool:
    return len(batch) > 1 or batch[0].spans > 1


def _cut_in_two(batch: list[_Piece]) -> list[list[_Piece]]:
    if len(batch) == 1:
        return [[piece] for piece in batch[0].halves()]
    return [batch[: len(batch) // 2], batch[len(batch) // 2 :]]


def _is_full(batch: list[_Piece], piece: _Piece) -> bool:
    size = sum(len(p.payload) for p in batch) + len(piece.payload)
    return size > BATCH_BYTES or sum(p.spans for p in batch) + piece.spans > BATCH_SPANS


def _cut(payload: bytes, start: int, stop: int | None) -> bytes:
    """The spans [START, STOP) of PAYLOAD."""
    from llmtrace import wire

    return wire.cut(payload, start, stop)
