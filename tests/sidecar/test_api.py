"""The owner's API on a real server: answers, and who gets none."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import uvicorn
from samples import make_call
from starlette.applications import Starlette
from starlette.middleware import Middleware

from llmtrace import codec, wire
from llmtrace.client import Client
from llmtrace.errors import ConfigError, QueryError
from llmtrace.journal import CounterFile, JournalWriter, journal_folder
from llmtrace.owner import Owner
from llmtrace.sidecar.api import routes
from llmtrace.sidecar.guard import Guard
from llmtrace.sidecar.loop import OwnerLoop

TOKEN = "0123456789abcdef"


class Served:
    """An owner behind its API, on a port of loopback."""

    def __init__(self, home: Path, token: str | None = None) -> None:
        self.loop = OwnerLoop(Owner(home, None, "serve").open())
        app = Starlette(routes=routes(self.loop), middleware=[Middleware(Guard, token=token)])
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.loop.start()
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.loop.owner.lock.publish(self.url)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)
        self.loop.stop()


def write_journal(home: Path, *numbers: int) -> None:
    folder = journal_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"app-{numbers[0]}"
    counter, writer = CounterFile(folder, name, None), JournalWriter(folder, name)
    counter.write(len(numbers), {})
    writer.append(wire.encode([codec.to_span(make_call(n), {}) for n in numbers]), len(numbers))
    writer.close()
    counter.close()


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    write_journal(home, 1, 2, 3)
    running = Served(home)
    deadline = time.monotonic() + 5
    while running.loop.owner.health()["stored"] < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    yield running
    running.stop()


def test_health_is_200_and_says_so(served: Served) -> None:
    assert served.ask("GET", "/health") == (200, {"status": "ok", "reasons": []})


@pytest.mark.expects_warning
def test_health_is_503_with_the_reason_when_the_store_fails(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(served.loop.owner, "ingest", fail)
    monkeypatch.setattr(served.loop.owner, "reopen_store", lambda: None)
    deadline = time.monotonic() + 5
    while served.ask("GET", "/health")[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    status, body = served.ask("GET", "/health")
    assert status == 503
    assert "no space left" in body["reasons"][0]
    monkeypatch.undo()
    while served.ask("GET", "/health")[0] == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert served.ask("GET", "/health")[0] == 200


def test_a_report_over_http_is_the_report_of_the_command_line(served: Served) -> None:
    status, body = served.ask("GET", "/api/v1/report?by=feature&since=2026-11-01")
    assert status == 200
    assert body["by"] == "feature"
    (row,) = body["rows"]
    assert (row["key"], row["calls"], row["cost_usd"], row["error_rate"]) == ("summarize", 3, "0.010500000000", 0.0)
    assert body["total"]["cost_usd"] == "0.010500000000"


def test_questions_take_filters_and_limits(served: Served) -> None:
    status, body = served.ask("GET", "/api/v1/calls?feature=summarize&feature=other&limit=2")
    assert (status, len(body["rows"]), body["is_cut"]) == (200, 2, False)
    assert body["rows"][0]["span_id"] == f"{3:016x}"
    assert served.ask("GET", "/api/v1/calls?feature=other")[1]["rows"] == []


def test_answers_come_as_arrow_when_asked_for(served: Served) -> None:
    _, data = served.ask("GET", "/api/v1/totals", Accept="application/vnd.apache.arrow.stream")
    table = pa.ipc.open_stream(data).read_all()
    assert table.column("cost_usd").to_pylist() == [Decimal("0.010500000000")]


def test_sql_is_read_only(served: Served) -> None:
    assert served.ask("POST", "/api/v1/sql", {"sql": "SELECT 1 AS n"}, Content_Type="application/json") == (
        200,
        {"columns": ["n"], "rows": [{"n": 1}], "is_cut": False},
    )
    status, body = served.ask("POST", "/api/v1/sql", {"sql": "DROP TABLE spans"}, Content_Type="application/json")
    assert (status, "SELECT" in body["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/nothing", "no question"),
        ("/api/v1/report?by=x", "grouped"),
        ("/api/v1/calls?limit=many", "whole number"),
        ("/api/v1/totals?since=soon", "no time"),
    ],
)
def test_a_wrong_question_is_400_and_says_why(path: str, message: str, served: Served) -> None:
    status, body = served.ask("GET", path)
    assert status == 400
    assert message in body["error"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"sql": "SELECT 1"}', "text/plain", 415),
        (b"nonsense", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"query": 1}', "application/json", 400),
        (b'{"sql": "' + b" " * 1_100_000 + b'"}', "application/json", 413),
    ],
    ids=["type", "text", "list", "key", "size"],
)
def test_a_body_that_is_no_question_is_refused(body: bytes, content_type: str, status: int, served: Served) -> None:
    assert served.ask("POST", "/api/v1/sql", body, Content_Type=content_type)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost:9999"}, 200),
        ({"Host": "[::1]:4318"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1234"}, 200),
    ],
    ids=str,
)
def test_web_pages_get_nothing(headers: dict[str, str], status: int, served: Served) -> None:
    assert served.ask("GET", "/api/v1/totals", **headers)[0] == status


def test_no_answer_lets_other_origins_read_it(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("OPTIONS", "/api/v1/totals", headers={"Origin": "http://localhost"})
    headers = {k.lower() for k, _ in connection.getresponse().getheaders()}
    connection.close()
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize("path", ["/api/v1/../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc/passwd"])
def test_no_path_leads_to_a_file(path: str, served: Served) -> None:
    status, body = served.ask("GET", path)
    assert status in (400, 404)
    assert b"root:" not in (body if isinstance(body, bytes) else json.dumps(body).encode())


def test_with_a_token_nothing_but_health_is_open(home: Path) -> None:
    running = Served(home, TOKEN)
    try:
        assert running.ask("GET", "/health")[0] == 200
        assert running.ask("GET", "/api/v1/totals")[0] == 401
        assert running.ask("GET", "/api/v1/totals", Authorization="Bearer wrong")[0] == 401
        assert running.ask("GET", "/api/v1/totals", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert Client(home, None, running.url, TOKEN).rows("totals", {}).dicts()[0]["calls"] == 0
        with pytest.raises(ConfigError, match="--token"):
            Client(home, None, running.url, None).rows("totals", {})
    finally:
        running.stop()


def test_a_client_is_answered_by_whoever_owns_the_database(served: Served, home: Path) -> None:
    client = Client(home, None, None, None)
    assert client.rows("totals", {}).dicts()[0]["cost_usd"] == Decimal("0.0105")
    assert client.sql_rows("SELECT max(started_at) AS t FROM calls").rows[0][0].year == 2026
    assert client.health()["owner"]["kind"] == "serve"
    assert client.ask("report", by="feature").num_rows == 1
    with pytest.raises(QueryError, match="no question"):
        client.rows("nothing", {})


def test_what_an_app_writes_is_there_within_seconds(served: Served, home: Path) -> None:
    write_journal(home, 11, 12)
    deadline = time.monotonic() + 5
    client = Client(home, None, None, None)
    while client.rows("totals", {}).dicts()[0]["calls"] < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.rows("totals", {}).dicts()[0]["calls"] == 5


def test_a_cut_answer_says_so_from_afar_too(served: Served, home: Path) -> None:
    rows = Client(home, None, served.url, None).sql_rows("SELECT * FROM range(20000)")
    assert (len(rows.rows), rows.is_cut) == (10_000, True)


def test_the_api_lists_what_may_be_asked(served: Served, home: Path) -> None:
    status, body = served.ask("GET", "/api/v1/")
    assert (status, body["api"]) == (200, 1)
    assert {"report", "totals", "calls"} <= {question["name"] for question in body["questions"]}
    assert "since" in {entry["name"] for entry in body["filters"]}
    assert Client(home, None, served.url, None).questions() == body == Client(home, None, None, None).questions()


def test_sql_takes_a_filter(served: Served) -> None:
    body = {"sql": "SELECT count(*) AS n FROM calls", "filter": {"feature": "nobody"}}
    assert served.ask("POST", "/api/v1/sql", body, Content_Type="application/json")[1]["rows"] == [{"n": 0}]
    wrong = {"sql": "SELECT 1", "filter": {"colour": "red"}}
    assert served.ask("POST", "/api/v1/sql", wrong, Content_Type="application/json")[0] == 400


def test_an_export_is_a_stream_of_every_row(served: Served) -> None:
    _, data = served.ask("GET", "/api/v1/export?relation=spans&since=2026-11-01")
    table = pa.ipc.open_stream(data).read_all()
    assert table.num_rows == 3
    assert {"attributes", "cost_usd"} <= set(table.column_names)
    assert served.ask("GET", "/api/v1/export?relation=secrets")[0] == 400


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ({"filter": {"since": "2026-11-01"}, "dry_run": True}, "application/json", 200),
        ({"filter": {"since": "2026-11-01"}, "dry_run": True}, "text/plain", 415),
        ({"filter": {"since": "2026-11-01"}}, "application/json", 400),
        ({"filter": {"since": "2026-11-01"}, "dry_run": "yes"}, "application/json", 400),
        ({"filter": {"colour": "red"}, "dry_run": True}, "application/json", 400),
        ({"filter": 3, "dry_run": True}, "application/json", 400),
        (b"not json", "application/json", 400),
    ],
    ids=str,
)
def test_repricing_is_asked_for_in_full_or_not_done(served: Served, body: Any, content_type: str, status: int) -> None:
    found, answer = served.ask("POST", "/api/v1/reprice", body, Content_Type=content_type)
    assert found == status
    assert answer["changed"] == 0 if status == 200 else answer["error"]


def test_a_currency_is_told_only_where_one_is_said(served: Served, home: Path) -> None:
    assert served.ask("GET", "/api/v1/currency") == (200, None)
    (home / "prices.yaml").write_text("currency: {code: EUR, rates: [{valid_from: 2026-01-01, per_usd: 0.92}]}")
    rates = [{"since": "2026-01-01T00:00:00Z", "per_usd": "0.92"}]
    assert served.ask("GET", "/api/v1/currency") == (200, {"code": "EUR", "rates": rates})
    assert served.ask("GET", "/api/v1/report")[1]["currency"] == {"code": "EUR", **rates[0]}
