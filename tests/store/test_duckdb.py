import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from samples import make_call

from llmtrace import codec
from llmtrace.errors import QueryError, StoreError, StoreUnreadable
from llmtrace.model import Call, Content
from llmtrace.pricing import load_book, price_call
from llmtrace.store import migrate as migrations
from llmtrace.store.base import Batch, PricedCall, Process
from llmtrace.store.duckdb import DuckStore


def batch_of(*calls: Call, **progress: object) -> Batch:
    spans = [(codec.to_span(c, {"service.name": "svc"}), "p") for c in calls]
    priced = [PricedCall(c, price_call(load_book(), c), "svc", "prod") for c in calls]
    return Batch(spans, priced, **progress)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "t.duckdb")
    yield opened
    opened.close()


def test_a_call_is_stored_with_its_cost_to_the_last_digit(store: DuckStore) -> None:
    assert store.commit(batch_of(make_call(1))) == 1
    (row,) = store.query("SELECT cost_usd, cost_status, service, environment, started_at, input_tokens FROM calls").rows
    # 1,000 × $2.50 / 1M + 100 × $10 / 1M
    assert row == (Decimal("0.003500000000"), "exact", "svc", "prod", datetime(2026, 11, 10, 12, 0, 1), 1000)


def test_the_items_of_a_bill_add_up_to_its_cost(store: DuckStore) -> None:
    store.commit(batch_of(make_call(1)))
    items = store.query("SELECT component, quantity, rate, per, cost_usd, price_row_id, layer FROM cost_items").rows
    assert [i[0] for i in items] == ["input_uncached", "output"]
    assert sum(i[4] for i in items) == Decimal("0.0035")
    assert all(i[1] * i[2] / i[3] == i[4] for i in items)
    assert all(i[5] and i[6] == "book" for i in items)


def test_the_same_span_twice_is_one_row(store: DuckStore) -> None:
    assert store.commit(batch_of(make_call(1), make_call(1))) == 1
    assert store.commit(batch_of(make_call(1), make_call(2))) == 1
    counts = "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM calls), (SELECT count(*) FROM cost_items)"
    assert store.query(counts).rows == [(2, 2, 4)]


def test_rows_and_cursor_are_committed_together_or_not_at_all(
    store: DuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: DuckStore, batch: Batch) -> None:
        raise OSError("disk")

    with monkeypatch.context() as broken:
        broken.setattr(DuckStore, "_write_progress", fail)
        with pytest.raises(OSError, match="disk"):
            store.commit(batch_of(make_call(1), positions={"s": ("p", 10)}))
    assert store.query("SELECT count(*) FROM spans").rows == [(0,)]
    assert store.progress().positions == {}
    store.commit(batch_of(make_call(1), positions={"s": ("p", 10)}, processes=[Process("p", "svc", 1, 1, {"x": 2})]))
    assert store.progress().positions == {"s": 10}
    assert store.progress().processes == {"p": Process("p", "svc", 1, 1, {"x": 2})}


def test_progress_replaces_what_was_there(store: DuckStore) -> None:
    store.commit(Batch(positions={"a": ("p", 1), "b": ("p", 2)}, processes=[Process("p", next_span=1)]))
    final = Process("p", "svc", 5, 4, {"damaged_record": 1}, ended=6, dropped_in_process={"queue_full": 1})
    store.commit(Batch(positions={"a": ("p", 9)}, processes=[final], forgotten_segments=["b"]))
    assert store.progress().positions == {"a": 9}
    assert store.progress().processes == {"p": final}


