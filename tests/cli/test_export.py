"""`llmtrace export`: files that hold every call, exactly."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from answering import Served
from commands import llmtrace as llmtrace_alone
from commands import llmtrace_here as llmtrace
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from samples import make_call, ns

from llmtrace import codec, wire
from llmtrace.analytics.tables import CALLS
from llmtrace.client import Client
from llmtrace.demo.seed import write_calls
from llmtrace.model import Attempt, Call, Content, Response

MANY = 12_345
TRICKY = {"tags": {"note": 'comma, "quote"\nnewline ü'}, "prompt_version": "=1+1", "session_id": None}


def rich_call() -> Call:
    """A call with something in every part."""
    return make_call(
        3,
        user_id="u",
        session_id="s",
        tenant="t",
        attempts=(Attempt("429", 0.5), Attempt("200")),
        rate_limits={"remaining_requests": 7.0},
        response=Response(
            "id", "gpt-4o-2024-08-06", ("stop",), "default", "fp", None, {"web_search": 2}, None, {"a": 1}
        ),
        **{k: v for k, v in TRICKY.items() if k == "tags"},
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("filled")
    calls = [
        make_call(1, content=Content('[{"role":"user"}]')),
        make_call(2, **TRICKY),
        rich_call(),
        make_call(4, feature=None, feature_source=None, response=Response(), usage_source="missing"),
        make_call(5, feature="chat", started_at_ns=ns(datetime(2026, 10, 1))),
    ]
    write_calls(home, [(call, {"service.name": "shop" if i % 2 else "crm"}) for i, call in enumerate(calls)])
    yield home


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("many")
    write_calls(home, [(make_call(n), {}) for n in range(1, MANY + 1)])
    yield home


def export(home: Path, out: Path, *arguments: str) -> Path:
    done = llmtrace("export", "--out", str(out), *arguments, home=home)
    assert done.returncode == 0, done.stderr
    return out


def test_parquet_holds_exact_decimals_and_utc_times(filled: Path, tmp_path: Path) -> None:
    table = pq.read_table(export(filled, tmp_path / "calls.parquet"))
    assert table.column_names == list(CALLS.columns)
    assert table.schema.field("cost_usd").type == pa.decimal128(18, 12)
    assert table.schema.field("started_at").type == pa.timestamp("us", "UTC")
    rows = table.to_pylist()
    assert [row["span_id"][-1] for row in rows] == ["5", "1", "2", "3", "4"], "oldest first"
    assert rows[1]["started_at"] == datetime(2026, 11, 10, 12, 0, 1, tzinfo=UTC)
    assert rows[1]["cost_usd"] == Decimal("0.0035")
    assert rows[4]["cost_usd"] is None
    assert json.loads(rows[2]["tags"]) == TRICKY["tags"]


def test_csv_holds_the_same_as_text(filled: Path, tmp_path: Path) -> None:
    out = export(filled, tmp_path / "calls.csv")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(CALLS.columns)
    assert (rows[1]["cost_usd"], rows[1]["started_at"]) == ("0.003500000000", "2026-11-10T12:00:01Z")
    assert (rows[1]["stream"], rows[1]["input_tokens"], rows[4]["cost_usd"]) == ("false", "1000", "")
    assert (json.loads(rows[2]["tags"]), rows[2]["prompt_version"]) == (TRICKY["tags"], "=1+1")


def test_lines_of_json_hold_every_column_of_every_call(filled: Path, tmp_path: Path) -> None:
    lines = export(filled, tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(list(row) == list(CALLS.columns) for row in rows)
    assert (rows[1]["cost_usd"], rows[1]["started_at"]) == ("0.003500000000", "2026-11-10T12:00:01Z")
    assert (rows[2]["tags"], rows[1]["tags"], rows[4]["cost_usd"]) == (TRICKY["tags"], None, None)


def requests_in(path: Path) -> ExportTraceServiceRequest:
    if path.suffix == ".pb":
        return ExportTraceServiceRequest.FromString(path.read_bytes())
    whole = ExportTraceServiceRequest()
    for line in path.read_text(encoding="utf-8").splitlines():
        part = json.loads(line)
        for resource in part["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    for key in ("traceId", "spanId"):
                        # protobuf's own JSON has ids in base64, OTLP's in hexadecimal
                        span[key] = __import__("base64").b64encode(bytes.fromhex(span[key])).decode()
        whole.MergeFrom(Parse(json.dumps(part), ExportTraceServiceRequest()))
    return whole


@pytest.mark.parametrize("name", ["spans.pb", "spans.json", "spans.jsonl"])
def test_otlp_can_be_read_back_into_the_same_calls(name: str, filled: Path, tmp_path: Path) -> None:
    out = export(filled, tmp_path / name, "--format", "otlp")
    spans = list(wire.decode(requests_in(out).SerializeToString()))
    calls = {span.span_id: codec.decode(span) for span in spans}
    assert len(spans) == 5
    assert calls[f"{3:016x}"] == rich_call()
    assert calls[f"{1:016x}"] == make_call(1), "content stays where it is"
    assert {span.resource["service.name"] for span in spans} == {"shop", "crm"}
    costs = {span.span_id[-1]: span.attributes.get("llmtrace.cost.usd") for span in spans}
    assert (costs["1"], costs["4"]) == ("0.003500000000", None)


def test_an_export_of_nothing_is_a_valid_file(filled: Path, tmp_path: Path) -> None:
    nothing = ("--feature", "nobody")
    assert pq.read_table(export(filled, tmp_path / "x.parquet", *nothing)).num_rows == 0
    assert export(filled, tmp_path / "x.csv", *nothing).read_text().splitlines() == [",".join(CALLS.columns)]
    assert export(filled, tmp_path / "x.jsonl", *nothing).read_text() == ""
    assert json.loads(export(filled, tmp_path / "x.json", *nothing).read_text()) == {"resourceSpans": []}
    assert export(filled, tmp_path / "x.pb", *nothing).read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["--since", "2026-11-01"], "1234"),
        (["--until", "2026-11-01"], "5"),
        (["--feature", "chat", "--feature", ""], "54"),
        (["--service", "crm"], "513"),
        (["--model", "gpt-4o", "--provider", "openai", "--environment", ""], "51234"),
    ],
    ids=str,
)
def test_filters_restrict_what_is_written(arguments: list[str], numbers: str, filled: Path, tmp_path: Path) -> None:
    rows = pq.read_table(export(filled, tmp_path / "x.parquet", *arguments)).to_pylist()
    assert "".join(row["span_id"][-1] for row in rows) == numbers


def test_nothing_is_cut(many: Path, tmp_path: Path) -> None:
    done = llmtrace("export", "--format", "csv", "--out", "-", home=many)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len({row["span_id"] for row in rows}) == len(rows) == MANY
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal("0.0035") * MANY


def test_a_sidecar_writes_the_same_file(many: Path, filled: Path, tmp_path: Path) -> None:
    here = [export(filled, tmp_path / name).read_bytes() for name in ("here.csv", "here.pb")]
    served = Served(filled)
    try:
        there = [export(tmp_path, tmp_path / n, "--url", served.url).read_bytes() for n in ("there.csv", "there.pb")]
        assert there == here
    finally:
        served.stop()
    served = Served(many)
    try:
        served.publish()
        assert pq.read_table(export(many, tmp_path / "many.parquet")).num_rows == MANY
    finally:
        served.stop()


def test_an_answer_that_breaks_off_is_no_file(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(many)
    whole = served.loop.owner.export

    def fail_later(*arguments: Any) -> pa.RecordBatchReader:
        reader = whole(*arguments)

        def batches() -> Iterator[pa.RecordBatch]:
            yield reader.read_next_batch()
            raise OSError("the disk is gone")

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    monkeypatch.setattr(served.loop.owner, "export", fail_later)
    try:
        # Alone, as the server's own words about it are no part of the command's.
        done = llmtrace_alone("export", "--out", str(tmp_path / "x.csv"), "--url", served.url, home=tmp_path)
    finally:
        served.stop()
    assert (done.returncode, "broke off" in done.stderr, "Traceback" in done.stderr) == (3, True, False), done.stderr
    assert list(tmp_path.glob("*x.csv*")) == []


def test_a_file_that_stands_there_is_replaced_only_on_demand(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.csv"
    out.write_text("mine")
    done = llmtrace("export", "--out", str(out), home=filled)
    assert (done.returncode, "--force" in done.stderr, out.read_text()) == (2, True, "mine")
    export(filled, out, "--force")
    assert out.read_text() != "mine"
    assert [p.name for p in tmp_path.iterdir() if "calls" in p.name] == ["calls.csv"]


def test_a_failed_export_leaves_the_old_file_and_no_part(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.csv"
    out.write_text("mine")
    done = llmtrace("export", "--out", str(out), "--force", "--since", "soon", home=filled)
    assert (done.returncode, out.read_text()) == (2, "mine")
    assert [p.name for p in tmp_path.iterdir() if "calls" in p.name] == ["calls.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "calls.txt"], "name the format"),
        (["--format", "parquet", "--out", "-"], "goes into a file"),
        (["--format", "xlsx", "--out", "x"], "'xlsx' is not one of"),
        (["--format", "csv"], "Missing option '--out'"),
        (["--format", "csv", "--out", "/proc/none/x.csv"], "cannot be written"),
        (["--format", "csv", "--out", "/dev/null", "--force"], "is no file"),
    ],
    ids=str,
)
def test_an_export_that_cannot_be_says_why(arguments: list[str], message: str, filled: Path) -> None:
    done = llmtrace("export", *arguments, home=filled)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_written_is_told(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.csv"
    answer = json.loads(llmtrace("export", "--out", str(out), "--json", home=filled).stdout)
    assert answer == {"format": "csv", "path": str(out), "rows": 5, "bytes": out.stat().st_size}
    assert out.stat().st_mode & 0o077 == 0, "what was asked and who asked is for this user alone"


def test_a_reader_of_standard_output_may_leave(many: Path) -> None:
    command = f"{sys.executable} -m llmtrace export --format jsonl --out - | head -1"
    env = {**os.environ, "LLMTRACE_HOME": str(many)}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=env, check=False)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_stretches_of_time_hold_every_call_once(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmtrace.analytics.export.SORTED_ROWS", 1)
    client = Client(filled, None, None, None)
    table = client.export("calls", {}, lambda reader: reader.read_all())
    assert [s[-1] for s in table.column("span_id").to_pylist()] == ["5", "1", "2", "3", "4"]
    assert client.export("spans", {"since": "2026-11-01"}, lambda reader: reader.read_all()).num_rows == 4
