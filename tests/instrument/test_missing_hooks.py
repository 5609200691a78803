"""A release whose names are not those known here: each one that is missing costs detail and one warning, nothing else.

What is missing is hidden from whoever replaces it; the SDK goes on using it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import canned
import native
import pytest
from bare import stable
from botocore.config import Config
from calling import ANTHROPIC, OPENAI
from conftest import recorded_calls
from native import Natives
from natives.reading import read_bodies
from replaying import Row, serve

import llmtrace
from llmtrace.instrument import patched, quiet, streams
from llmtrace.simulator import Simulator

pytestmark = pytest.mark.filterwarnings("ignore")
Hook = tuple[str, str, str]
Uses = dict[str, Callable[[], Any]]
ROWS: dict[str, Row] = {row.id: row for row, _ in read_bodies()}
BEGINNINGS = {"request", "_request", "_async_request", "do_request", "do_request_async", "stream", "_make_api_call"}


def name_of(owner: Any, name: str) -> Hook:
    return (owner.__name__, "", name) if isinstance(owner, ModuleType) else (owner.__module__, owner.__name__, name)


@contextmanager
def hiding(hidden: Hook | None, seen: list[Hook] | None = None) -> Iterator[None]:
    """HIDDEN is not there for whoever would replace it; what is replaced is put into SEEN."""
    original = patched.Patched.patch

    def patch(self: patched.Patched, owner: Any, name: str, around: Any, *, is_expected: bool = True) -> bool:
        if owner is not None and name_of(owner, name) == hidden:
            owner = None
        done = original(self, owner, name, around, is_expected=is_expected)
        if done and seen is not None:
            seen.append(name_of(owner, name))
        return done

    patched.Patched.patch = patch  # type: ignore[method-assign]
    try:
        yield
    finally:
        patched.Patched.patch = original  # type: ignore[method-assign]


@contextmanager
def stainless(sdk: str) -> Iterator[Uses]:
    make, create, body, more = (
        (canned.make_openai, "chat.completions", OPENAI, {"stream_options": {"include_usage": True}})
        if sdk == "openai"
        else (canned.make_anthropic, "messages", ANTHROPIC, {})
    )
    events = canned.CHAT_CHUNKS if sdk == "openai" else canned.MESSAGE_EVENTS
    answers = {
        False: canned.answering(canned.CHAT if sdk == "openai" else canned.MESSAGE),
        True: canned.streaming(events),
    }

    def resource(client: Any) -> Any:
        for name in create.split("."):
            client = getattr(client, name)
        return client

    def use(is_stream: bool, is_raw: bool) -> Any:
        options = {"stream": True, **more} if is_stream else {}
        with make(answers[is_stream]) as client:
            found = resource(client).with_raw_response if is_raw else resource(client)
            result = found.create(**body, **options)
            result = result.parse() if is_raw else result
            return [stable(item) for item in result] if is_stream else stable(result)

    async def use_async(is_stream: bool) -> Any:
        options = {"stream": True, **more} if is_stream else {}
        async with make(answers[is_stream], is_async=True) as client:
            result = await resource(client).create(**body, **options)
            return [stable(item) async for item in result] if is_stream else stable(result)

    yield {
        "plain": lambda: use(False, False),
        "raw": lambda: use(False, True),
        "stream": lambda: use(True, False),
        "raw stream": lambda: use(True, True),
        "async": lambda: asyncio.run(use_async(False)),
        "async stream": lambda: asyncio.run(use_async(True)),
    }


@contextmanager
def native_sdk(name: str) -> Iterator[Uses]:
    # Once, at the end: each costs more than all the calls before it.
    with serve(ROWS) as address, pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "collect", lambda: None)

        def use(row: str) -> Any:
            with Natives(address) as natives:
                return native.plain(natives, ROWS[row])

        async def use_async(row: str) -> Any:
            async with Natives(address, is_async=True) as natives:
                return await native.plain_async(natives, ROWS[row])

        yield {
            "plain": lambda: use(f"{name}-plain"),
            "stream": lambda: use(f"{name}-stream"),
            "async": lambda: asyncio.run(use_async(f"{name}-plain")),
            "async stream": lambda: asyncio.run(use_async(f"{name}-stream")),
        }
    native.collect()


@contextmanager
def bedrock(_: str) -> Iterator[Uses]:
    with Simulator(seed=7) as simulator:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=simulator.bedrock_endpoint_url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        asked: dict[str, Any] = {
            "modelId": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "messages": [{"role": "user", "content": [{"text": "Tell me about the harbour at night, please."}]}],
        }

        def plain() -> Any:
            simulator.answer(text="It is dark.", times=1)
            return client.converse(**asked)["output"]

        def stream() -> Any:
            simulator.answer(text="It is dark.", times=1)
            return [json.dumps(e) for e in client.converse_stream(**asked)["stream"] if "metadata" not in e]

        yield {"plain": plain, "stream": stream}
        client.close()


SDKS: dict[str, Callable[[str], Any]] = {
    "openai": stainless,
    "anthropic": stainless,
    "gemini": native_sdk,
    "mistral": native_sdk,
    "cohere": native_sdk,
    "ollama": native_sdk,
    "bedrock": bedrock,
}
PACKAGES = {"gemini": "google.", "bedrock": "botocore.", "mistral": "mistralai.client."}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    messages = [record.getMessage() for record in caplog.records if record.name == "llmtrace"]
    caplog.clear()
    quiet._warned_of.clear()
    return messages


@pytest.mark.expects_warning
@pytest.mark.parametrize("sdk", SDKS)
def test_a_release_that_lacks_a_name_works_as_ever_and_is_told_of_once(
    sdk: str, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks: list[Hook] = []
    with SDKS[sdk](sdk) as uses:
        bare = {name: use() for name, use in uses.items()}
        with hiding(None, hooks):
            llmtrace.instrument(home=home / "whole")
        assert {name: use() for name, use in uses.items()} == bare
        assert [call.status for call in recorded_calls(home / "whole")] == ["ok"] * len(uses)
        assert told(caplog) == []
        # Live sessions are no call of these.
        hooks = [hook for hook in hooks if hook[0].startswith(PACKAGES.get(sdk, sdk)) and hook[1] != "AsyncSession"]
        assert len(hooks) > 2
        for number, hook in enumerate(hooks):
            llmtrace.shutdown()
            with hiding(hook):
                llmtrace.instrument(home=home / str(number))
            assert {name: use() for name, use in uses.items()} == bare, hook
            (message,) = told(caplog)
            if hook[2] in BEGINNINGS:
                assert "its calls are not recorded" in message
                continue
            assert message.startswith("llmtrace records less of this release of ")
            assert message.endswith(f", which has no {hook[2]}")
            calls = recorded_calls(home / str(number))
            assert [call.status for call in calls] == ["ok"] * len(uses), hook
            if SDKS[sdk] is stainless:
                assert {call.usage_source for call in calls} == {"provider"}, hook


@pytest.mark.expects_warning
@pytest.mark.parametrize("missing", [None, "_process_response_data", "_iterator"])
def test_usage_is_not_asked_for_where_it_could_not_be_withheld(
    missing: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    answer = canned.streaming(canned.CHAT_CHUNKS[:-1])

    def note(request: Any) -> Any:
        asked.append(json.loads(request.content))
        return answer(request)

    if missing == "_iterator":
        monkeypatch.setattr(streams, "ITERATOR", "_iterator_of_yesterday")
    with hiding(("openai._base_client", "BaseClient", missing or "")):
        llmtrace.instrument(home=home)
    with canned.make_openai(note, host="https://api.openai.com/v1") as client:
        chunks = list(client.chat.completions.create(**OPENAI, stream=True))
    assert len(chunks) == 5
    assert all(chunk.choices for chunk in chunks)
    assert ("stream_options" in asked[0]) is (missing is None)
    (call,) = recorded_calls(home)
    assert (call.status, call.usage_source) == ("ok", "estimated")