def test_content_goes_to_its_own_table_and_not_into_attributes(store: DuckStore) -> None:
    content = Content(input_messages='[{"role":"user","parts":[]}]', output_messages="[]")
    store.commit(batch_of(make_call(1, content=content), make_call(2)))
    assert store.query("SELECT span_id, input_messages FROM contents").rows == [
        (f"{1:016x}", '[{"role":"user","parts":[]}]')
    ]
    assert store.query("SELECT count(*) FROM spans WHERE attributes LIKE '%parts%'").rows == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE spans",
        "INSERT INTO spans SELECT * FROM spans",
        "SELECT 1; SELECT 2",
        "COPY calls TO 'x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET memory_limit = '9GB'",
        "EXPLAIN ANALYZE DELETE FROM spans",
        "SELEC 1",
        "",
    ],
)
def test_sql_can_only_read(store: DuckStore, sql: str) -> None:
    store.commit(batch_of(make_call(1)))
    with pytest.raises(QueryError):
        store.query(sql)
    assert store.query("SELECT count(*) FROM spans").rows == [(1,)]


def test_a_long_query_is_stopped(store: DuckStore) -> None:
    with pytest.raises(QueryError, match="longer than"):
        store.query("SELECT count(*) FROM range(100000000000) a, range(1000) b", timeout_s=0.2)
    assert store.query("SELECT 1").rows == [(1,)]


def test_an_answer_says_where_it_was_cut(store: DuckStore) -> None:
    cut = store.query("SELECT * FROM range(50)", limit=10)
    assert (len(cut.rows), cut.is_cut) == (10, True)
    assert store.query("SELECT * FROM range(10)", limit=10).is_cut is False
    table = store.arrow("SELECT * FROM range(50)", limit=10)
    assert (table.num_rows, table.schema.metadata) == (10, {b"llmtrace.is_cut": b"true"})


def test_queries_from_many_threads_go_on_while_rows_are_written(store: DuckStore) -> None:
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(40):
                store.query("SELECT feature, sum(cost_usd), quantile_cont(duration_s, 0.95) FROM calls GROUP BY 1")
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for i in range(30):
        store.commit(batch_of(make_call(2 * i), make_call(2 * i + 1)))
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.query("SELECT count(*) FROM calls").rows == [(60,)]


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = DuckStore(tmp_path / "t.duckdb")
        store.commit(batch_of(make_call(1)))
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"t.duckdb": 0o600, "t.duckdb.wal": 0o600}


def test_files_stay_readable_by_the_release_before(store: DuckStore) -> None:
    (tags,) = store.query("SELECT tags FROM duckdb_databases() WHERE database_name = 't'").rows[0]
    assert tags["storage_version"].startswith("v1.5.0")


def test_no_table_has_an_index_or_a_key(store: DuckStore) -> None:
    assert store.query("SELECT count(*) FROM duckdb_indexes()").rows == [(0,)]
    keys = "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE')"
    assert store.query(keys).rows == [(0,)]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    first = DuckStore(tmp_path / "t.duckdb")
    first.commit(batch_of(make_call(1)))
    first.close()
    second = DuckStore(tmp_path / "t.duckdb")
    assert second.query("SELECT count(*) FROM calls").rows == [(1,)]
    assert second.query("SELECT count(*) FROM migrations").rows == [(len(migrations.list_migrations("duckdb")),)]


def test_a_database_of_a_newer_llmtrace_is_refused(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "t.duckdb")
    store._connection.execute("INSERT INTO migrations VALUES (9999, 'future', now()::TIMESTAMP)")
    store.close()
    with pytest.raises(StoreUnreadable, match="newer"):
        DuckStore(tmp_path / "t.duckdb")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.duckdb"
    path.write_text("not a database, and longer than a header would have to be " * 400)
    before = path.read_bytes()
    with pytest.raises(StoreUnreadable):
        DuckStore(path)
    assert path.read_bytes() == before


