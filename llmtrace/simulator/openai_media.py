"""OpenAI's images, speech and transcripts: as small as can be, with the usage that their models tell.

Sources: https://platform.openai.com/docs/api-reference/images, https://platform.openai.com/docs/api-reference/audio
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from llmtrace.simulator.openai_api import OpenAIProtocol
from llmtrace.simulator.openai_errors import INVALID, refuse_model, refuse_unauthorized
from llmtrace.simulator.openai_stream import write_data
from llmtrace.simulator.protocol import JSON, Asked, Event, Problem, Reply, Request, is_count
from llmtrace.simulator.text import count_tokens

# Models of these names are billed by the piece, or by the second, and tell no tokens.
BY_THE_PIECE = ("dall-e",)
BY_THE_SECOND = ("whisper",)
IMAGE_TOKENS = {"low": 272, "medium": 1056, "high": 4160}
PICTURE = b64encode(b"\x89PNG\r\n\x1a\n").decode()
SOUND = b"ID3\x04\x00\x00\x00\x00\x00\x00"
BYTES_PER_SECOND = 1_000


class Images(OpenAIProtocol):
    """Makes and edits images, each of which is the same few bytes."""

    suffixes: ClassVar[tuple[str, ...]] = ("/images/generations", "/images/edits", "/images/variations")
    speaks = False

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        return refuse_unauthorized(asked.headers) or refuse_model(asked.body) or _refuse_prompt(asked)

    def reply(self, request: Request) -> Reply:
        """So many images as were asked for; newer models tell their tokens."""
        number = int(request.body.get("n") or 1)
        reply: JSON = {"created": request.created, "data": [{"b64_json": PICTURE} for _ in range(number)]}
        if request.model.startswith(BY_THE_PIECE):
            return Reply(reply)
        text = count_tokens(str(request.body.get("prompt", "")))
        seen = sum(isinstance(value, Mapping) for value in request.body.values()) * IMAGE_TOKENS["low"]
        made = IMAGE_TOKENS.get(str(request.body.get("quality")), IMAGE_TOKENS["medium"]) * number
        usage = {
            "input_tokens": text + seen,
            "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
            "output_tokens": made,
            "total_tokens": text + seen + made,
        }
        return Reply({**reply, "usage": usage}, usage, text + seen, made)

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The partial images that were asked for, and the whole."""
        kind = "image_edit" if request.asked.path.endswith("/edits") else "image_generation"
        shared = {"b64_json": PICTURE, "created_at": request.created, "size": "1024x1024", "quality": "medium"}
        shared |= {"background": "opaque", "output_format": "png"}
        events = [
            {"type": f"{kind}.partial_image", "partial_image_index": index, **shared}
            for index in range(int(request.body.get("partial_images") or 0))
        ]
        told = {} if omits_usage or reply.usage is None else {"usage": dict(reply.usage)}
        events.append({"type": f"{kind}.completed", **shared, **told})
        return [Event(_named(event), "usage" in event) for event in events]


class Speech(OpenAIProtocol):
    """Speaks a text, in a few bytes that say nothing."""

    suffixes: ClassVar[tuple[str, ...]] = ("/audio/speech",)
    speaks = False
    streams = False

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers) or refuse_model(asked.body):
            return problem
        text = asked.fields.get("input")
        return None if isinstance(text, str) and text else Problem(400, INVALID, "Missing required parameter: 'input'.")

    def reply(self, request: Request) -> Reply:
        """The sound; it tells no usage."""
        return Reply({}, raw=SOUND * 64, content_type="audio/mpeg")


class Transcripts(OpenAIProtocol):
    """Writes down, or translates, what was said: its length is the file's."""

    suffixes: ClassVar[tuple[str, ...]] = ("/audio/transcriptions", "/audio/translations")

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers) or refuse_model(asked.body):
            return problem
        has_file = isinstance(asked.fields.get("file"), Mapping)
        return None if has_file else Problem(400, INVALID, "'file' is a required property", None, "file")

    def reply(self, request: Request) -> Reply:
        """The text, and what is billed for it where the format has a place to tell it."""
        text = request.answer.text if request.answer is not None and request.answer.text else "The harbour lies still."
        wanted = request.body.get("response_format", "json")
        if wanted in ("text", "srt", "vtt"):
            return Reply({}, raw=f"{text}\n".encode(), content_type="text/plain; charset=utf-8")
        seconds = max(1, round(len(request.body["file"]["content"]) / BYTES_PER_SECOND))
        usage = _heard(request.model, seconds, count_tokens(text))
        detail = {"task": "transcribe", "language": "english", "duration": float(seconds), "segments": []}
        reply = {"text": text, "usage": usage, **(detail if wanted == "verbose_json" else {})}
        return Reply(reply, usage, usage.get("input_tokens", 0), usage.get("output_tokens", 0))

    def events(self, request: Request, reply: Reply, *, omits_usage: bool) -> list[Event]:
        """The words, one by one, and the whole with its usage."""
        words = [{"type": "transcript.text.delta", "delta": f"{word} "} for word in reply.body["text"].split()]
        told = {} if omits_usage else {"usage": dict(reply.usage or {})}
        done = {"type": "transcript.text.done", "text": reply.body["text"], **told}
        return [Event(_named(event), "usage" in event) for event in (*words, done)]


class Moderations(OpenAIProtocol):
    """Finds nothing to object to, free of charge."""

    suffixes: ClassVar[tuple[str, ...]] = ("/moderations",)
    speaks = False
    streams = False

    def refuse(self, asked: Asked) -> Problem | None:
        """Why a request is not answered, if so."""
        if problem := refuse_unauthorized(asked.headers):
            return problem
        return None if asked.fields.get("input") else Problem(400, INVALID, "Missing required parameter: 'input'.")

    def reply(self, request: Request) -> Reply:
        """One result for each input."""
        given = request.body["input"]
        results = [{"flagged": False, "categories": {}, "category_scores": {}}] * (
            len(given) if isinstance(given, list) else 1
        )
        model = request.body.get("model") or "omni-moderation-latest"
        return Reply({"id": request.draw_id("modr-", 24), "model": model, "results": results})


def make_media() -> tuple[OpenAIProtocol, ...]:
    """The endpoints of this file."""
    return Images(), Speech(), Transcripts(), Moderations()


def _refuse_prompt(asked: Asked) -> Problem | None:
    number = asked.fields.get("n")
    if number is not None and not (is_count(number) or str(number).isdigit()):
        return Problem(400, INVALID, "Invalid type for 'n'.", "invalid_type", "n")
    if asked.path.endswith("/variations") or asked.fields.get("prompt"):
        return None
    return Problem(400, INVALID, "Missing required parameter: 'prompt'.", "missing_required_parameter", "prompt")


def _heard(model: str, seconds: int, tokens: int) -> dict[str, Any]:
    if model.startswith(BY_THE_SECOND):
        return {"type": "duration", "seconds": seconds}
    heard = seconds * 10
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": tokens,
        "total_tokens": heard + tokens,
    }


def _named(event: JSON) -> bytes:
    return f"event: {event['type']}\n".encode() + write_data(event)
