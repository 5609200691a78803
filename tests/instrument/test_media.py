"""Images and audio: one call each, billed by what their models tell or were asked for; files and media untouched."""

import asyncio
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import recorded_calls
from surface import each, entered, make_openai, settle

import llmtrace
from llmtrace.model import Call
from llmtrace.pricing import load_book, price_call
from llmtrace.simulator import Fault, Simulator

BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
SPOKEN = "The harbour lies still."


class Watched(io.BytesIO):
    """A file that notes how it is used."""

    def __init__(self) -> None:
        super().__init__(b"\0" * 3_000)
        self.name = "harbour.mp3"
        self.uses: list[str] = []

    def read(self, *arguments: Any) -> bytes:
        self.uses.append(f"read{arguments}")
        return super().read(*arguments)

    def seek(self, *arguments: Any) -> int:
        self.uses.append(f"seek{arguments}")
        return super().seek(*arguments)


def cost(call: Call) -> tuple[str, Decimal | None]:
    priced = price_call(load_book(), call)
    return priced.status, priced.total_usd


def run(simulator: Simulator, is_async: bool, body: Any, **options: Any) -> Any:
    async def go() -> Any:
        async with entered(make_openai(simulator, is_async, **options)) as client:
            return await body(client)

    return asyncio.run(go())


@BOTH
def test_each_kind_is_one_call_and_has_its_cost(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> None:
        await settle(client.images.generate(model="gpt-image-1", prompt="A harbour", quality="high"))
        await settle(client.images.edit(model="gpt-image-1", prompt="Night", image=Watched(), quality="low"))
        await settle(client.images.generate(model="dall-e-3", prompt="A harbour", size="1792x1024", quality="hd"))
        await settle(client.audio.speech.create(model="tts-1", voice="alloy", input=SPOKEN))
        await settle(client.audio.transcriptions.create(model="whisper-1", file=Watched()))
        await settle(client.audio.transcriptions.create(model="whisper-1", file=Watched(), response_format="vtt"))
        await settle(client.moderations.create(model="omni-moderation-latest", input="A harbour"))
        await settle(client.responses.input_tokens.count(model="gpt-5-mini", input="A harbour"))

    llmtrace.instrument(home=home)
    run(simulator, is_async, body)
    calls = recorded_calls(home)
    assert [(call.request.endpoint, *cost(call)) for call in calls] == [
        # (3 × 5.00 + 4160 × 40.00) / 1,000,000
        ("images.generations", "exact", Decimal("0.166415000000")),
        # (2 × 5.00 + 272 × 10.00 + 272 × 40.00) / 1,000,000
        ("images.edits", "exact", Decimal("0.013610000000")),
        ("images.generations", "exact", Decimal("0.120000000000")),
        # 23 characters × 15.00 / 1,000,000
        ("audio.speech", "exact", Decimal("0.000345000000")),
        # 3 s × 0.006 / 60
        ("audio.transcriptions", "exact", Decimal("0.000300000000")),
        ("audio.transcriptions", "unpriced", None),
        ("moderations", "exact", Decimal(0)),
        ("responses.input_tokens", "not_billed", Decimal(0)),
    ]
    assert all(call.status == "ok" and call.http_status == 200 for call in calls)


@BOTH
def test_what_is_streamed_tells_when_the_first_of_it_came(is_async: bool, simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> list[str]:
        pictures = await settle(client.images.generate(model="gpt-image-1", prompt="A", stream=True, partial_images=1))
        words = await settle(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=Watched(), stream=True))
        return [event.type for stream in (pictures, words) async for event in each(stream)]

    llmtrace.instrument(home=home)
    kinds = run(simulator, is_async, body)
    assert (kinds[:2], kinds[-1]) == (
        ["image_generation.partial_image", "image_generation.completed"],
        "transcript.text.done",
    )
    for call in recorded_calls(home):
        assert (call.request.stream, call.status, call.usage_source, cost(call)[0]) == (True, "ok", "provider", "exact")
        assert call.ttft_s is not None
        assert call.ttft_s <= call.duration_s


@BOTH
def test_speech_that_is_read_as_it_comes_is_untouched_and_a_call(
    is_async: bool, simulator: Simulator, home: Path
) -> None:
    async def body(client: Any) -> bytes:
        speech = client.audio.speech.with_streaming_response
        async with entered(speech.create(model="tts-1", voice="alloy", input=SPOKEN)) as response:
            return b"".join([piece async for piece in each(response.iter_bytes())])

    bare = run(simulator, is_async, body)
    llmtrace.instrument(home=home)
    assert run(simulator, is_async, body) == bare
    (call,) = recorded_calls(home)
    assert (call.response.usage, call.usage_source, call.status) == ({"input_characters": 23}, "missing", "ok")


def test_a_file_is_used_as_without_llmtrace(simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> list[str]:
        file = Watched()
        await settle(client.audio.transcriptions.create(model="whisper-1", file=file))
        return file.uses

    bare = run(simulator, False, body)
    llmtrace.instrument(home=home, capture_content=True)
    assert run(simulator, False, body) == bare


def test_no_media_is_kept_as_content(simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> None:
        await settle(client.images.generate(model="gpt-image-1", prompt="A harbour"))
        await settle(client.audio.speech.create(model="tts-1", voice="alloy", input=SPOKEN))
        await settle(client.audio.transcriptions.create(model="whisper-1", file=Watched()))

    llmtrace.instrument(home=home, capture_content=True)
    run(simulator, False, body)
    assert [call.content for call in recorded_calls(home)] == [None] * 3
    journal = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"iVBOR" not in journal
    assert b"ID3" not in journal


def test_what_was_refused_or_never_answered_is_not_billed_by_what_was_asked(simulator: Simulator, home: Path) -> None:
    async def body(client: Any) -> None:
        for fault in (Fault.status(400), Fault.reset()):
            simulator.fault(fault)
            with pytest.raises(Exception):  # noqa: B017 - of either kind
                await settle(client.audio.speech.create(model="tts-1", voice="alloy", input=SPOKEN))

    llmtrace.instrument(home=home)
    run(simulator, False, body, max_retries=0)
    refused, unknown = recorded_calls(home)
    assert cost(refused) == ("not_billed", Decimal(0))
    assert (cost(unknown), unknown.response.usage) == (("unpriced", None), None)
