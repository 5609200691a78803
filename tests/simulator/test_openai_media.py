"""The real OpenAI SDK's images, audio and moderation against the simulator."""

import base64
from typing import Any

import openai
import pytest
from openai import OpenAI

from llmtrace.simulator import Fault, Simulator

FILE = ("harbour.mp3", b"\0" * 3_000)


def test_an_image_has_tokens_by_its_quality(gpt: OpenAI, sim: Simulator) -> None:
    made = gpt.images.generate(model="gpt-image-1", prompt="A harbour", quality="high", n=2)
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens) == (3, 8320)
    assert len(made.data or ()) == 2
    assert base64.b64decode((made.data or [])[0].b64_json or "").startswith(b"\x89PNG")
    assert sim.requests[-1].usage == made.usage.to_dict()


def test_an_edit_counts_the_image_that_was_sent(gpt: OpenAI) -> None:
    made = gpt.images.edit(model="gpt-image-1", prompt="Night", image=("a.png", b"x"))
    assert made.usage is not None
    assert made.usage.input_tokens_details.image_tokens == 272


def test_an_older_model_tells_no_tokens(gpt: OpenAI) -> None:
    assert gpt.images.generate(model="dall-e-3", prompt="A harbour").usage is None


def test_an_image_is_streamed_in_parts_and_its_usage_comes_last(gpt: OpenAI, sim: Simulator) -> None:
    events = list(gpt.images.generate(model="gpt-image-1", prompt="A", stream=True, partial_images=2))
    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image", "partial_image", "completed"]
    last: Any = events[-1]
    assert last.usage.to_dict() == sim.requests[-1].usage
    assert sim.requests[-1].usage_delivered
    sim.fault(Fault.no_usage())
    *_, last = gpt.images.generate(model="gpt-image-1", prompt="A", stream=True)
    assert "usage" not in last.model_fields_set


def test_speech_is_sound(gpt: OpenAI) -> None:
    assert gpt.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content.startswith(b"ID3")


def test_a_transcript_is_told_by_the_second_or_by_tokens(gpt: OpenAI) -> None:
    seconds = gpt.audio.transcriptions.create(model="whisper-1", file=FILE)
    assert seconds.usage is not None
    assert seconds.usage.to_dict() == {"type": "duration", "seconds": 3}
    tokens: Any = gpt.audio.transcriptions.create(model="gpt-4o-transcribe", file=FILE).usage
    assert (tokens.type, tokens.input_tokens) == ("tokens", 30)
    assert gpt.audio.transcriptions.create(model="whisper-1", file=FILE, response_format="srt").endswith("\n")
    detail = gpt.audio.transcriptions.create(model="whisper-1", file=FILE, response_format="verbose_json")
    assert detail.duration == 3.0


def test_a_transcript_is_streamed_in_words(gpt: OpenAI) -> None:
    events = list(gpt.audio.transcriptions.create(model="gpt-4o-transcribe", file=FILE, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * 4 + ["transcript.text.done"]


def test_moderation_answers_for_each_input(gpt: OpenAI) -> None:
    assert not gpt.moderations.create(input=["a", "b"]).results[1].flagged


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/images/generations", {"model": "gpt-image-1"}),
        ("/images/generations", {"prompt": "A"}),
        ("/images/generations", {"model": "gpt-image-1", "prompt": "A", "n": "many"}),
        ("/audio/speech", {"model": "tts-1", "voice": "alloy"}),
        ("/audio/transcriptions", {"model": "whisper-1"}),
        ("/moderations", {"model": "omni-moderation-latest"}),
    ],
    ids=str,
)
def test_what_lacks_something_is_refused(path: str, body: dict[str, Any], gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        gpt.post(path, cast_to=object, body=body)
