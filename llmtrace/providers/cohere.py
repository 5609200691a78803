"""Cohere: chat in both versions of its API, embeddings, and ranking.

Sources: https://docs.cohere.com/reference/chat, https://docs.cohere.com/v1/reference/chat
"""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers import cohere_usage
from llmtrace.providers.base import (
    Endpoint,
    Family,
    as_float,
    as_int,
    as_list,
    as_mapping,
    as_text,
    as_texts,
    message_texts,
)
from llmtrace.providers.cohere_content import read_content

KEPT_TEXT_CHARACTERS = 32_768
# Where a delta of the second version's stream has its text.
DELTA_TEXTS = ("text", "thinking", "arguments")
SPEAKING = frozenset({"content-delta", "tool-plan-delta", "tool-call-delta", "tool-call-start"})
SPEAKING_V1 = frozenset({"text-generation", "tool-calls-chunk", "tool-calls-generation"})


def find_provider_name(host: str | None, client: str) -> str:
    """Who answers: CLIENT, where it names another cloud."""
    return client or "cohere"


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    is_json = str(as_mapping(body.get("response_format")).get("type")) == "json_object"
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(body.get("max_tokens")),
        "temperature": as_float(body.get("temperature")),
        "top_p": as_float(body.get("p")),
        "top_k": as_int(body.get("k")),
        "frequency_penalty": as_float(body.get("frequency_penalty")),
        "presence_penalty": as_float(body.get("presence_penalty")),
        "seed": as_int(body.get("seed")),
        "stop_sequences": as_texts(body.get("stop_sequences")),
        "output_type": "json" if is_json else None,
        "dimensions": as_int(body.get("output_dimension")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of the prompt in BODY, by reference: what an estimate counts where the count does not arrive."""
    history = [m for e in as_list(body.get("chat_history")) if (m := as_text(as_mapping(e).get("message")))]
    single = [t for name in ("preamble", "message", "prompt") if (t := as_text(body.get(name)))]
    return [*single, *history, *message_texts(body.get("messages"))]


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: `usage` counts in the second version of the API, `meta` in the first and beside chat."""
    reason = as_text(body.get("finish_reason"))
    meta = as_mapping(body.get("usage")) or as_mapping(body.get("meta"))
    usage = {name: meta[name] for name in ("billed_units", "tokens", "cached_tokens") if meta.get(name) is not None}
    return Response(
        id=as_text(body.get("id")) or as_text(body.get("response_id")) or as_text(body.get("generation_id")),
        finish_reasons=(reason,) if reason else None,
        usage=usage or None,
    )


def read_error(body: Mapping[str, Any]) -> str | None:
    """Nothing: an error has a text and no name."""
    return None


class ChatFold:
    """Gathers the events of a streamed chat, of either version of the API."""

    __slots__ = ("_id", "_kept", "_last", "error", "text_parts")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self._id: str | None = None
        self._last: Mapping[str, Any] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        kind = as_text(event.get("type")) or as_text(event.get("event_type"))
        self._id = self._id or as_text(event.get("id")) or as_text(event.get("generation_id"))
        delta = as_mapping(event.get("delta"))
        if kind == "message-end":
            self._last = delta
            self.error = "error" if delta.get("finish_reason") in ("ERROR", "TIMEOUT") else self.error
        elif kind == "stream-end":
            # The whole answer; the reason to stop stands beside it.
            self._last = {"finish_reason": event.get("finish_reason"), **as_mapping(event.get("response"))}
        elif kind in SPEAKING:
            return self._speak(as_mapping(delta.get("message")))
        elif kind in SPEAKING_V1:
            self._keep(event.get("text"))
            return True
        return False

    def _speak(self, message: Mapping[str, Any]) -> bool:
        self._keep(message.get("tool_plan"))
        content, call = as_mapping(message.get("content")), as_mapping(message.get("tool_calls"))
        for holder in (content, as_mapping(call.get("function"))):
            for name in DELTA_TEXTS:
                self._keep(holder.get(name))
        return bool(content or call or message.get("tool_plan"))

    def _keep(self, text: Any) -> None:
        if isinstance(text, str) and self._kept < KEPT_TEXT_CHARACTERS:
            self.text_parts.append(text)
            self._kept += len(text)

    def response(self) -> Response:
        """The response as far as it got."""
        last = read_response(self._last)
        return Response(id=last.id or self._id, finish_reasons=last.finish_reasons, usage=last.usage)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return bool(self._last)

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived: with the end."""
        return read_response(self._last).usage is not None


def _endpoint(name: str, operation: str, path: str, **others: Any) -> Endpoint:
    return Endpoint(
        name=name,
        operation=operation,
        method="POST",
        matches=re.compile(path),
        read_request=read_request,
        read_response=read_response,
        **others,
    )


USAGE = cohere_usage.FAMILY
FAMILY = Family(
    sdk="cohere",
    providers=frozenset({"cohere"}),
    endpoints=(
        _endpoint("chat", "chat", r"/chat$", new_fold=ChatFold, prompt_texts=prompt_texts, read_content=read_content),
        _endpoint("generate", "text_completion", r"/generate$", new_fold=ChatFold, prompt_texts=prompt_texts),
        _endpoint("embeddings", "embeddings", r"/embed$"),
        _endpoint("rerank", "retrieval", r"/rerank$"),
        _endpoint("classify", "generate_content", r"/classify$"),
        _endpoint("summarize", "generate_content", r"/summarize$"),
        _endpoint("parse", "generate_content", r"/v2/parse$"),
    ),
    find_provider_name=find_provider_name,
    read_error=read_error,
    read_rate_limits=lambda headers: {},
    normalise=USAGE.normalise,
    denormalise=USAGE.denormalise,
    bill=USAGE.bill,
    request_id_header="x-debug-trace-id",
)
