"""What xAI offers at paths of its own, asked for with OpenAI's SDK: videos, speech, transcripts, deferred answers."""

from pathlib import Path
from typing import Any

import openai
import pytest
from conftest import recorded_calls
from instrument.xai_host import Answers, get, post, use
from openai import HttpxBinaryResponseContent as Audio
from replaying import stored
from surface import MESSAGES, settle

import llmtrace

BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
ID = "c84748c1-5ec7-9c62-b013-dc6e71a83de7"
MADE = {"url": "https://vidgen.x.ai/v.mp4", "duration": 2, "respect_moderation": True}
DONE = {"status": "done", "video": MADE, "model": "grok-imagine-video", "progress": 100}
TEXT = "The harbour lies still."
COMPLETION = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": 1,
    "model": "grok-4.20",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Boats."}}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}


@BOTH
@pytest.mark.parametrize("path", ["/videos/generations", "/videos/edits", "/videos/extensions"])
def test_a_video_costs_what_the_fetch_tells_where_it_was_asked_for(path: str, is_async: bool, home: Path) -> None:
    done = {**DONE, "usage": {"cost_in_usd_ticks": 1_000_000_000}}
    answers: Answers = {
        path: [(200, {"request_id": ID})],
        f"/videos/{ID}": [(202, {"status": "pending", "progress": 1}), (200, done), (200, done)],
    }

    async def body(client: Any) -> Any:
        with llmtrace.feature("trailer"):
            asked = await post(client, path, model="grok-imagine-video", prompt="A harbour", duration=2)
        for _ in range(3):
            video = await get(client, f"/videos/{asked['request_id']}")
        return video

    llmtrace.instrument(home=home)
    assert use(answers, is_async, body) == done
    rows = stored(home)
    (made,), fetches = rows["trailer"], rows[None]
    assert (made["endpoint"], made["operation"], made["provider"]) == ("videos", "generate_content", "x_ai")
    assert (made["request_model"], made["response_model"]) == ("grok-imagine-video", "grok-imagine-video")
    assert (str(made["cost_usd"]), made["cost_status"]) == ("0.100000000000", "provider_reported")
    assert len(fetches) == 3
    assert {(f["cost_status"], f["duplicate_of"]) for f in fetches} == {("not_billed", made["span_id"])}


def test_a_video_without_its_cost_keeps_its_seconds_and_has_no_price(home: Path) -> None:
    answers: Answers = {"/videos/generations": [(200, {"request_id": ID})], f"/videos/{ID}": [(200, DONE)]}

    async def body(client: Any) -> None:
        await post(client, "/videos/generations", model="grok-imagine-video", prompt="A harbour")
        await get(client, f"/videos/{ID}")

    llmtrace.instrument(home=home)
    use(answers, False, body)
    (made,) = (row for row in stored(home)[None] if row["endpoint"] == "videos")
    assert (made["cost_usd"], made["cost_status"]) == (None, "unpriced")
    assert "grok-imagine-video" in made["cost_reason"]
    assert recorded_calls(home)[-1].response.usage == {"seconds": 2.0}


def test_a_video_that_nobody_fetched_or_that_failed_has_no_usage(home: Path) -> None:
    failed = {"status": "failed", "error": {"code": "invalid_argument", "message": "no"}}
    answers: Answers = {
        "/videos/generations": [(200, {"request_id": ID}), (200, {"request_id": "other"})],
        f"/videos/{ID}": [(200, failed)],
    }

    async def body(client: Any) -> None:
        for _ in range(2):
            await post(client, "/videos/generations", model="grok-imagine-video", prompt="A harbour")
        await get(client, f"/videos/{ID}")
        with pytest.raises(openai.NotFoundError):
            await get(client, "/videos/other")

    llmtrace.instrument(home=home)
    use(answers, False, body)
    rows = stored(home)[None]
    for made in (row for row in rows if row["endpoint"] == "videos"):
        assert (made["cost_usd"], made["cost_status"], made["usage_source"]) == (None, "unpriced", "missing")
        assert made["cost_reason"] == "what it started tells its usage when it is fetched later"
    (refused, told) = sorted((r for r in rows if r["endpoint"] == "videos.retrieve"), key=lambda r: r["error_type"])
    assert (told["error_type"], refused["status"]) == ("invalid_argument", "error")


