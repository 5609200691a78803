"""Results that cannot be taken are counted, and nothing else is lost with them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from batching import ANTHROPIC_USAGE, haiku_requests
from surface import make_anthropic

import llmtrace
from llmtrace import lifecycle
from llmtrace.client import connect
from llmtrace.instrument import batch_intake, body
from llmtrace.instrument.batch_intake import BatchIntake
from llmtrace.instrument.body import LineReader
from llmtrace.instrument.figures import Figures
from llmtrace.providers import find_endpoint, find_family
from llmtrace.simulator import Simulator


def submit(client: Any, count: int) -> str:
    id_ = client.messages.batches.create(requests=haiku_requests(count)).id
    for _ in range(2):
        client.messages.batches.retrieve(id_)
    return str(id_)


def health(home: Path) -> dict[str, Any]:
    assert llmtrace.flush(10.0)
    figures = connect(home=home).health()
    assert figures["ended"] == figures["stored"] + figures["pending"] + sum(figures["dropped"].values())
    return dict(figures)


def test_blocks_end_with_whole_lines_and_nothing_is_lost_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LINES_BYTES", 100)
    blocks: list[bytes] = []
    reader, text = LineReader(blocks.append), b"".join(b"line %d of the file\n" % n for n in range(50)) + b"the rest"
    for start in range(0, len(text), 7):
        reader.feed(text[start : start + 7])
    reader.finish()
    assert b"".join(blocks) == text
    assert len(blocks) > 5
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_a_line_that_is_longer_than_a_block_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LINES_BYTES", 10)
    blocks: list[bytes] = []
    reader = LineReader(blocks.append)
    for piece in (b"a" * 30, b"b" * 30 + b"\nc", b"d"):
        reader.feed(piece)
    reader.finish()
    assert blocks == [b"a" * 30 + b"b" * 30 + b"\n", b"cd"]


def test_what_there_is_no_room_for_is_dropped_and_counted(
    simulator: Simulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "LINES_BYTES", 1)  # a block for each line
    monkeypatch.setattr(batch_intake, "WAITING_BYTES", 0)  # and room for one
    llmtrace.instrument(home=home)
    with make_anthropic(simulator, False) as client:
        id_ = submit(client, 200)
        assert sum(1 for _ in client.messages.batches.results(id_)) == 200
    figures = health(home)
    rows = connect(home=home).sql("SELECT count(*) AS n FROM calls").to_pylist()[0]["n"]
    assert rows >= 1
    assert figures["dropped"] == {"results_full": 200 - rows}
    assert connect(home=home).sql("SELECT pending FROM batches").to_pylist() == [{"pending": 200 - rows}]


def test_results_that_are_read_after_the_end_are_counted(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with make_anthropic(simulator, False) as client:
        id_ = submit(client, 3)
        results = client.messages.batches.results(id_)
        llmtrace.shutdown()
        assert len(list(results)) == 3
    assert connect(home=home).health()["dropped"] == {"after_shutdown": 3}


def test_a_line_that_is_no_result_makes_no_call_and_harms_no_other(simulator: Simulator, home: Path) -> None:
    llmtrace.instrument(home=home)
    with make_anthropic(simulator, False) as client:
        id_ = submit(client, 1)
        list(client.messages.batches.results(id_))
        capture = lifecycle._capture
        assert capture is not None
        found = {"type": "succeeded", "message": {"id": "msg_2", "model": "claude-haiku-4-5", "usage": ANTHROPIC_USAGE}}
        block = b"\n".join(
            [b"", b"not JSON", b"[]", b'{"custom_id": "x"}', json.dumps({"custom_id": "x", "result": found}).encode()]
        )
        step = _step(client, id_)
        capture.pipeline.put_lines(step, block)
        health(home)
    ids = connect(home=home).sql("SELECT response_id FROM calls WHERE response_id = 'msg_2'").to_pylist()
    assert ids == [{"response_id": "msg_2"}]


def _step(client: Any, id_: str) -> Any:
    """An invocation that reads the results of the batch ID_, as the SDK's own would be."""
    seen: list[Any] = []
    capture = lifecycle._capture
    assert capture is not None
    put, capture.pipeline.put_lines = capture.pipeline.put_lines, lambda step, block: seen.append(step)  # type: ignore[method-assign]
    list(client.messages.batches.results(id_))
    capture.pipeline.put_lines = put  # type: ignore[method-assign]
    return seen[0]


def test_the_first_block_always_has_room() -> None:
    figures = Figures()
    intake = BatchIntake(figures)
    whole = intake.take(None, b"x" * (batch_intake.WAITING_BYTES + 1))  # type: ignore[arg-type]
    after = intake.take(None, b"y\nz\n")  # type: ignore[arg-type]
    assert (len(whole.block), after.block, after.count) == (batch_intake.WAITING_BYTES + 1, b"", 2)


@pytest.mark.parametrize("output", ["inlinedResponses", "inlinedEmbedContentResponses"])
def test_an_answer_with_results_that_there_is_no_room_for_is_dropped_and_counted(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_intake, "WAITING_BYTES", 0)
    figures, family = Figures(), find_family("google.genai")
    assert family is not None
    results = [{"response": {"responseId": "a"}}, {"response": {"responseId": "b"}}, {"error": {"code": 13}}]
    told = {"name": "batches/b1", "metadata": {"output": {output: {"inlinedResponses": results}}}}
    endpoint = find_endpoint("google.genai", "GET", "/v1beta/batches/b1")
    step = SimpleNamespace(response_bytes=json.dumps(told).encode(), family=family, endpoint=endpoint)
    intake: Any = BatchIntake(figures)
    assert intake.told(step).block
    refused = intake.told(step)
    assert list(intake.spans_of(refused)) == []
    assert (figures.ended, figures.dropped) == (3, {"results_full": 3})


def test_an_answer_without_results_is_no_block_of_them() -> None:
    family, endpoint = find_family("google.genai"), find_endpoint("google.genai", "GET", "/v1beta/batches/b1")
    intake: Any = BatchIntake(Figures())
    for answer in (b'{"name": "batches/b1"}', b"", None):
        assert intake.told(SimpleNamespace(response_bytes=answer, family=family, endpoint=endpoint)) is None


def test_results_in_an_answer_that_was_read_already_are_counted_where_the_queue_is_full() -> None:
    figures, family = Figures(), find_family("openai")
    endpoint = find_endpoint("openai", "GET", "/v1/batches/b1/results")
    page = {"results": [{"batch_request_id": "r0", "batch_result": {"error": {"code": 3}}}, {}]}
    intake: Any = BatchIntake(figures)
    step = SimpleNamespace(events=[page], family=family, endpoint=endpoint, subject="b1")
    intake.let_go_told(step, "queue_full")
    intake.let_go_told(SimpleNamespace(events=[], family=family, endpoint=endpoint, subject="b1"), "queue_full")
    assert (figures.ended, figures.dropped) == (1, {"queue_full": 1})
