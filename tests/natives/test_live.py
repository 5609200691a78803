"""Live sessions with Google's models over a real WebSocket: each turn is one row with the count of that turn."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from google import genai
from replaying import stored
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

import llmtrace

pytestmark = pytest.mark.filterwarnings("ignore")
MODEL = "gemini-live-2.5-flash-preview"
USAGE = {
    "promptTokenCount": 20, "responseTokenCount": 7, "thoughtsTokenCount": 3, "totalTokenCount": 27,
    "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
}  # fmt: skip


def said(text: str) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"parts": [{"text": text}]}}}


async def answer(connection: ServerConnection) -> None:
    """Set up, then answer each message with a turn in three messages; hang up where the message asks for it."""
    await connection.recv()
    await connection.send(json.dumps({"setupComplete": {}}))
    async for message in connection:
        await connection.send(json.dumps(said("On the")))
        if "hang up" in str(message):
            return
        if "go on" in str(message):
            continue
        await connection.send(json.dumps(said(" water.")))
        await connection.send(json.dumps({"serverContent": {"turnComplete": True}, "usageMetadata": USAGE}))


def talk(use: Callable[[Any], Awaitable[Any]]) -> Any:
    """What USE makes of a session."""

    async def run() -> Any:
        async with serve_websocket(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            options = genai.types.HttpOptions(base_url=f"http://127.0.0.1:{port}")
            client = genai.Client(api_key="k", http_options=options)
            # The SDK always asks for TLS, which a server on loopback does not have.
            api = client._api_client
            api._websocket_base_url = lambda *_: f"ws://127.0.0.1:{port}"  # type: ignore[method-assign]
            api._websocket_ssl_ctx = {}
            async with client.aio.live.connect(model=MODEL) as session:
                return await use(session)

    return asyncio.run(run())


async def ask(session: Any, text: str) -> str:
    turns = genai.types.Content(role="user", parts=[genai.types.Part(text=text)])
    await session.send_client_content(turns=turns, turn_complete=True)
    return "".join([message.text or "" async for message in session.receive()])


def calls_of(home: Path) -> list[dict[str, Any]]:
    return sorted((c for calls in stored(home).values() for c in calls), key=lambda c: c["started_at"])


def test_each_turn_is_a_row_with_its_own_count(home: Path) -> None:
    llmtrace.instrument(home=home)

    async def use(session: Any) -> list[str]:
        with llmtrace.feature("voice"):
            return [await ask(session, "Where?"), await ask(session, "Why?")]

    assert talk(use) == ["On the water.", "On the water."]
    calls = calls_of(home)
    assert len(calls) == 2
    for call in calls:
        assert (call["status"], call["usage_source"], call["feature"]) == ("ok", "provider", "voice")
        assert (call["provider"], call["request_model"]) == ("gcp.gemini", MODEL)
        assert (call["input_tokens"], call["output_tokens"], call["reasoning_tokens"]) == (20, 10, 3)
        assert call["cost_status"] != "invalid_usage"
        assert 0 < call["ttft_s"] <= call["duration_s"]


def test_a_turn_that_the_connection_cuts_is_a_row_that_failed(home: Path) -> None:
    llmtrace.instrument(home=home)
    with pytest.raises(genai.errors.APIError):
        talk(lambda session: ask(session, "hang up"))
    (call,) = calls_of(home)
    assert (call["status"], call["usage_source"]) == ("error", "estimated")


def test_a_session_that_is_left_in_a_turn_is_a_row_that_was_given_up(home: Path) -> None:
    llmtrace.instrument(home=home)

    async def use(session: Any) -> None:
        turns = genai.types.Content(role="user", parts=[genai.types.Part(text="go on")])
        await session.send_client_content(turns=turns, turn_complete=True)
        async for _ in session.receive():
            return

    talk(use)
    (call,) = calls_of(home)
    assert (call["status"], call["usage_source"]) == ("cancelled", "estimated")


def test_a_session_in_which_nothing_is_said_is_no_call(home: Path) -> None:
    llmtrace.instrument(home=home)

    async def use(session: Any) -> str:
        return type(session).__module__

    assert talk(use) == "google.genai.live"
    assert calls_of(home) == []
