"""LiteLLM reads Anthropic's streams as far as the reason to stop, and keeps the response: there the call is over."""

import pytest

from llmtrace.instrument.litellm import STOPPED

DELTA = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":%s},"usage":{"output_tokens":3}}'


@pytest.mark.parametrize(
    ("event", "is_last"),
    [
        (DELTA % b'"end_turn"', True),
        (DELTA % b"null", False),
        (b'event: message_stop\ndata: {"type":"message_stop"}', True),
        (b'event: message_start\ndata: {"type":"message_start","message":{"stop_reason":null}}', False),
        (b'event: content_block_delta\ndata: {"delta":{"text":"event: message_stop"}}', False),
        (b"data: [DONE]", False),
    ],
)
def test_the_last_event_that_is_read_is_known(event: bytes, is_last: bool) -> None:
    assert bool(STOPPED.match(event)) == is_last
