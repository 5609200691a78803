import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from answering import Served
from calling import OPENAI, make_clients

import llmtrace
from llmtrace.client import Client
from llmtrace.errors import (
    ConfigError,
    QueryError,
    SidecarUnreachable,
    StoreLocked,
    StoreUnreadable,
    TokenRefused,
)
from llmtrace.owner import Owner
from llmtrace.remote import Remote
from llmtrace.simulator import Simulator
from llmtrace.store.lock import OwnerLock, read_owner

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def use_app(simulator: Simulator, home: Path, calls: int = 1) -> None:
    llmtrace.instrument(home=home)
    client = make_clients(simulator).openai
    for _ in range(calls):
        simulator.answer(text="fine", usage=USAGE)
        client.chat.completions.create(**OPENAI)
    assert llmtrace.flush(5)


def test_a_client_reads_what_an_app_has_just_written(simulator: Simulator, home: Path) -> None:
    use_app(simulator, home)
    client = llmtrace.connect(home=home)
    assert client.ask("totals").column("cost_usd").to_pylist() == [Decimal("0.003500000000")]
    assert client.sql("SELECT count(*) AS n FROM calls").to_pylist() == [{"n": 1}]
    use_app(simulator, home, 2)
    assert client.ask("totals").column("calls").to_pylist() == [3]
    assert read_owner(home / "llmtrace.duckdb") is None, "the database is let go after each question"


def test_many_clients_at_once_wait_for_one_another(simulator: Simulator, home: Path) -> None:
    use_app(simulator, home, 3)
    answers: list[int] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(Client(home, None, None, None).rows("totals", {}).dicts()[0]["calls"])
        except BaseException as err:
            failures.append(err)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, answers) == ([], [3] * 8)


def test_a_database_that_somebody_else_keeps_is_told_with_his_pid(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmtrace.client.WAIT_S", 0.3)
    script = (
        "import sys, time; from pathlib import Path; from llmtrace.store.lock import OwnerLock\n"
        "OwnerLock(Path(sys.argv[1]), 'other').acquire(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(home / "llmtrace.duckdb")], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
        Client(home, None, None, None).rows("totals", {})
    holder.kill()
    holder.communicate()


def test_an_owner_that_leaves_is_followed_by_the_asker(simulator: Simulator, home: Path) -> None:
    use_app(simulator, home)
    owner = Owner(home, None, "report").open()
    threading.Timer(0.4, owner.close).start()
    assert Client(home, None, None, None).rows("totals", {}).dicts()[0]["calls"] == 1


def test_an_owner_whose_address_is_dead_is_not_believed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmtrace.client.WAIT_S", 0.5)
    lock = OwnerLock(home / "llmtrace.duckdb", "serve")
    lock.acquire()
    lock.publish("http://127.0.0.1:9")
    with pytest.raises(StoreLocked):
        Client(home, None, None, None).rows("totals", {})
    lock.release()
    assert Client(home, None, None, None).rows("totals", {}).dicts()[0]["calls"] == 0


def test_a_sidecar_that_does_not_answer_is_named() -> None:
    with pytest.raises(SidecarUnreachable, match=r"http://127\.0\.0\.1:9 does not answer"):
        Client(Path("/nowhere"), None, "http://127.0.0.1:9", None).rows("totals", {})
    with pytest.raises(ConfigError, match="no address"):
        Remote("ftp://x", None)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--home"):
        Client(tmp_path / "file" / "home", None, None, None).rows("totals", {})


def test_a_damaged_database_is_named_and_let_go(home: Path) -> None:
    home.mkdir()
    (home / "llmtrace.duckdb").write_bytes(b"damaged" * 5000)
    with pytest.raises(StoreUnreadable, match=r"llmtrace\.duckdb"):
        Client(home, None, None, None).rows("totals", {})
    assert read_owner(home / "llmtrace.duckdb") is None


def test_a_client_is_a_context_that_takes_filters(simulator: Simulator, home: Path) -> None:
    use_app(simulator, home, 2)
    count = "SELECT count(*) AS n FROM calls"
    with llmtrace.connect(home=home) as client:
        assert client.ask("report", by="model", since="1d").column("calls").to_pylist() == [2]
        assert client.sql(count).to_pylist() == [{"n": 2}]
        assert client.sql(count, provider="anthropic").to_pylist() == [{"n": 0}]
        with pytest.raises(QueryError, match="no question 'nothing'"):
            client.ask("nothing")
        with pytest.raises(QueryError, match="no filter colour"):
            client.ask("totals", colour="red")
        assert {q["name"] for q in client.questions()["questions"]} >= {"report", "totals"}


def test_connect_reaches_a_sidecar_with_its_token(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(home, "secret-token")
    try:
        assert llmtrace.connect(tmp_path, served.url, "secret-token").ask("totals").column("calls").to_pylist() == [0]
        with pytest.raises(TokenRefused):
            llmtrace.connect(url=served.url).ask("totals")
        monkeypatch.setenv("LLMTRACE_TOKEN", "secret-token")
        assert llmtrace.connect(url=served.url).sql("SELECT 1 AS n").to_pylist() == [{"n": 1}]
    finally:
        served.stop()