def test_an_older_database_is_copied_before_it_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckStore(tmp_path / "t.duckdb")
    store.commit(batch_of(make_call(1)))
    store.close()
    known = migrations.list_migrations("duckdb")
    added = migrations.Migration(known[-1].number + 1, "more", "ALTER TABLE spans ADD COLUMN more VARCHAR")
    monkeypatch.setattr("llmtrace.store.duckdb.list_migrations", lambda engine: [*known, added])
    store = DuckStore(tmp_path / "t.duckdb")
    assert store.query("SELECT more FROM spans").rows == [(None,)]
    with duckdb.connect(str(tmp_path / f"t.duckdb.bak-{known[-1].number}")) as backup:
        assert backup.execute("SELECT count(*) FROM spans").fetchall() == [(1,)]
        assert "more" not in [c[0] for c in backup.execute("DESCRIBE spans").fetchall()]


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DuckStore(tmp_path / "t.duckdb").close()
    known = migrations.list_migrations("duckdb")
    broken = migrations.Migration(
        known[-1].number + 1, "broken", "ALTER TABLE spans ADD COLUMN more VARCHAR; SELECT * FROM nowhere"
    )
    with monkeypatch.context() as patched:
        patched.setattr("llmtrace.store.duckdb.list_migrations", lambda engine: [*known, broken])
        with pytest.raises(StoreUnreadable):
            DuckStore(tmp_path / "t.duckdb")
    store = DuckStore(tmp_path / "t.duckdb")
    assert "more" not in store.query("SELECT * FROM spans").columns


def test_migrations_are_numbered_without_gaps_or_repeats() -> None:
    numbers = [m.number for m in migrations.list_migrations("duckdb")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_stream_holds_whole_answers_of_one_moment(store: DuckStore) -> None:
    store.commit(batch_of(make_call(1), make_call(2)))
    reader = store.stream(
        ["SELECT span_id FROM calls", "SELECT span_id FROM calls WHERE started_at > '2030-01-01'"] * 2
    )
    store.commit(batch_of(make_call(3)))
    assert reader.read_all().num_rows == 4, "what came later is not in it"
    many = store.stream(["SELECT range AS n FROM range(50000)"])
    assert [b.num_rows for b in many].count(0) == 0
    with pytest.raises(QueryError, match="one SELECT"):
        store.stream(["DROP TABLE spans"])
    with pytest.raises(QueryError, match="nowhere"):
        store.stream(["SELECT * FROM nowhere"])


def test_a_stream_that_is_not_read_to_its_end_does_not_keep_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    store = DuckStore(path)
    reader = store.stream(["SELECT range AS n FROM range(1000000)"])
    reader.read_next_batch()
    store.close()
    with pytest.raises(StoreError, match="ask again"):
        reader.read_next_batch()
    script = f"import duckdb; duckdb.connect({str(path)!r}).close()"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_sums_of_integers_are_integers_in_arrow_too(store: DuckStore) -> None:
    store.commit(batch_of(make_call(1), make_call(2)))
    (row,) = store.arrow("SELECT sum(input_tokens) AS n, sum(cost_usd) AS c FROM calls").to_pylist()
    assert (type(row["n"]), row["n"], row["c"]) == (int, 2000, Decimal("0.007"))


def test_a_span_that_was_stored_before_is_settled_as_a_duplicate(store: DuckStore) -> None:
    store.commit(batch_of(make_call(1), processes=[Process("p", next_span=1, stored=1)]))
    store.commit(
        batch_of(make_call(1), make_call(2), processes=[Process("p", next_span=3, stored=3, dropped={"x": 1})])
    )
    account = store.progress().processes["p"]
    assert (account.stored, account.dropped) == (2, {"x": 1, "duplicate": 1})


def test_a_store_that_is_closed_ends_its_queries_and_lets_the_file_go(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "t.duckdb")
    failures: list[Exception] = []

    def ask() -> None:
        try:
            store.query("SELECT count(*) FROM range(1000000) a, range(1000000) b")
        except Exception as err:
            failures.append(err)

    thread = threading.Thread(target=ask)
    thread.start()
    while not store._cursors:
        time.sleep(0.01)
    time.sleep(0.1)
    store.close()
    thread.join()
    assert [type(f) for f in failures] == [StoreError]
    with pytest.raises(StoreError, match="not open"):
        store.query("SELECT 1")
    DuckStore(tmp_path / "t.duckdb").close()
