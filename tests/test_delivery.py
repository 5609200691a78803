"""The journal on its way to a destination that takes it, refuses it, or is not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_receiver import Receiver
from serving import make_payload

from llmtrace import wire
from llmtrace.delivery import Delivery, Undelivered
from llmtrace.journal import CounterFile, JournalWriter, enforce_bound, journal_folder, list_segments, read_evictions
from llmtrace.journal.cursor import Cursor, has_passed, read_cursors
from llmtrace.otlp_http import Sender, traces_endpoint


class Process:
    """A process that writes to the journal of HOME."""

    def __init__(self, home: Path, name: str = "app", segment_bytes: int = 10_000_000) -> None:
        folder = journal_folder(home)
        folder.mkdir(parents=True, exist_ok=True)
        self.counter = CounterFile(folder, name, None)
        self.writer = JournalWriter(folder, name, segment_bytes)

    def write(self, *numbers: int) -> None:
        self.writer.append(make_payload(*numbers), len(numbers))

    def end(self) -> None:
        self.writer.close()
        self.counter.close()


@pytest.fixture
def process(home: Path) -> Iterator[Process]:
    running = Process(home)
    yield running
    running.end()


def start(home: Path, url: str) -> tuple[Delivery, Cursor]:
    """A delivery of HOME's journal to URL by a reader that comes anew."""
    folder = journal_folder(home)
    cursor = Cursor(folder, "test", url)
    assert cursor.acquire(read_evictions(folder))
    return Delivery(folder, cursor, Sender(traces_endpoint(url), timeout_s=2)), cursor


def numbers(receiver: Receiver) -> list[int]:
    return [int(span.span_id, 16) for span in receiver.spans()]


def test_everything_arrives_once_in_order_and_in_few_requests(process: Process, receiver: Receiver, home: Path) -> None:
    for n in range(1, 101):
        process.write(n)
    delivery, cursor = start(home, receiver.url)
    assert delivery.deliver()
    assert numbers(receiver) == list(range(1, 101))
    assert len(receiver.requests) == 1
    assert receiver.requests[0][0] == "/v1/traces"
    process.write(101, 102)
    assert delivery.deliver()
    assert numbers(receiver) == list(range(1, 103))
    assert (cursor.progress.delivered, cursor.progress.dropped) == (102, {})


def test_the_next_reader_goes_on_where_the_last_one_stopped(process: Process, receiver: Receiver, home: Path) -> None:
    process.write(1, 2)
    first, cursor = start(home, receiver.url)
    first.deliver()
    process.write(3)
    other = Cursor(journal_folder(home), "test", receiver.url)
    assert not other.acquire([]), "one at a time"
    cursor.release()
    second, cursor = start(home, receiver.url)
    second.deliver()
    assert numbers(receiver) == [1, 2, 3]
    assert cursor.progress.delivered == 3


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 401, 403, 404, 301])
def test_what_may_be_taken_later_waits(process: Process, receiver: Receiver, home: Path, status: int) -> None:
    process.write(1)
    receiver.statuses = [status]
    receiver.answer_headers = {"location": receiver.url}
    delivery, cursor = start(home, receiver.url)
    with pytest.raises(Undelivered, match=str(status)) as refusal:
        delivery.deliver()
    assert refusal.value.wait_s > 0
    assert delivery.deliver()
    assert (numbers(receiver), receiver.tries, cursor.progress.dropped) == ([1], 2, {})