@BOTH
def test_speech_is_counted_by_its_characters_and_left_without_a_price(is_async: bool, home: Path) -> None:
    async def body(client: Any) -> Any:
        return await settle(client.post("/tts", body={"text": TEXT, "language": "en"}, cast_to=Audio))

    llmtrace.instrument(home=home)
    said = use({"/tts": [(200, b"\xff\xf3audio")]}, is_async, body)
    assert said.content == b"\xff\xf3audio"
    (call,), (row,) = recorded_calls(home), stored(home)[None]
    assert (row["endpoint"], row["operation"], row["provider"]) == ("audio.speech", "generate_content", "x_ai")
    assert (call.response.usage, call.usage_source) == ({"input_characters": len(TEXT)}, "missing")
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
    assert row["cost_reason"].startswith("no price for model text-to-speech: its page told 4.20 USD")
    assert row["request_model"] is None


def test_speech_has_the_price_that_is_stated_for_it(home: Path) -> None:
    home.mkdir()
    (home / "prices.yaml").write_text(
        """
rates:
  - provider: x_ai
    model: text-to-speech
    valid_from: 2026-01-01
    others: unpriced
    usd:
      characters: {rate: "15", per: 1000000, unit: character}
""",
    )

    async def body(client: Any) -> None:
        client.post("/tts", body={"text": TEXT * 100, "language": "en"}, cast_to=Audio)

    llmtrace.instrument(home=home)
    use({"/tts": [(200, b"audio")]}, False, body)
    (row,) = stored(home)[None]
    # 2,300 × 15 / 1,000,000
    assert (str(row["cost_usd"]), row["cost_status"]) == ("0.034500000000", "exact")


def test_speech_that_was_refused_has_no_characters(home: Path) -> None:
    async def body(client: Any) -> None:
        with pytest.raises(openai.BadRequestError):
            await post(client, "/tts", text=TEXT, language="xx")

    llmtrace.instrument(home=home)
    use({"/tts": [(400, {"error": "no such language"})]}, False, body)
    (call,), (row,) = recorded_calls(home), stored(home)[None]
    assert (call.status, call.response.usage, row["cost_status"]) == ("error", None, "not_billed")


def test_a_transcript_is_counted_by_its_seconds(home: Path) -> None:
    heard = {"text": TEXT, "language": "en", "duration": 3.4, "words": []}

    async def body(client: Any) -> Any:
        options: Any = {"headers": {"Content-Type": "multipart/form-data"}}
        return client.post("/stt", files={"file": ("a.mp3", b"\0" * 100)}, options=options, cast_to=object)

    llmtrace.instrument(home=home)
    assert use({"/stt": [(200, heard)]}, False, body) == heard
    (call,), (row,) = recorded_calls(home), stored(home)[None]
    assert (row["endpoint"], row["operation"]) == ("audio.transcriptions", "transcription")
    assert (call.response.usage, row["cost_status"]) == ({"duration": 3.4}, "unpriced")


@BOTH
def test_a_deferred_answer_is_billed_once_where_it_was_asked_for(is_async: bool, home: Path) -> None:
    answers: Answers = {
        "/chat/completions": [(200, {"request_id": ID})],
        f"/chat/deferred-completion/{ID}": [(202, {}), (200, COMPLETION)],
    }

    async def body(client: Any) -> Any:
        with llmtrace.feature("later"):
            extra = {"deferred": True}
            await settle(client.chat.completions.create(model="grok-4.20", messages=MESSAGES, extra_body=extra))
        for _ in range(2):
            answer = await get(client, f"/chat/deferred-completion/{ID}")
        return answer

    llmtrace.instrument(home=home)
    assert use(answers, is_async, body) == COMPLETION
    rows = stored(home)
    (made,), fetches = rows["later"], rows[None]
    assert (made["endpoint"], made["operation"]) == ("chat.deferred", "chat")
    assert (made["input_tokens"], made["output_tokens"]) == (1000, 100)
    # (1,000 × 1.25 + 100 × 2.50) / 1,000,000
    assert (str(made["cost_usd"]), made["cost_status"]) == ("0.001500000000", "exact")
    assert {(f["cost_status"], f["duplicate_of"]) for f in fetches} == {("not_billed", made["span_id"])}


def test_a_search_of_documents_is_a_call_without_a_price(home: Path) -> None:
    async def body(client: Any) -> None:
        await post(client, "/documents/search", query="harbours", source={"collection_ids": ["c"]})

    llmtrace.instrument(home=home)
    use({"/documents/search": [(200, {"matches": []})]}, False, body)
    (row,) = stored(home)[None]
    assert (row["operation"], row["endpoint"]) == ("retrieval", "documents.search")
    assert (row["cost_usd"], row["cost_status"]) == (None, "unpriced")
