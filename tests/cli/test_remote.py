"""Reading commands that ask a sidecar elsewhere."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from answering import Served
from commands import llmtrace_here as llmtrace
from samples import make_call

from llmtrace.demo.seed import write_calls
from llmtrace.release import VERSION

TOKEN = "0123456789abcdef"
SQL = "SELECT count(*) AS n FROM calls"
READING = (["report"], ["query", SQL], ["doctor"], ["explain", "0"], ["export", "--format", "csv", "--out", "-"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("far")
    write_calls(home, [(make_call(n, feature="chat" if n > 2 else "summarize"), {}) for n in (1, 2, 3)])
    running = Served(home, TOKEN)
    yield running
    running.stop()


class Stranger:
    """A server that answers everything with STATUS, BODY and HEADERS."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_every_reading_command_asks_the_sidecar_that_is_named(served: Served, tmp_path: Path) -> None:
    there = ("--url", served.url, "--token", TOKEN)
    answers = {c[0]: llmtrace(*c, *there, home=tmp_path) for c in READING if c[0] != "explain"}
    assert {name: done.returncode for name, done in answers.items()} == dict.fromkeys(answers, 0)
    assert "summarize" in answers["report"].stdout
    assert "3 ended = 3 stored" in answers["doctor"].stdout
    assert len(answers["export"].stdout.splitlines()) == 4
    one = llmtrace("explain", f"{3:016x}", "--json", *there, home=tmp_path)
    assert json.loads(one.stdout)["total_usd"] == "0.003500000000"
    assert not (tmp_path / "llmtrace.duckdb").exists(), "nothing is opened here"


def test_filters_travel_to_the_sidecar(served: Served, tmp_path: Path) -> None:
    there = ("--url", served.url, "--token", TOKEN, "--feature", "chat", "--since", "2026-11-01T00:00:00+01:00")
    assert json.loads(llmtrace("report", "--json", *there, home=tmp_path).stdout)["total"]["calls"] == 1
    assert json.loads(llmtrace("query", SQL, "--json", *there, home=tmp_path).stdout)["rows"] == [{"n": 1}]
    assert json.loads(llmtrace("doctor", "--json", *there, home=tmp_path).stdout)["calls"]["calls"] == 1
    assert json.loads(llmtrace("explain", "0", "--json", *there, home=tmp_path).stdout)["span_id"] == f"{3:016x}"


def test_the_token_may_come_from_the_environment(served: Served, tmp_path: Path) -> None:
    assert llmtrace("report", "--url", served.url, home=tmp_path, LLMTRACE_TOKEN=TOKEN).returncode == 0


@pytest.mark.parametrize("command", READING, ids=lambda c: c[0])
def test_a_sidecar_that_wants_a_token_says_how_to_give_it(command: list[str], served: Served, tmp_path: Path) -> None:
    done = llmtrace(*command, "--url", served.url, home=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "--token" in done.stderr


def test_a_wrong_token_is_told_from_none(served: Served, tmp_path: Path) -> None:
    done = llmtrace("report", "--url", served.url, "--token", "wrong", home=tmp_path)
    assert (done.returncode, "does not accept this token" in done.stderr) == (3, True)


@pytest.mark.parametrize("command", READING, ids=lambda c: c[0])
def test_a_sidecar_that_does_not_answer_is_named(command: list[str], tmp_path: Path) -> None:
    done = llmtrace(*command, "--url", "http://127.0.0.1:9", home=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert "is it running?" in done.stderr


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (200, {"content-type": "text/html"}, "does not answer like an llmtrace sidecar"),
        (404, {"content-type": "text/plain"}, "does not answer like an llmtrace sidecar"),
        (400, {"llmtrace-version": "0.0.1"}, f"is llmtrace 0.0.1, this is {VERSION}: upgrade the older"),
        (503, {"llmtrace-version": VERSION}, "cannot answer now: no space"),
    ],
)
def test_what_is_no_sidecar_of_this_release_is_told(
    status: int, headers: dict[str, str], message: str, tmp_path: Path
) -> None:
    with Stranger(status, b'{"error": "no space"}', headers) as url:
        done = llmtrace("report", "--url", url, home=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert message in done.stderr


def test_a_question_that_is_wrong_is_wrong_there_too(served: Served, tmp_path: Path) -> None:
    there = ("--url", served.url, "--token", TOKEN)
    assert llmtrace("report", "--by", "colour", *there, home=tmp_path).returncode == 2
    assert llmtrace("query", "DROP TABLE spans", *there, home=tmp_path).returncode == 2
    assert llmtrace("report", "--url", "nonsense", home=tmp_path).returncode == 2
