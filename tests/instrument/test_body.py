"""Raw bodies, read beside the caller: what is not JSON is passed over, and costs nothing that comes after it."""

from typing import Any

import pytest

from llmtrace.instrument.body import BodyReader

EVENTS = (
    b'data: {"a": 1}\r\n\r\nevent: x\ndata: {"a":\ndata: 2}\n\n: comment\n\n'
    b'data: {"brok\n\ndata: [1]\n\ndata: {"a": 3}\n\n'
)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_events_are_read_however_they_arrive(size: int) -> None:
    seen: list[Any] = []
    reader = BodyReader("text/event-stream; charset=utf-8", seen.append)
    body = EVENTS + b"data: [DONE]\n\n"
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    reader.finish()
    assert seen == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize(("body", "expected"), [(b'{"a": 1}', [{"a": 1}]), (b'{"a":', []), (b"[1]", []), (b"", [])])
def test_a_whole_body_is_read_at_its_end(body: bytes, expected: list[Any]) -> None:
    seen: list[Any] = []
    reader = BodyReader("application/json", seen.append)
    for byte in body:
        reader.feed(bytes([byte]))
    assert seen == []
    reader.finish()
    assert seen == expected


@pytest.mark.parametrize("size", [1, 7, 90])
def test_what_the_sdk_is_about_to_show_is_not_read_before(size: int) -> None:
    seen: list[Any] = []
    reader = BodyReader("TEXT/EVENT-STREAM", seen.append)
    body = b'data: {"a": 1}\n\ndata: {"a": 2}\n\n'
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    assert {"a": 2} not in seen  # its last piece may be parsed by the SDK before anything more is asked for
