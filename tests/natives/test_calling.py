"""The other SDKs from the application's side: retries, features, content, cancelled tasks, and patches that go away."""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cohere
import google.genai
import native
import ollama
import pytest
from google.genai import types
from mistralai.client import utils as mistral_utils
from native import Natives
from natives.reading import read_bodies
from replaying import Row, outcome, serve, stored

import llmtrace
from llmtrace.client import connect
from llmtrace.instrument import quiet

pytestmark = pytest.mark.filterwarnings("ignore")  # what SDKs warn about experiments
ROWS = {row.id: row for row, _ in read_bodies()}
PLAIN = ("gemini-plain", "mistral-plain", "cohere-plain", "ollama-plain")
STREAMS = ("gemini-stream", "mistral-stream", "cohere-stream", "ollama-stream")
NAMES = {"gemini": "google.genai", "mistral": "mistralai", "cohere": "cohere", "ollama": "ollama"}


def one_call(home: Path) -> dict[str, Any]:
    (call,) = [c for calls in stored(home).values() for c in calls]
    return call


@pytest.fixture
def address() -> Iterator[str]:
    with serve(ROWS, piece_bytes=60) as found:
        yield found


class Flaky(dict[str, Row]):
    """Rows of which each is refused the first TIMES."""

    def __init__(self, times: int) -> None:
        super().__init__(ROWS)
        self._left = times

    def __getitem__(self, name: str) -> Row:
        row = super().__getitem__(name)
        if self._left:
            self._left -= 1
            headers = {"content-type": "application/json", "retry-after-ms": "10"}
            return replace(row, status=429, body=b"{}", headers=headers)
        return row


def try_google(natives: Natives, row: Row) -> Any:
    retry = types.HttpRetryOptions(attempts=3, initial_delay=0.01, jitter=0.0)
    options = types.HttpOptions(headers={"X-Row": row.id}, retry_options=retry)
    config = types.GenerateContentConfig(http_options=options)
    return natives.gemini.models.generate_content(model="gemini-2.5-flash", contents="x", config=config)


def try_mistral(natives: Natives, row: Row) -> Any:
    method, arguments = natives.method(row)
    backoff = mistral_utils.BackoffStrategy(10, 20, 1.0, 5000)
    return method(**arguments, retries=mistral_utils.RetryConfig("backoff", backoff, retry_connection_errors=False))


def try_cohere(natives: Natives, row: Row) -> Any:
    method, arguments = natives.method(row)
    return method(**arguments)


TRYING: dict[str, Callable[[Natives, Row], Any]] = {
    "gemini-plain": try_google, "mistral-plain": try_mistral, "cohere-plain": try_cohere,
}  # fmt: skip


@pytest.mark.parametrize("name", TRYING)
def test_retries_inside_a_call_are_one_row_with_its_attempts(name: str, home: Path) -> None:
    with serve(Flaky(2)) as address, Natives(address, retries=2) as natives:
        llmtrace.instrument(home=home)
        TRYING[name](natives, ROWS[name])
    call = one_call(home)
    assert (call["status"], call["http_status"], call["attempts"]) == ("ok", 200, 3)
    assert call["retry_wait_s"] > 0


@pytest.mark.parametrize("name", TRYING)
def test_a_call_that_fails_after_all_retries_says_how_often_it_tried(name: str, home: Path) -> None:
    with serve(Flaky(99)) as address, Natives(address, retries=2) as natives:
        llmtrace.instrument(home=home)
        row = ROWS[name]
        if name == "mistral-plain":
            backoff = mistral_utils.BackoffStrategy(10, 20, 1.0, 50)
            config = mistral_utils.RetryConfig("backoff", backoff, retry_connection_errors=False)
            method, arguments = natives.method(row)
            assert outcome(lambda: [method(**arguments, retries=config)])[0]
        else:
            assert outcome(lambda: [TRYING[name](natives, row)])[0]
    call = one_call(home)
    assert (call["status"], call["http_status"], call["cost_status"]) == ("error", 429, "not_billed")
    assert call["attempts"] >= 2


