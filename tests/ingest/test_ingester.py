"""From an application's journal to the store: each span once, whatever happens in between."""

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from samples import make_call

from llmtrace import codec, otlp_bytes
from llmtrace.errors import StoreError
from llmtrace.ingest import Ingester, Summary, summarise
from llmtrace.journal import CounterFile, JournalWriter, list_segments, read_counters
from llmtrace.model import Span
from llmtrace.pricing import load_book
from llmtrace.store.base import Batch
from llmtrace.store.duckdb import DuckStore


class App:
    """An application that writes a journal."""

    def __init__(self, folder: Path, name: str = "app") -> None:
        self.folder, self.name = folder, name
        self.counter = CounterFile(folder, name, "svc")
        self.writer = JournalWriter(folder, name, segment_bytes=6000)
        self.ended = 0

    def call(self, *numbers: int) -> None:
        spans = [codec.to_span(make_call(n), {"service.name": "svc"}) for n in numbers]
        self.send(spans)

    def send(self, spans: list[Span]) -> None:
        self.ended += len(spans)
        self.counter.write(self.ended, {})
        self.writer.append(otlp_bytes.encode(spans), len(spans))

    def exit(self) -> None:
        self.writer.close()
        self.counter.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path / "journal"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def ingester(store: DuckStore, folder: Path) -> Ingester:
    return Ingester(store, folder, load_book())


def span_ids(store: DuckStore) -> list[int]:
    return [int(r[0], 16) for r in store.query("SELECT span_id FROM calls ORDER BY span_id").rows]


def figures(store: DuckStore, folder: Path) -> Summary:
    return summarise(store.progress().processes, read_counters(folder))