def test_retry_after_is_obeyed_within_bounds_and_failures_wait_ever_longer(
    process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(1)
    receiver.judge = lambda _: 503
    delivery, _ = start(home, receiver.url)
    waits = []
    for header in ("7", "100000", "Fri, 21 Nov 1997 00:00:00 GMT", "soon"):
        receiver.answer_headers = {"retry-after": header}
        with pytest.raises(Undelivered) as refusal:
            delivery.deliver()
        waits.append(refusal.value.wait_s)
    assert waits[:3] == [7, 300, 0]
    receiver.answer_headers = {}
    for _ in range(10):
        with pytest.raises(Undelivered) as refusal:
            delivery.deliver()
    assert 30 <= refusal.value.wait_s <= 60


def test_a_destination_that_is_not_there_loses_nothing(process: Process, receiver: Receiver, home: Path) -> None:
    process.write(1)
    delivery, cursor = start(home, "http://127.0.0.1:9")
    with pytest.raises(Undelivered, match="refused"):
        delivery.deliver()
    assert cursor.progress.delivered == 0


def test_a_request_that_is_too_large_is_cut_until_it_fits(process: Process, receiver: Receiver, home: Path) -> None:
    process.write(*range(1, 41))
    process.write(*range(41, 61))
    receiver.judge = lambda spans: 413 if len(spans) > 7 else 200
    delivery, cursor = start(home, receiver.url)
    assert delivery.deliver()
    assert numbers(receiver) == list(range(1, 61))
    assert (cursor.progress.delivered, cursor.progress.dropped) == (60, {})


def test_a_span_that_is_too_large_or_refused_costs_itself_alone(
    process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(*range(1, 21))
    process.write(*range(21, 31))
    judged = {13: 413, 27: 400}
    receiver.judge = lambda spans: max([judged.get(int(s.span_id, 16), 200) for s in spans])
    delivery, cursor = start(home, receiver.url)
    assert delivery.deliver()
    assert numbers(receiver) == [n for n in range(1, 31) if n not in judged]
    assert (cursor.progress.delivered, cursor.progress.dropped) == (28, {"too_large": 1, "refused": 1})


@pytest.mark.parametrize("poison", [1, 13, 20, 21, 30])
def test_a_span_that_breaks_its_destination_is_given_up_after_five_tries(
    poison: int, process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(*range(1, 21))
    process.write(*range(21, 31))
    receiver.judge = lambda spans: 500 if poison in [int(s.span_id, 16) for s in spans] else 200
    delivery, cursor = start(home, receiver.url)
    for _ in range(4):
        with pytest.raises(Undelivered):
            delivery.deliver()
    assert numbers(receiver) == []
    assert delivery.deliver()
    assert numbers(receiver).count(poison) == 0
    assert sorted(numbers(receiver)) == [n for n in range(1, 31) if n != poison]
    assert (cursor.progress.delivered, cursor.progress.dropped) == (29, {"refused": 1})


def test_a_destination_that_breaks_at_everything_loses_nothing(
    process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(*range(1, 21))
    receiver.judge = lambda spans: 500
    delivery, cursor = start(home, receiver.url)
    for _ in range(12):
        with pytest.raises(Undelivered):
            delivery.deliver()
    assert (cursor.progress.delivered, cursor.progress.dropped) == (0, {})
    receiver.judge = lambda spans: 200
    assert delivery.deliver()
    assert numbers(receiver) == list(range(1, 21))


def test_an_outage_between_two_parts_of_a_record_sends_neither_twice(
    process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(*range(1, 9))
    receiver.statuses = [413, 200, 503]
    delivery, cursor = start(home, receiver.url)
    with pytest.raises(Undelivered):
        delivery.deliver()
    assert numbers(receiver) == [1, 2, 3, 4]
    cursor.release()
    delivery, cursor = start(home, receiver.url)
    assert delivery.deliver()
    assert numbers(receiver) == list(range(1, 9))
    assert (cursor.progress.delivered, cursor.progress.parts) == (8, {})


def test_damage_is_passed_and_counted(home: Path, receiver: Receiver) -> None:
    process = Process(home)
    for n in (1, 2, 3):
        process.write(n)
    process.end()
    (segment,) = list_segments(journal_folder(home))
    data = bytearray(segment.path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.path.write_bytes(data)
    delivery, cursor = start(home, receiver.url)
    assert delivery.deliver()
    assert numbers(receiver) == [1, 3]
    assert (cursor.progress.delivered, cursor.progress.dropped) == (2, {"damaged_record": 1})


def test_what_the_bound_deletes_before_it_was_delivered_is_counted_once(home: Path, receiver: Receiver) -> None:
    process = Process(home, segment_bytes=1)  # a segment for each record
    delivery, cursor = start(home, receiver.url)
    process.write(1)
    delivery.deliver()
    for n in (2, 3, 4):
        process.write(n)
    other = Process(home, "gone")
    other.write(5, 6)
    other.end()
    enforce_bound(journal_folder(home), limit_bytes=0)
    for _ in range(2):
        delivery.deliver()
    assert numbers(receiver) == [1, 4], "the segment under way is never deleted"
    assert (cursor.progress.delivered, cursor.progress.dropped) == (2, {"journal_full": 4})
    cursor.release()
    newcomer = Cursor(journal_folder(home), "newcomer", "http://elsewhere")
    newcomer.acquire(read_evictions(journal_folder(home)))
    newcomer.take_evictions(read_evictions(journal_folder(home)))
    assert newcomer.progress.dropped == {}, "it was not there to read them"
    newcomer.release()
    process.end()


def test_a_segment_is_kept_for_a_reader_that_has_not_passed_it(
    process: Process, receiver: Receiver, home: Path
) -> None:
    process.write(1)
    delivery, cursor = start(home, receiver.url)
    receiver.statuses = [503]
    with pytest.raises(Undelivered):
        delivery.deliver()
    (segment,) = list_segments(journal_folder(home))
    assert [has_passed(p, segment) for p in read_cursors(journal_folder(home)).values()] == [False]
    delivery.deliver()
    assert [has_passed(p, segment) for p in read_cursors(journal_folder(home)).values()] == [True]
    assert cursor.has_passed([segment])


def test_a_payload_is_cut_by_its_spans() -> None:
    joined = make_payload(1, 2, 3) + make_payload(4, 5)
    for start_at, stop in ((0, 2), (2, 4), (3, None), (0, None)):
        cut = [int(s.span_id, 16) for s in wire.decode(wire.cut(joined, start_at, stop))]
        assert cut == list(range(1, 6))[start_at:stop]