@pytest.mark.parametrize("name", [*PLAIN, *STREAMS])
def test_a_server_that_is_not_there_is_a_row_that_costs_nothing(name: str, home: Path) -> None:
    llmtrace.instrument(home=home)
    with Natives("http://127.0.0.1:9") as natives:
        error, _ = outcome(lambda: native.plain(natives, ROWS[name]))
    assert error
    call = one_call(home)
    assert (call["status"], call["error_type"], call["http_status"]) == ("error", "connection_error", None)
    assert call["cost_status"] == "not_billed"


@pytest.mark.parametrize("name", PLAIN)
def test_calls_have_the_feature_and_what_was_asked(name: str, home: Path, address: str) -> None:
    llmtrace.instrument(home=home)
    row = ROWS[name]
    with Natives(address) as natives, llmtrace.feature("search", user="u-1"):
        native.plain(natives, row)
    call = one_call(home)
    assert (call["feature"], call["user_id"], call["request_model"]) == ("search", "u-1", row.request["model"])
    assert call["server_address"] == "127.0.0.1"


def test_a_stream_of_ollamas_belongs_to_where_it_was_asked_for(home: Path, address: str) -> None:
    llmtrace.instrument(home=home)
    with Natives(address) as natives:
        with llmtrace.feature("asked"):
            stream = native.open_call(natives, ROWS["ollama-stream"])
        with llmtrace.feature("read"):
            assert len(list(stream)) == 4
    assert one_call(home)["feature"] == "asked"


@pytest.mark.parametrize(
    "name", [*PLAIN, *STREAMS, "cohere-v1", "interaction", "mistral-conversation", "ollama-generate"]
)
def test_prompt_and_answer_are_kept_where_that_is_asked_for(name: str, home: Path, address: str) -> None:
    llmtrace.instrument(home=home, capture_content=True)
    with Natives(address) as natives:
        native.plain(natives, ROWS[name])
    assert llmtrace.flush(10.0)
    (content,) = connect(home=home).sql("SELECT * FROM contents").to_pylist()
    asked, said = json.loads(content["input_messages"]), json.loads(content["output_messages"])
    assert asked[0]["role"] == "user"
    assert asked[0]["parts"][0]["content"]
    assert said[0]["role"] == "assistant"
    assert "".join(p["content"] for p in said[0]["parts"] if p["type"] == "text")


@pytest.mark.parametrize("name", [*PLAIN, *STREAMS])
def test_nothing_of_prompt_or_answer_is_kept_otherwise(name: str, home: Path, address: str) -> None:
    llmtrace.instrument(home=home)
    with Natives(address) as natives:
        native.plain(natives, ROWS[name])
    assert llmtrace.flush(10.0)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"water" not in kept
    assert b"pelicans" not in kept


@pytest.mark.parametrize("name", STREAMS)
def test_a_cancelled_task_is_one_row_that_was_given_up(name: str, home: Path, address: str) -> None:
    async def use() -> None:
        async with Natives(address, is_async=True) as natives:
            began = asyncio.Event()

            async def read() -> None:
                async for _ in await native.open_call_async(natives, ROWS[name]):
                    began.set()
                    await asyncio.sleep(30)

            task = asyncio.create_task(read())
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
            gc.collect()
            await asyncio.sleep(0.05)

    llmtrace.instrument(home=home)
    asyncio.run(use())
    call = one_call(home)
    assert (call["status"], call["usage_source"]) == ("cancelled", "estimated")


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_dropped_is_one_row(name: str, home: Path, address: str) -> None:
    llmtrace.instrument(home=home)
    with Natives(address) as natives:
        stream = iter(native.open_call(natives, ROWS[name]))
        next(stream)
        del stream
        gc.collect()
    assert one_call(home)["status"] == "cancelled"