def test_every_call_is_stored_once_however_often_it_is_read(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    reader = ingester(store, folder)
    app.call(1, 2, 3)
    assert reader.run().stored == 3
    assert reader.run().stored == 0
    app.call(4)
    assert reader.run().stored == 1
    assert span_ids(store) == [1, 2, 3, 4]
    assert store.query("SELECT sum(cost_usd) FROM calls").rows == [(Decimal("0.014"),)]
    assert figures(store, folder) == Summary(ended=4, stored=4)


def test_another_owner_goes_on_where_the_last_one_stopped(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    app.call(1, 2)
    ingester(store, folder).run()
    app.call(3)
    assert ingester(store, folder).run().stored == 1
    assert span_ids(store) == [1, 2, 3]


def test_a_commit_that_fails_is_done_again_in_full(
    store: DuckStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(folder)
    app.call(1, 2)

    def fail(batch: Batch) -> int:
        raise StoreError("disk full")

    reader = ingester(store, folder)
    with monkeypatch.context() as broken:
        broken.setattr(store, "commit", fail)
        with pytest.raises(StoreError):
            reader.run()
    assert reader.run().stored == 2
    assert span_ids(store) == [1, 2]


def test_several_processes_and_many_segments(store: DuckStore, folder: Path) -> None:
    apps = [App(folder, f"app{i}") for i in range(3)]
    for round_ in range(20):
        for i, app in enumerate(apps):
            app.call(round_ * 10 + i)
    assert len(list_segments(folder)) > 6
    assert ingester(store, folder).run().stored == 60
    assert figures(store, folder) == Summary(ended=60, stored=60)


def test_a_long_backlog_is_left_when_another_wants_the_database(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    for n in range(60):
        app.call(n)
    done = ingester(store, folder).run(should_stop=lambda: True)
    assert (done.is_done, 0 < done.stored < 60) == (False, True)
    assert ingester(store, folder).run().is_done
    assert span_ids(store) == list(range(60))


def test_a_torn_tail_waits_while_the_app_lives_and_is_counted_when_it_is_dead(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    app.call(1)
    app.call(2, 3)
    segment = list_segments(folder)[0]
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[:-5])
    reader = ingester(store, folder)
    reader.run()
    assert figures(store, folder) == Summary(ended=3, stored=1, pending=2)
    app.exit()
    reader.run()
    assert figures(store, folder) == Summary(ended=3, stored=1, dropped={"process_died": 2})
    assert ingester(store, folder).run().stored == 0


def test_a_damaged_record_costs_only_its_own_spans(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    app.call(1)
    before = list_segments(folder)[0].size
    app.call(2, 3, 4)
    app.call(5)
    path = list_segments(folder)[0].path
    data = bytearray(path.read_bytes())
    data[before + 60] ^= 0x10
    path.write_bytes(data)
    ingester(store, folder).run()
    assert span_ids(store) == [1, 5]
    assert figures(store, folder) == Summary(ended=5, stored=2, dropped={"damaged_record": 3})


def test_one_bad_span_takes_no_other_with_it(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    good, bad = codec.to_span(make_call(1), {}), codec.to_span(make_call(2), {})
    broken = Span(bad.trace_id, bad.span_id, None, "x", start_ns=0, end_ns=5)
    app.send([good, broken])
    ingester(store, folder).run()
    assert span_ids(store) == [1]
    assert figures(store, folder) == Summary(ended=2, stored=1, dropped={"invalid_span": 1})


@pytest.mark.expects_warning
def test_a_record_that_is_no_otlp_is_counted_whole(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    app.ended = 4
    app.counter.write(4, {})
    app.writer.append(b"\xff not otlp", 4)
    app.call(5)
    ingester(store, folder).run()
    assert span_ids(store) == [5]
    assert figures(store, folder) == Summary(ended=5, stored=1, dropped={"invalid_span": 4})


def test_a_span_that_is_no_call_is_kept_as_a_span(store: DuckStore, folder: Path) -> None:
    App(folder).send([Span("1" * 32, "2" * 16, None, "GET /", 1, 2, kind=2, attributes={"http.route": "/"})])
    ingester(store, folder).run()
    rows = store.query("SELECT name, kind, attributes->>'http.route' FROM spans").rows
    assert rows == [("GET /", 2, "/")]
    assert store.query("SELECT count(*) FROM calls").rows == [(0,)]


def test_a_call_whose_parent_is_never_seen_is_stored_and_costed(store: DuckStore, folder: Path) -> None:
    App(folder).send([codec.to_span(make_call(1, parent_span_id="f" * 16), {})])
    ingester(store, folder).run()
    assert store.query("SELECT parent_span_id, cost_usd FROM calls").rows == [("f" * 16, Decimal("0.0035"))]


@pytest.mark.expects_warning
def test_a_call_that_cannot_be_priced_is_stored_and_stops_nobody(
    store: DuckStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmtrace.ingest import pricing as module
    from llmtrace.pricing import price_call

    def fail_for_one(book: object, call: object) -> object:
        if getattr(call, "span_id", "") == f"{1:016x}":
            raise ZeroDivisionError("our bug")
        return price_call(book, call)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "price_call", fail_for_one)
    App(folder).call(1, 2)
    ingester(store, folder).run()
    rows = store.query("SELECT cost_usd, cost_status FROM calls ORDER BY span_id").rows
    assert rows == [(None, "unpriced"), (Decimal("0.0035"), "exact")]


def test_figures_of_a_dead_process_outlive_its_files(store: DuckStore, folder: Path) -> None:
    app = App(folder)
    app.call(1, 2)
    app.counter.write(7, {"queue_full": 3})
    app.exit()
    reader = ingester(store, folder)
    reader.run()
    expected = Summary(ended=7, stored=2, dropped={"queue_full": 3, "process_died": 2})
    assert figures(store, folder) == expected
    old = time.time() - 48 * 3600
    for segment in list_segments(folder):
        os.utime(segment.path, (old, old))
    reader.run()
    assert list(folder.iterdir()) == []
    assert figures(store, folder) == expected
    assert store.progress().positions == {}
    reader.run()
    assert figures(store, folder) == expected


def test_a_database_that_was_deleted_is_rebuilt_from_the_journal(tmp_path: Path, folder: Path) -> None:
    app = App(folder)
    for n in range(40):
        app.call(n)
    first = DuckStore(tmp_path / "a.duckdb")
    ingester(first, folder).run()
    first.close()
    list_segments(folder)[0].path.unlink()  # read, and past its retention
    second = DuckStore(tmp_path / "b.duckdb")
    ingester(second, folder).run()
    found = figures(second, folder)
    assert found.ended == found.stored + sum(found.dropped.values()) == 40
    assert set(found.dropped) == {"expired"}
    second.close()
