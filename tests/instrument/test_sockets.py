"""What is said on a WebSocket: one call for each response, transcript and session, however the connection ends."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import recorded_calls
from talking import Event, talk

import llmtrace
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SESSION = {
    "type": "realtime",
    "id": "sess_1",
    "model": "gpt-realtime",
    "audio": {"input": {"transcription": {"model": "whisper-1"}}},
}
CREATED = {"type": "session.created", "event_id": "e1", "session": SESSION}
USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
# gpt-realtime: 55 × 4.00 + 64 × 0.40 + 13 × 32.00 + 30 × 16.00 + 91 × 64.00 dollars per million
SPOKEN_USD = Decimal("0.006965600000")


def realtime(response_id: str, status: str = "completed", **changes: Any) -> list[Event]:
    """The events of one response of a realtime connection."""
    begun = {"object": "realtime.response", "id": response_id, "output": [], "status": "in_progress", "usage": None}
    done = {**begun, "status": status, "usage": USAGE, **changes}
    return [
        {"type": "response.created", "event_id": "e2", "response": begun},
        {"type": "response.output_audio.delta", "event_id": "e3", "response_id": response_id, "delta": "UklGRg=="},
        {"type": "response.done", "event_id": "e4", "response": done},
    ]


def answered(response_id: str, kind: str = "response.completed", **changes: Any) -> list[Event]:
    """The events of one response of a responses connection."""
    usage = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    }
    body = {"id": response_id, "object": "response", "model": "gpt-5-mini-2025-08-07", "output": []}
    done = {**body, "status": kind.rpartition(".")[2], "usage": usage, **changes}
    begun = {**body, "status": "in_progress", "usage": None}
    return [
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "delta": "Rotterdam."},
        {"type": kind, "sequence_number": 2, "response": done},
    ]


# gpt-5-mini: 36 × 0.25 + 87 × 2.00 dollars per million
ANSWERED_USD = Decimal("0.000183000000")

Open = Callable[[Any], Any]
OPEN_REALTIME: Open = lambda client: client.realtime.connect(model="gpt-realtime")  # noqa: E731
OPEN_OLD_REALTIME: Open = lambda client: client.beta.realtime.connect(model="gpt-realtime")  # noqa: E731
OPEN_RESPONSES: Open = lambda client: client.responses.connect()  # noqa: E731
OPEN_LIVE: Open = lambda client: client.live.connect()  # noqa: E731
ASK = {"type": "response.create"}


def use(address: str, opener: Open, sent: Sequence[Event], *, is_async: bool, enough: int | None = None) -> list[Any]:
    """Send each of SENT, and what came back until the server hung up, or until there was ENOUGH of it."""
    options: dict[str, Any] = {
        "api_key": "k", "base_url": f"http://{address}/v1", "websocket_base_url": f"ws://{address}/v1",
    }  # fmt: skip

    async def go() -> list[Any]:
        async with openai.AsyncOpenAI(**options) as client, opener(client) as connection:
            for message in sent:
                await connection.send(message)
            seen = []
            async for event in connection:
                seen.append(event)
                if len(seen) == enough:
                    break
            return seen

    if is_async:
        return asyncio.run(go())
    with openai.OpenAI(**options) as client, opener(client) as connection:
        for message in sent:
            connection.send(message)
        seen = []
        for event in connection:
            seen.append(event)
            if len(seen) == enough:
                break
        return seen


def costs(calls: Sequence[Call]) -> list[tuple[str, Decimal | None]]:
    book = load_book()
    return [((cost := price_call(book, call)).status, cost.total_usd) for call in calls]


BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@BOTH
@pytest.mark.parametrize("opener", [OPEN_REALTIME, OPEN_OLD_REALTIME], ids=["realtime", "beta"])
def test_each_response_of_a_realtime_connection_is_a_call(opener: Open, is_async: bool, home: Path) -> None:
    llmtrace.instrument(home=home)
    with talk([CREATED], [realtime("resp_1"), realtime("resp_2")]) as address, llmtrace.feature("phone"):
        seen = use(address, opener, [ASK, ASK], is_async=is_async)
    assert [type(event).__module__.partition(".")[0] for event in seen] == ["openai"] * 7
    calls = recorded_calls(home)
    assert [call.response.id for call in calls] == ["resp_1", "resp_2"]
    for call in calls:
        assert (call.request.endpoint, call.request.model, call.request.stream) == ("realtime", "gpt-realtime", True)
        assert (call.request.server_address, call.request.server_port) == ("127.0.0.1", int(address.partition(":")[2]))
        assert (call.status, call.response.finish_reasons, call.feature) == ("ok", ("stop",), "phone")
        assert call.response.usage == USAGE
        assert call.ttft_s is not None
        assert call.ttft_s <= call.duration_s
    assert costs(calls) == [("exact", SPOKEN_USD)] * 2


@BOTH
def test_each_response_of_a_responses_connection_is_a_call(is_async: bool, home: Path) -> None:
    llmtrace.instrument(home=home)
    failed = answered("resp_2", "response.failed", error={"code": "server_error", "message": "no"}, usage=None)
    with talk([], [answered("resp_1"), failed]) as address:
        use(address, OPEN_RESPONSES, [{**ASK, "model": "gpt-5-mini", "input": "Where?"}] * 2, is_async=is_async)
    first, second = recorded_calls(home)
    assert (first.request.endpoint, first.response.id, first.response.model) == (
        "responses",
        "resp_1",
        "gpt-5-mini-2025-08-07",
    )
    assert costs([first]) == [("exact", ANSWERED_USD)]
    assert (second.status, second.error_type, second.response.id) == ("error", "server_error", "resp_2")


def test_the_same_events_come_back_as_without_llmtrace(home: Path) -> None:
    with talk([CREATED], [realtime("resp_1")]) as address:
        bare = use(address, OPEN_REALTIME, [ASK], is_async=False)
        llmtrace.instrument(home=home)
        seen = use(address, OPEN_REALTIME, [ASK], is_async=False)
    assert [repr(event) for event in seen] == [repr(event) for event in bare]


def test_a_transcript_of_what_was_said_is_a_call_at_the_price_of_its_model(home: Path) -> None:
    heard = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "e9", "item_id": "item_1", "content_index": 0, "transcript": "Hello",
        "usage": {"type": "duration", "seconds": 30},
    }  # fmt: skip
    llmtrace.instrument(home=home)
    with talk([CREATED], [[heard, *realtime("resp_1")]]) as address:
        use(address, OPEN_REALTIME, [ASK], is_async=False)
    transcript, spoken = recorded_calls(home)
    assert (transcript.request.endpoint, transcript.request.model) == ("realtime.transcription", "whisper-1")
    assert transcript.response.id == "item_1"
    # 30 s × $0.006 a minute
    assert costs([transcript, spoken]) == [("exact", Decimal("0.003")), ("exact", SPOKEN_USD)]


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, ("ok", None, ("cancelled",))),
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, ("ok", None, ("length",))),
        ("incomplete", {"type": "incomplete", "reason": "content_filter"}, ("ok", None, ("content_filter",))),
        (
            "failed",
            {"type": "failed", "error": {"type": "server_error", "code": "oops"}},
            ("error", "oops", ("error",)),
        ),
    ],
)
def test_how_a_spoken_response_ended_is_told(status: str, details: Any, expected: Any, home: Path) -> None:
    llmtrace.instrument(home=home)
    with talk([CREATED], [realtime("resp_1", status, status_details=details)]) as address:
        use(address, OPEN_REALTIME, [ASK], is_async=False)
    (call,) = recorded_calls(home)
    assert (call.status, call.error_type, call.response.finish_reasons) == expected
    assert costs([call]) == [("exact", SPOKEN_USD)]


@BOTH
def test_a_response_that_is_left_is_a_call_that_was_given_up(is_async: bool, home: Path) -> None:
    llmtrace.instrument(home=home)
    with talk([CREATED], [realtime("resp_1")]) as address:
        use(address, OPEN_REALTIME, [ASK], is_async=is_async, enough=3)
    gc.collect()
    (call,) = recorded_calls(home)
    assert (call.status, call.response.id, call.usage_source) == ("cancelled", "resp_1", "missing")
    assert costs([call]) == [("unpriced", None)]


def live(kind: str, **values: Any) -> Event:
    session = {"id": "live_1", "model": "gpt-live-1", "status": "active", "expires_at": 1}
    about = {"session": session} if kind in ("session.started", "session.closed") else {}
    return {"type": kind, "event_id": "e", **about, **values}


def told(seconds: float) -> Event:
    return live("session.usage.updated", usage={"seconds": seconds})


@BOTH
def test_a_live_session_is_one_call_of_so_many_seconds_and_what_it_delegates_are_others(
    is_async: bool, home: Path
) -> None:
    delegated = [live("response.event", delegation_id="d1", event=event) for event in answered("resp_1")]
    decision = {
        "model": "gpt-5-mini", "answers": [],
        "usage": {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11},
    }  # fmt: skip
    decided = live("decision.event", event={"type": "decision.completed", "decision": decision})
    closed = live("session.closed", reason="close_requested", usage={"seconds": 12.5})
    llmtrace.instrument(home=home)
    with talk([live("session.started")], [[told(5.0), *delegated, decided, told(10.0), closed]]) as address:
        use(address, OPEN_LIVE, [{"type": "session.close"}], is_async=is_async)
    calls = {call.request.endpoint: call for call in recorded_calls(home)}
    assert set(calls) == {"live", "responses", "decisions"}
    session = calls["live"]
    assert (session.response.id, session.response.model, session.response.usage) == (
        "live_1",
        "gpt-live-1",
        {"seconds": 12.5},
    )
    assert (session.status, session.usage_complete, session.response.finish_reasons) == (
        "ok",
        True,
        ("close_requested",),
    )
    assert costs([calls["responses"]]) == [("exact", ANSWERED_USD)]
    assert calls["decisions"].response.usage == decision["usage"]


def test_a_live_session_that_is_cut_off_has_the_seconds_that_were_told(home: Path) -> None:
    llmtrace.instrument(home=home)
    with talk([live("session.started")], [[told(5.0), told(10.0)]]) as address:
        use(address, OPEN_LIVE, [{"type": "session.close"}], is_async=False)
    gc.collect()
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_complete, call.response.usage) == ("cancelled", False, {"seconds": 10.0})


def test_a_live_session_that_two_connections_follow_is_one_call(home: Path) -> None:
    llmtrace.instrument(home=home)
    closed = live("session.closed", reason="expired", usage={"seconds": 3.0})
    with talk([live("session.started")], [[told(3.0), closed]]) as address:
        client = openai.OpenAI(api_key="k", base_url=f"http://{address}/v1", websocket_base_url=f"ws://{address}/v1")
        with client, client.live.connect() as first, client.live.sideband.connect(session_id="live_1") as second:
            for connection in (first, second):
                connection.send({"type": "session.close"})
                assert [event.type for event in connection][-1] == "session.closed"
    (call,) = recorded_calls(home)
    assert (call.response.id, call.response.usage, call.usage_complete) == ("live_1", {"seconds": 3.0}, True)


def test_after_uninstrument_a_connection_is_the_sdks_own_again(home: Path) -> None:
    from openai.resources.realtime.realtime import RealtimeConnection

    llmtrace.instrument(home=home)
    assert hasattr(RealtimeConnection.parse_event, "__wrapped__")
    llmtrace.uninstrument()
    assert not hasattr(RealtimeConnection.parse_event, "__wrapped__")


ODD = ('{"type": "response.done"}', '{"type": "response.event", "event": 3}', '{"type": 7}', '{"event": 1}')


@pytest.mark.parametrize("text", ODD)
def test_an_event_of_any_shape_passes(text: str, home: Path) -> None:
    from openai.resources.realtime.realtime import RealtimeConnection

    connection: Any = RealtimeConnection.__new__(RealtimeConnection)
    bare = RealtimeConnection.parse_event(connection, text)
    llmtrace.instrument(home=home)
    assert repr(RealtimeConnection.parse_event(connection, text)) == repr(bare)
    assert recorded_calls(home) == []
