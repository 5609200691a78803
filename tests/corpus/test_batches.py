"""Recorded batches, replayed through the real SDKs: a row for each result, with the tokens that its body states."""

import gzip
import http.server
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from corpus.recorded import find_file
from loopback import served

import llmtrace
from llmtrace.client import connect

FILE = find_file()
pytestmark = pytest.mark.skipif(FILE is None, reason="external data: LLMTRACE_TEST_DATA is not set")
HOST = "https://api.anthropic.com"


@pytest.fixture(scope="module")
def exchanges() -> list[dict[str, Any]]:
    assert FILE is not None
    with gzip.open(FILE, "rt") as rows:
        found = [json.loads(row) for row in rows]
    batches = [e for e in found if e["provider"] in ("openai", "anthropic") and "/batches" in e["path"]]
    files = {json.loads(e["body"]).get("output_file_id") for e in batches if "/results" not in e["path"]} - {None}
    return batches + [e for e in found if e["path"].removesuffix("/content").rpartition("/")[2] in files]


@contextmanager
def serve(exchanges: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a server that answers each path with what was recorded for it, one after the other."""
    answers: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for exchange in exchanges:
        answers[exchange["method"], exchange["path"]].append(exchange)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            left = answers[self.command, self.path]
            exchange = left.pop(0) if len(left) > 1 else left[0]
            body = exchange["body"].replace(HOST, address).encode()
            self.send_response(exchange["status"])
            self.send_header("content-type", exchange["headers"]["content-type"])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with served(Answers) as address:
        yield address


def of(exchanges: list[dict[str, Any]], provider: str, ending: str) -> list[dict[str, Any]]:
    return [e for e in exchanges if e["provider"] == provider and e["path"].endswith(ending)]


def stored(home: Path) -> list[dict[str, Any]]:
    assert llmtrace.flush(5.0)
    return list(connect(home=home).sql("SELECT * FROM calls").to_pylist())


def test_recorded_message_batches(exchanges: list[dict[str, Any]], home: Path) -> None:
    llmtrace.instrument(home=home)
    expected = []
    for read in of(exchanges, "anthropic", "/results"):
        id_ = read["path"].split("/")[-2]
        own = [e for e in exchanges if id_ in e["path"] or (e["body"] and json.loads(_first(e)).get("id") == id_)]
        created = next(e for e in own if e["method"] == "POST" and e["path"].endswith("/batches"))
        with serve(own) as address, anthropic.Anthropic(base_url=address, api_key="k") as client:
            with llmtrace.feature(id_):
                made = client.messages.batches.create(**created["request"])
            while client.messages.batches.retrieve(made.id).processing_status != "ended":
                pass
            kinds = [result.result.type for result in client.messages.batches.results(made.id)]
        lines = [json.loads(line)["result"] for line in read["body"].splitlines()]
        assert kinds == [line["type"] for line in lines]
        usages = [line["message"]["usage"] for line in lines if line["type"] == "succeeded"]
        expected += [(id_, u["input_tokens"], u["output_tokens"], "exact") for u in usages]
    found = [(c["feature"], c["input_tokens"], c["output_tokens"], c["cost_status"]) for c in stored(home)]
    assert expected and sorted(found) == sorted(expected)


def test_recorded_openai_batches(exchanges: list[dict[str, Any]], home: Path) -> None:
    llmtrace.instrument(home=home)
    expected = []
    for read in of(exchanges, "openai", "/content"):
        file = read["path"].split("/")[-2]
        id_ = next(
            b["id"] for e in of(exchanges, "openai", "") if (b := json.loads(_first(e))).get("output_file_id") == file
        )
        own = [e for e in exchanges if e is read or json.loads(_first(e)).get("id") == id_]
        created = next(e for e in own if e["method"] == "POST")
        with serve(own) as address, openai.OpenAI(base_url=f"{address}/v1", api_key="k") as client:
            with llmtrace.feature(id_):
                client.batches.create(**created["request"])
            while client.batches.retrieve(id_).output_file_id is None:
                pass
            text = client.files.content(file).text
        usages = [json.loads(line)["response"]["body"]["usage"] for line in text.splitlines()]
        expected += [(id_, u.get("prompt_tokens", u.get("input_tokens")), "exact") for u in usages]
    found = [(c["feature"], c["input_tokens"], c["cost_status"]) for c in stored(home)]
    assert expected and sorted(found) == sorted(expected)


def _first(exchange: dict[str, Any]) -> str:
    """The JSON in EXCHANGE's body, or its first line."""
    body = str(exchange["body"])
    return body if body.startswith("{\n") or "\n{" not in body else body.splitlines()[0]
