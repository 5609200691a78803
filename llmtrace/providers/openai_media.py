"""OpenAI's images and audio: made, edited, spoken, transcribed and translated.

Newer models tell tokens, or seconds of audio. Speech and the older image models tell nothing: they are billed by the
characters of the request, or by its number, size and quality of images.

Sources: https://developers.openai.com/api/docs/guides/image-generation,
https://developers.openai.com/api/docs/guides/speech-to-text, https://developers.openai.com/api/docs/pricing
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import RawUsage, Response
from llmtrace.providers.amounts import as_count
from llmtrace.providers.base import Endpoint, as_float, as_list, as_mapping, as_text
from llmtrace.providers.openai_chat import read_error

OUTPUT_EVENTS = (".delta", ".partial_image", ".completed")
FINAL_EVENTS = (".completed", ".done")
# What an image that is billed by the piece is, where the request leaves it open.
IMAGE_DEFAULTS = {"n": 1, "size": "1024x1024"}


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the part of the request that is no file, has a value for."""
    return {"model": as_text(body.get("model")), "choice_count": as_count(body.get("n"))}


def read_audio_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same, of a request to transcribe or translate."""
    return {"model": as_text(body.get("model")), "temperature": as_float(body.get("temperature"))}


def spoken_units(body: Mapping[str, Any]) -> RawUsage | None:
    """What a request to speak is billed by where its answer, which is audio, tells nothing: its characters."""
    text = body.get("input")
    return {"input_characters": len(text)} if isinstance(text, str) else None


def image_units(body: Mapping[str, Any]) -> RawUsage | None:
    """What a request for images is billed by where its answer counts no tokens."""
    stated = {key: value for key in ("n", "size", "quality") if (value := body.get(key)) not in (None, "auto")}
    return {**IMAGE_DEFAULTS, **stated}


def read_images(body: Mapping[str, Any]) -> Response:
    """The answer in BODY: the images themselves are left alone, but for their number."""
    usage = dict(as_mapping(body.get("usage")))
    written = as_mapping(body.get("svg_usage"))
    if written:
        usage["svg_usage"] = written
    made = as_list(body.get("data"))
    if not usage and made:
        shape = {key: value for key in ("size", "quality") if (value := as_text(body.get(key))) is not None}
        usage = {"n": len(made), **shape}
    return Response(model=as_text(body.get("model")), usage=usage or None)


def read_audio(body: Mapping[str, Any]) -> Response:
    """The answer in BODY, or in the last event of a stream; without usage, the duration that is told."""
    usage = as_mapping(body.get("usage"))
    duration = as_float(body.get("duration"))
    if not usage and duration is not None:
        usage = {"duration": duration}
    return Response(usage=usage or None)


class MediaFold:
    """Gathers the events of images and audio that are streamed: the last one has the usage; what is made is let go."""

    __slots__ = ("_last", "complete", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self.complete = self.usage_complete = False
        self._last: Mapping[str, Any] = {}

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        kind = as_text(event.get("type")) or ""
        if kind == "error" or event.get("error"):
            self.error = read_error(event) or "error"
            return False
        # An event without a type is the whole answer in place of a stream.
        if kind.endswith(FINAL_EVENTS) or not kind:
            self._last = {key: event[key] for key in ("model", "usage", "svg_usage", "duration") if key in event}
            self.complete = True
            self.usage_complete = bool(event.get("usage"))
        return kind.endswith(OUTPUT_EVENTS)

    def response(self) -> Response:
        """The response as far as it got."""
        return read_images(self._last) if "duration" not in self._last else read_audio(self._last)


def _images(name: str, path: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation="generate_content",
        method="POST",
        matches=re.compile(path),
        read_request=read_request,
        read_response=read_images,
        new_fold=MediaFold,
        read_units=image_units,
        is_countable=False,
    )


def _transcripts(name: str, path: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation="transcription",
        method="POST",
        matches=re.compile(path),
        read_request=read_audio_request,
        read_response=read_audio,
        new_fold=MediaFold,
        is_countable=False,
    )


ENDPOINTS = (
    _images("images.generations", r"/images/generations$"),
    _images("images.edits", r"/images/edits$"),
    _images("images.variations", r"/images/variations$"),
    Endpoint(
        name="audio.speech",
        operation="generate_content",
        method="POST",
        matches=re.compile(r"/audio/speech$"),
        read_request=read_request,
        read_response=read_audio,
        new_fold=MediaFold,
        read_units=spoken_units,
        is_countable=False,
    ),
    _transcripts("audio.transcriptions", r"/audio/transcriptions$"),
    _transcripts("audio.translations", r"/audio/translations$"),
)
