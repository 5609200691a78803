"""Gemini's batches: pending while they run, and their results calls of whoever submitted them, billed once."""

import asyncio
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors
from instrument.batch_rows import IS_ASYNC, accounted, ask, batch, calls
from native import collect
from surface import settle

import llmtrace
from llmtrace.instrument import google
from llmtrace.simulator import Simulator

MODEL = "gemini-2.5-flash"
USAGE = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
USD = "0.000275000000"  # 1,000 × 0.15 / 1M + 100 × 1.25 / 1M
ASKED = "Where do pelicans sleep?"


@pytest.fixture
def gemini(simulator: Simulator, home: Path) -> Iterator[genai.Client]:
    """A client of a Gemini whose answers cost what USD says, and llmtrace switched on."""
    simulator.fix_usage(MODEL, USAGE)
    llmtrace.instrument(home=home, service_name="jobs")
    options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
    with genai.Client(api_key="k", http_options=options) as client:
        yield client
    collect()


def requests(count: int, invalid: tuple[int, ...] = ()) -> list[Any]:
    """COUNT requests, of which those INVALID ask nothing."""
    asked = {n: None if n in invalid else [{"role": "user", "parts": [{"text": ASKED}]}] for n in range(count)}
    return [{"contents": contents, "metadata": {"key": f"r{n}"}} for n, contents in asked.items()]


def lines(count: int) -> bytes:
    """A file of COUNT requests."""
    request = {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]}
    return b"".join(json.dumps({"key": f"r{n}", "request": request}).encode() + b"\n" for n in range(count))


def wait(client: genai.Client, name: str) -> Any:
    """The batch NAME once it is over."""
    while not (found := client.batches.get(name=name)).done:
        pass
    return found


def test_a_submitted_batch_is_pending_and_no_call(gemini: genai.Client, home: Path) -> None:
    with llmtrace.feature("nightly", user="u1", team="search"):
        made = gemini.batches.create(model=MODEL, src=requests(3))
    assert made.name is not None and calls(home) == []
    found = batch(home)
    assert (found["batch_id"], found["provider"], found["feature"]) == (made.name, "gcp.gemini", "nightly")
    assert (found["requests"], found["results"], found["pending"], found["cost_usd"]) == (3, 0, 3, None)
    assert (found["status"], found["request_model"], found["service"]) == ("pending", MODEL, "jobs")
    assert accounted(home) == {}


def test_each_result_is_a_call_of_the_submitter_at_the_price_of_a_batch(gemini: genai.Client, home: Path) -> None:
    with llmtrace.feature("nightly", user="u1", team="search"):
        made = gemini.batches.create(model=MODEL, src=requests(3))
    with llmtrace.feature("reader"):
        over = wait(gemini, made.name or "")
    assert [r.response.text is not None for r in over.dest.inlined_responses] == [True] * 3
    rows = calls(home)
    assert {(r["feature"], r["user_id"], r["batch_id"], r["operation"]) for r in rows} == {
        ("nightly", "u1", made.name, "generate_content")
    }
    assert {(r["input_tokens"], r["output_tokens"], r["request_model"]) for r in rows} == {(1000, 100, MODEL)}
    assert [(str(r["cost_usd"]), r["cost_status"], r["duration_s"]) for r in rows] == [(USD, "exact", None)] * 3
    found = batch(home)
    assert (found["results"], found["pending"], found["status"]) == (3, 0, "succeeded")
    assert accounted(home) == {}


@IS_ASYNC
def test_results_that_are_read_again_are_billed_once(simulator: Simulator, home: Path, is_async: bool) -> None:
    async def work() -> None:
        options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
        client = genai.Client(api_key="k", http_options=options)
        batches: Any = client.aio.batches if is_async else client.batches
        with llmtrace.feature("nightly"):
            made = await settle(batches.create(model=MODEL, src=requests(2)))
        while not (await settle(batches.get(name=made.name))).done:
            pass
        await settle(batches.get(name=made.name))
        listed = await settle(batches.list())
        assert [found.name for found in listed.page] == [made.name]
        await client.aio.aclose()
        client.close()

    simulator.fix_usage(MODEL, USAGE)
    llmtrace.instrument(home=home)
    asyncio.run(work())
    collect()
    assert [(r["feature"], str(r["cost_usd"])) for r in calls(home)] == [("nightly", USD)] * 2
    found = batch(home)
    assert (found["results"], found["pending"]) == (2, 0)