@pytest.mark.parametrize("name", [*PLAIN, *STREAMS])
def test_without_instrument_the_sdks_have_their_own_functions_back(name: str, home: Path, address: str) -> None:
    before = own_functions()
    llmtrace.instrument(home=home)
    llmtrace.instrument(home=home)
    assert own_functions() != before
    llmtrace.uninstrument()
    assert own_functions() == before
    with Natives(address) as natives:
        native.plain(natives, ROWS[name])
    assert stored(home) == {}


def own_functions() -> list[Any]:
    from cohere.core import http_client
    from google.genai import _api_client
    from google.genai._gaos import basesdk as interactions
    from mistralai.client import basesdk

    return [
        *(vars(_api_client.BaseApiClient)[n] for n in ("_request", "_async_request", "_request_once")),
        *(vars(k)["do_request"] for k in (basesdk.BaseSDK, interactions.BaseSDK)),
        *(vars(k)["_request"] for k in (ollama.Client, ollama.AsyncClient)),
        *(vars(k)[n] for k in (http_client.HttpClient, http_client.AsyncHttpClient) for n in ("request", "stream")),
        http_client._retry_timeout,
    ]


@pytest.mark.parametrize("name", NAMES)
def test_only_the_named_sdks_are_recorded(name: str, home: Path, address: str) -> None:
    llmtrace.instrument(home=home, providers=[NAMES[name]])
    with Natives(address) as natives:
        for body in PLAIN:
            with llmtrace.feature(body):
                native.plain(natives, ROWS[body])
    assert list(stored(home)) == [f"{name}-plain"]


def test_no_sdk_is_imported_by_instrument_and_each_is_patched_when_it_is() -> None:
    code = """
import sys, llmtrace
llmtrace.instrument(home=sys.argv[1])
assert not {"google.genai", "mistralai", "cohere", "ollama", "httpx", "httpx2"} & set(sys.modules)
import cohere.core.http_client, google.genai, mistralai.client.basesdk, ollama
assert "llmtrace" in ollama.Client._request.__code__.co_filename
assert "llmtrace" in cohere.core.http_client.HttpClient.request.__code__.co_filename
assert "llmtrace" in google.genai._api_client.BaseApiClient._request.__code__.co_filename
assert "llmtrace" in mistralai.client.basesdk.BaseSDK.do_request.__code__.co_filename
"""
    home = str(Path(sys.prefix))  # nothing is written: no call is made
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, home], check=True, timeout=60)


@pytest.mark.expects_warning
def test_a_release_without_the_choke_point_is_said_once_and_works(
    home: Path, address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(quiet, "_last_logged_at", -1e9)
    renamed = google.genai._api_client.BaseApiClient._request
    monkeypatch.delattr(google.genai._api_client.BaseApiClient, "_request")
    monkeypatch.setattr(google.genai._api_client.BaseApiClient, "_request_of_tomorrow", renamed, raising=False)
    llmtrace.instrument(home=home)
    assert [r.getMessage() for r in caplog.records] == [
        "llmtrace does not know this release of google.genai: its calls are not recorded"
    ]
    with Natives(address) as natives:
        native.plain(natives, ROWS["cohere-plain"])
    assert one_call(home)["provider"] == "cohere"


@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_is_the_sdks_own_object(name: str, home: Path, address: str) -> None:
    with Natives(address) as natives:
        bare = native.open_call(natives, ROWS[name])
        list(bare)
        llmtrace.instrument(home=home)
        traced = native.open_call(natives, ROWS[name])
        list(traced)
    assert type(traced) is type(bare)


def test_cohere_objects_in_a_prompt_are_counted_where_the_stream_is_left(home: Path, address: str) -> None:
    llmtrace.instrument(home=home)
    with Natives(address) as natives:
        options = {"additional_headers": {"X-Row": "cohere-stream"}}
        message = cohere.UserChatMessageV2(content="x" * 4000)
        for _ in natives.cohere.chat_stream(model="command-r-08-2024", messages=[message], request_options=options):
            break
    assert one_call(home)["input_tokens"] >= 1000
