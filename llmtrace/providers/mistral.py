"""Mistral: chat and code completions in OpenAI's shape, agents' conversations, embeddings and documents.

Source: https://docs.mistral.ai/api
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers import mistral_conversations, mistral_usage, openai_chat, openai_responses
from llmtrace.providers.base import Endpoint, Family, as_int, as_list, as_mapping, as_text, as_texts
from llmtrace.providers.openai_chat import ChatFold
from llmtrace.providers.openai_content import read_chat_content

# The SDK's packages for other clouds, by a part of their module's name.
CLOUDS = (("azure.", "azure.ai.inference"), ("gcp.", "gcp.vertex_ai"))


def find_provider_name(host: str | None, client: str) -> str:
    """Who answers the CLIENT, named by its module."""
    return next((provider for part, provider in CLOUDS if part in client), "mistral_ai")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    return {
        **openai_chat.read_request(body),
        "model": as_text(body.get("model")) or as_text(body.get("agent_id")),
        "seed": as_int(body.get("random_seed")),
    }


def read_error(body: Mapping[str, Any]) -> str | None:
    """The provider's own name for what went wrong: its type, or else its code."""
    error = as_mapping(body.get("error")) or body
    code = error.get("code")
    return as_text(error.get("type")) or as_text(code) or (str(code) if as_int(code) else None)


def read_rate_limits(headers: Mapping[str, str]) -> dict[str, float]:
    """Limits of the minute from `x-ratelimit-{limit,remaining}-{req,tokens}-minute`."""
    limits: dict[str, float] = {}
    for unit, word in (("requests", "req"), ("tokens", "tokens")):
        for kind in ("limit", "remaining"):
            text = headers.get(f"x-ratelimit-{kind}-{word}-minute")
            if text is not None and text.isdigit():
                limits[f"{unit}.{kind}"] = float(text)
    return limits


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: a whole completion, or embeddings."""
    return openai_chat.read_response(body)


class MistralFold(ChatFold):
    """Gathers the chunks of a completion, whose content may be a list of parts: thoughts, and then text."""

    __slots__ = ()

    def _keep(self, text: Any) -> None:
        if isinstance(text, str):
            super()._keep(text)
            return
        for part in map(as_mapping, as_list(text)):
            self._keep(part.get("text") or part.get("thinking"))


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of messages, or of the prompt and suffix of code, in BODY: what an estimate counts."""
    code = (*(as_texts(body.get("prompt")) or ()), *(as_texts(body.get("suffix")) or ()))
    return [*openai_chat.prompt_texts(body), *code]


def read_pages(body: Mapping[str, Any]) -> Response:
    """The response in BODY, a document that was read: priced by the page."""
    return Response(
        model=as_text(body.get("model")),
        error=openai_chat.read_failure(body),
        usage=as_mapping(body.get("usage_info")) or None,
    )


def _endpoint(name: str, operation: str, path: str, **others: Any) -> Endpoint:
    readers: dict[str, Any] = {"read_request": read_request, "read_response": read_response, **others}
    return Endpoint(name=name, operation=operation, method="POST", matches=re.compile(path), **readers)


_STREAMED: dict[str, Any] = {"new_fold": MistralFold, "prompt_texts": prompt_texts}
_SPOKEN: dict[str, Any] = {**_STREAMED, "read_content": read_chat_content}

ENDPOINTS = (
    _endpoint("fim.completions", "text_completion", r"/fim/completions$", **_SPOKEN),
    _endpoint("agents.completions", "chat", r"/agents/completions$", **_SPOKEN),
    # Vertex AI's paths name the model and what is done with it.
    _endpoint("chat.completions", "chat", r"/chat/completions$|:(?:r|streamR)awPredict$", **_SPOKEN),
    _endpoint(
        "embeddings",
        "embeddings",
        r"/embeddings$",
        read_request=lambda body: {
            "model": as_text(body.get("model")),
            "dimensions": as_int(body.get("output_dimension")),
        },
    ),
    _endpoint("ocr", "generate_content", r"/ocr$", read_response=read_pages),
    _endpoint("audio.transcriptions", "generate_content", r"/audio/transcriptions$", **_STREAMED),
    *mistral_conversations.ENDPOINTS,
    *(e for e in openai_responses.ENDPOINTS if e.name == "responses" and e.method == "POST"),
)

USAGE = mistral_usage.FAMILY
FAMILY = Family(
    sdk="mistralai",
    providers=frozenset({"mistral_ai"}),
    endpoints=ENDPOINTS,
    find_provider_name=find_provider_name,
    read_error=read_error,
    read_rate_limits=read_rate_limits,
    normalise=USAGE.normalise,
    denormalise=USAGE.denormalise,
    bill=USAGE.bill,
    request_id_header="mistral-correlation-id",
)