def test_requests_that_failed_are_rows_that_cost_nothing(gemini: genai.Client, home: Path) -> None:
    made = gemini.batches.create(model=MODEL, src=requests(3, invalid=(1,)))
    wait(gemini, made.name or "")
    failed = [row for row in calls(home) if row["status"] == "error"]
    assert [(r["error_type"], r["cost_usd"], r["cost_status"]) for r in failed] == [
        ("INVALID_ARGUMENT", 0, "not_billed")
    ]
    assert (batch(home)["results"], batch(home)["pending"]) == (3, 0)


def test_what_was_cancelled_is_over_and_the_rest_is_billed(gemini: genai.Client, home: Path) -> None:
    made = gemini.batches.create(model=MODEL, src=requests(4))
    gemini.batches.cancel(name=made.name or "")
    wait(gemini, made.name or "")
    assert sorted((r["status"], r["cost_status"]) for r in calls(home)) == [
        ("cancelled", "not_billed"), ("cancelled", "not_billed"), ("ok", "exact"), ("ok", "exact"),
    ]  # fmt: skip
    assert batch(home)["pending"] == 0


def test_embeddings_are_calls_with_the_tokens_that_are_told(simulator: Simulator, gemini: Any, home: Path) -> None:
    source = {"inlined_requests": {"contents": ["harbour", "night"]}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = gemini.batches.create_embeddings(model="gemini-embedding-001", src=source)
    over = wait(gemini, made.name)
    counts = [r.response.token_count for r in over.dest.inlined_embed_content_responses]
    rows = calls(home)
    assert {(r["operation"], r["request_model"]) for r in rows} == {("embeddings", "gemini-embedding-001")}
    assert sorted(r["input_tokens"] for r in rows) == sorted(counts)
    assert (batch(home)["requests"], batch(home)["pending"]) == (2, 0)


def test_a_batch_that_is_refused_is_an_error_and_not_pending(gemini: genai.Client, home: Path) -> None:
    with pytest.raises(errors.ClientError):
        gemini.batches.create(model=MODEL, src="files/nowhere")
    assert ask(home, "batches", "batch_id") == []
    assert calls(home) == []
    assert accounted(home) == {}


class Stream:
    """What can be written to, and nothing else."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, piece: bytes) -> int:
        self.written += piece
        return len(piece)


# The ways of downloading the file NAME in FOLDER: each gives what came.


async def as_bytes(files: Any, name: str, folder: Path) -> bytes:
    found = await settle(files.download(file=name))
    assert type(found) is bytes
    return found


async def as_path(files: Any, name: str, folder: Path) -> bytes:
    assert await settle(files.download(file=name, destination=folder / "results.jsonl")) is None
    return (folder / "results.jsonl").read_bytes()


async def as_name(files: Any, name: str, folder: Path) -> bytes:
    assert await settle(files.download(file=name, destination=str(folder / "results.jsonl"))) is None
    return (folder / "results.jsonl").read_bytes()


async def as_stream(files: Any, name: str, folder: Path) -> bytes:
    stream = Stream()
    assert await settle(files.download(file=name, destination=stream)) is None
    return stream.written


def submit_file(client: genai.Client, count: int) -> str:
    """The name of a batch of COUNT requests, made of a file."""
    config = genai.types.UploadFileConfig(mime_type="application/jsonl")
    file = client.files.upload(file=io.BytesIO(lines(count)), config=config)
    return client.batches.create(model=MODEL, src=file.name or "").name or ""


@IS_ASYNC
@pytest.mark.parametrize("way", [as_bytes, as_path, as_name, as_stream])
def test_however_a_file_of_results_is_downloaded_they_are_calls(
    gemini: genai.Client, simulator: Simulator, home: Path, tmp_path: Path, is_async: bool, way: Any
) -> None:
    async def read(name: str) -> bytes:
        options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
        client = genai.Client(api_key="k", http_options=options)
        try:
            return bytes(await way(client.aio.files if is_async else client.files, name, tmp_path))
        finally:
            await client.aio.aclose()
            client.close()

    with llmtrace.feature("nightly"):
        name = submit_file(gemini, 3)
    file = wait(gemini, name).dest.file_name
    content = asyncio.run(read(file))
    assert [json.loads(line)["key"] for line in content.splitlines()] == ["r0", "r1", "r2"]
    assert [(r["feature"], str(r["cost_usd"]), r["batch_id"]) for r in calls(home)] == [("nightly", USD, name)] * 3
    assert (batch(home)["results"], batch(home)["pending"]) == (3, 0)
    assert accounted(home) == {}


@pytest.mark.parametrize("way", [as_bytes, as_path, as_stream])
def test_files_that_are_no_results_leave_nothing_behind(
    gemini: genai.Client, simulator: Simulator, home: Path, tmp_path: Path, way: Any
) -> None:
    config = genai.types.UploadFileConfig(mime_type="video/mp4")
    file = gemini.files.upload(file=io.BytesIO(b"\0\1\n" * 100_000), config=config)
    assert asyncio.run(way(gemini.files, file.name, tmp_path)) == b"\0\1\n" * 100_000
    with pytest.raises(errors.ClientError):
        gemini.files.download(file="files/nowhere")
    assert ask(home, "spans") == []
    assert accounted(home) == {}


def test_a_batch_made_of_a_file_is_read_from_a_file(gemini: genai.Client, home: Path) -> None:
    with llmtrace.feature("nightly"):
        name = submit_file(gemini, 3)
    assert (batch(home)["requests"], batch(home)["pending"], batch(home)["feature"]) == (3, 3, "nightly")
    over = wait(gemini, name)
    assert calls(home) == []
    content = gemini.files.download(file=over.dest.file_name)
    assert gemini.files.download(file=over.dest.file_name) == content
    assert [json.loads(line)["key"] for line in content.splitlines()] == ["r0", "r1", "r2"]
    rows = calls(home)
    assert [(r["feature"], str(r["cost_usd"]), r["batch_id"]) for r in rows] == [("nightly", USD, name)] * 3
    assert (batch(home)["results"], batch(home)["pending"]) == (3, 0)


def test_results_that_come_before_their_submission_are_given_to_its_feature(
    simulator: Simulator, home: Path, tmp_path: Path
) -> None:
    """The submitter's journal is read later than that of who read the results."""
    simulator.fix_usage(MODEL, USAGE)
    options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
    submitter = tmp_path / "submitter"
    with genai.Client(api_key="k", http_options=options) as client:
        llmtrace.instrument(home=submitter)
        with llmtrace.feature("nightly"):
            name = client.batches.create(model=MODEL, src=requests(2)).name or ""
        llmtrace.shutdown()
        llmtrace.instrument(home=home)
        with llmtrace.feature("reader"):
            wait(client, name)
    collect()
    assert {r["feature"] for r in calls(home)} == {"reader"}
    for segment in (submitter / "journal").iterdir():
        (home / "journal" / segment.name).write_bytes(segment.read_bytes())
    assert [(r["feature"], str(r["cost_usd"])) for r in calls(home)] == [("nightly", USD)] * 2


def test_a_batch_of_another_is_the_readers_and_one_alone_is_no_news(simulator: Simulator, home: Path) -> None:
    options = genai.types.HttpOptions(base_url=simulator.url, api_version="v1beta")
    with genai.Client(api_key="k", http_options=options) as client:
        name = client.batches.create(model=MODEL, src=requests(2)).name or ""
        llmtrace.instrument(home=home)
        assert [found.name for found in client.batches.list()] == [name]
        assert ask(home, "spans") == []
        with llmtrace.feature("reader"):
            wait(client, name)
    collect()
    assert {(r["feature"], r["batch_id"]) for r in calls(home)} == {("reader", name)}


@pytest.mark.expects_warning
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (google.GoogleSeam, "_begin"),
        (google.GoogleSeam, "_begin_download"),
        (google, "_seen"),
        (google._Copied, "_see"),
        (google, "_downloaded"),
    ],
)
def test_whatever_of_ours_fails_the_application_gets_its_file(
    gemini: genai.Client, tmp_path: Path, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(owner, name, fail)
    file = wait(gemini, submit_file(gemini, 2)).dest.file_name
    for way in (as_bytes, as_path, as_stream):
        content = asyncio.run(way(gemini.files, file, tmp_path))
        assert [json.loads(line)["key"] for line in content.splitlines()] == ["r0", "r1"]


def test_a_stream_that_is_followed_is_the_callers_in_all_else() -> None:
    stream = io.BytesIO(b"before")
    copied = google._Copied(stream, None)  # type: ignore[arg-type]
    assert (copied.getvalue(), copied.readable(), hasattr(copied, "fileno_s")) == (b"before", True, False)
