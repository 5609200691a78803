"""AWS's event streams, taken apart in whatever pieces they come, as botocore takes them apart."""

import json

import pytest
from botocore.eventstream import EventStreamBuffer

from llmtrace.instrument.body import BodyReader
from llmtrace.instrument.frames import split_frames
from llmtrace.simulator.bedrock_frames import write_chunk, write_event, write_exception

STREAM = b"".join([
    write_event("messageStart", {"role": "assistant"}),
    write_chunk({"type": "message_start", "message": {"id": "msg_1"}}),
    write_event("metadata", {"usage": {"inputTokens": 3, "outputTokens": 4}}),
    write_exception("throttlingException", {"message": "slow down"}),
])  # fmt: skip
EVENTS = [
    {"messageStart": {"role": "assistant"}},
    {"type": "message_start", "message": {"id": "msg_1"}},
    {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4}}},
    {"exception": "throttlingException"},
]


def test_the_frames_are_what_botocore_reads() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    events = list(buffer)
    assert [event.headers.get(":event-type") for event in events] == ["messageStart", "chunk", "metadata", None]
    assert json.loads(events[2].payload) == {"usage": {"inputTokens": 3, "outputTokens": 4}}


@pytest.mark.parametrize("size", [1, 7, 64, len(STREAM)])
@pytest.mark.parametrize("is_alone", [False, True])
def test_events_come_out_whatever_pieces_they_come_in(size: int, is_alone: bool) -> None:
    seen: list[object] = []
    reader = BodyReader("application/vnd.amazon.eventstream", seen.append, is_alone=is_alone)
    for start in range(0, len(STREAM), size):
        reader.feed(STREAM[start : start + size])
    reader.finish()
    assert seen == EVENTS


def test_what_breaks_off_keeps_what_came_whole() -> None:
    events, rest = split_frames(STREAM[:-5])
    assert events == EVENTS[:3]
    assert rest


def test_what_is_no_such_stream_gives_nothing() -> None:
    assert split_frames(b"\xff" * 100) == ([], b"")
    assert split_frames(b"short") == ([], b"short")
