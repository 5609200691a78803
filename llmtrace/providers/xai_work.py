"""What xAI offers to clients of OpenAI's SDK at paths of its own: speech, transcripts, deferred answers and searches.

Its videos are at OpenAI's paths. Speech names no model, and its answer is audio alone: it is billed by the characters
of the request.

Source: https://docs.x.ai/developers/rest-api-reference
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llmtrace.model import RawUsage, Request, Response
from llmtrace.providers import openai_chat
from llmtrace.providers.base import Endpoint, as_text
from llmtrace.providers.later import Work
from llmtrace.providers.openai_media import read_audio

DEFERRED = "chat.deferred"


def spoken_units(body: Mapping[str, Any]) -> RawUsage | None:
    """What a request to speak is billed by: its characters."""
    text = body.get("text")
    return {"input_characters": len(text)} if isinstance(text, str) else None


def name_deferred(request: Request, response: Response) -> Request:
    """REQUEST as one whose answer is fetched later, where RESPONSE is nothing but the id to fetch it by."""
    if request.provider != "x_ai" or request.endpoint != "chat.completions" or request.stream:
        return request
    is_answer = response.finish_reasons or response.usage is not None or response.model
    return request if response.id is None or is_answer else replace(request, endpoint=DEFERRED)


def _read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": as_text(body.get("model"))}


ENDPOINTS = (
    *Work(
        DEFERRED,
        "chat",
        (),
        (("GET", r"/chat/deferred-completion/(?P<id>[^/]+)$"),),
        _read_request,
        openai_chat.read_response,
    ).endpoints(),
    Endpoint(
        name="audio.speech",
        operation="generate_content",
        method="POST",
        matches=re.compile(r"/tts$"),
        read_request=_read_request,
        read_response=read_audio,
        read_units=spoken_units,
        is_countable=False,
    ),
    Endpoint(
        name="audio.transcriptions",
        operation="transcription",
        method="POST",
        matches=re.compile(r"/stt$"),
        read_request=_read_request,
        read_response=read_audio,
        is_countable=False,
    ),
    Endpoint(
        name="documents.search",
        operation="retrieval",
        method="POST",
        matches=re.compile(r"/documents/search$"),
        read_request=_read_request,
        read_response=lambda body: Response(),
        is_countable=False,
    ),
)
