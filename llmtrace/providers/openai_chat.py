"""OpenAI's chat completions, and the older text completions beside them."""

import re
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, as_float, as_int, as_list, as_mapping, as_text, as_texts, message_texts
from llmtrace.providers.openai_content import read_chat_content, read_completion_content

KEPT_TEXT_CHARACTERS = 32_768
# Where a delta has text; the reasoning is others', who call it one or the other.
SPOKEN = ("content", "text", "refusal", "reasoning_content", "reasoning")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    choices = as_int(body.get("n"))
    max_tokens = as_int(body.get("max_completion_tokens"))
    return {
        "model": as_text(body.get("model")),
        "max_tokens": max_tokens if max_tokens is not None else as_int(body.get("max_tokens")),
        "temperature": as_float(body.get("temperature")),
        "top_p": as_float(body.get("top_p")),
        "frequency_penalty": as_float(body.get("frequency_penalty")),
        "presence_penalty": as_float(body.get("presence_penalty")),
        "seed": as_int(body.get("seed")),
        "choice_count": choices if choices != 1 else None,
        "stop_sequences": as_texts(body.get("stop")),
        "output_type": _output_type(body.get("response_format")),
        "reasoning_level": as_text(body.get("reasoning_effort")),
        "service_tier": as_text(body.get("service_tier")),
        "cache_ttl": as_text(as_mapping(body.get("prompt_cache_options")).get("ttl")),
    }


def read_error(body: Mapping[str, Any]) -> str | None:
    """The provider's own name for what went wrong: its code, or else its type.

    The code tells `rate_limit_exceeded` from `insufficient_quota`, which share a status.
    """
    error = as_mapping(body.get("error")) or body
    code = error.get("code")
    return as_text(code) or as_text(error.get("type")) or (str(code) if as_int(code) else None)


def read_failure(body: Mapping[str, Any]) -> str | None:
    """The name of the error that a gateway put into BODY, an answer or an event whose HTTP status is 200."""
    error = body.get("error")
    return (read_error(as_mapping(error)) or "error") if error else None


def _output_type(response_format: Any) -> str | None:
    kind = as_mapping(response_format).get("type")
    return {"json_object": "json", "json_schema": "json", "text": "text"}.get(kind) if isinstance(kind, str) else None


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: a whole completion, or embeddings, which have no choices."""
    reasons = [as_text(as_mapping(c).get("finish_reason")) for c in as_list(body.get("choices"))]
    return Response(
        id=as_text(body.get("id")) or as_text(body.get("request_id")),  # the latter where xAI answers later
        model=as_text(body.get("model")),
        finish_reasons=tuple(r or "error" for r in reasons) or None,
        service_tier=as_text(body.get("service_tier")),
        system_fingerprint=as_text(body.get("system_fingerprint")),
        error=read_failure(body),
        usage=as_mapping(body.get("usage")) or None,
    )


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of the messages in BODY, by reference: what an estimate counts where no usage arrives."""
    return message_texts(body.get("messages"))


def _index(choice: Mapping[str, Any]) -> int | None:
    index = choice.get("index")
    return index if type(index) is int else None


class ChatFold:
    """Gathers the chunks of a streamed completion, of chat or of text."""

    __slots__ = (
        "_counted_alone",
        "_counted_late",
        "_finish",
        "_kept",
        "_last",
        "_model",
        "_seen",
        "_tier",
        "error",
        "text_parts",
        "usage",
    )

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self.error: str | None = None
        self._counted_alone = self._counted_late = False
        self._seen: set[int] = set()
        self._finish: dict[int, str] = {}
        self._last: Mapping[str, Any] = {}
        self._model: str | None = None
        self._tier: str | None = None
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a chunk; True when it carried output of the model."""
        # Nearly every chunk is a piece of text and nothing else. What is looked at here is paid for at every one.
        try:
            (choice,) = event["choices"]
            text = choice["delta"]["content"]
            is_text = text.__class__ is str and text and choice["index"] in self._seen
            if is_text and not choice.get("finish_reason") and not event.get("usage") and "error" not in event:
                if self._kept < KEPT_TEXT_CHARACTERS:
                    self.text_parts.append(text)
                    self._kept += len(text)
                return True
        except Exception:  # it has another form
            pass
        return self._add(event)

    def _add(self, event: Mapping[str, Any]) -> bool:
        self.error = self.error or read_failure(event)
        self._last = event if event.get("id") or not self._last else self._last
        self._model = as_text(event.get("model")) or self._model
        self._tier = as_text(event.get("service_tier")) or self._tier
        usage = as_mapping(event.get("usage")) or as_mapping(as_mapping(event.get("x_groq")).get("usage"))
        choices = as_list(event.get("choices"))
        if usage:
            self._counted_late = self._counted_late or (self.usage is None and bool(self._seen))
            self._counted_alone = not choices
            self.usage = usage
        spoke = False
        for choice in choices:
            spoke = self._add_choice(as_mapping(choice)) or spoke
        return spoke

    def _add_choice(self, choice: Mapping[str, Any]) -> bool:
        index, reason = _index(choice) or 0, as_text(choice.get("finish_reason"))
        self._seen.add(index)
        if reason:
            self._finish[index] = reason
        delta = as_mapping(choice.get("delta") or choice.get("message") or choice)
        text = next((t for name in SPOKEN if (t := delta.get(name))), None)
        if text:
            self._keep(text)
            return True
        if delta.get("tool_calls") or delta.get("function_call") or delta.get("audio"):
            functions = [as_mapping(t).get("function") for t in as_list(delta.get("tool_calls"))]
            for function in (*functions, delta.get("function_call")):
                self._keep(as_mapping(function).get("arguments"))
            return True
        return False

    def _keep(self, text: Any) -> None:
        if isinstance(text, str) and self._kept < KEPT_TEXT_CHARACTERS:
            self.text_parts.append(text)
            self._kept += len(text)

    def response(self) -> Response:
        """The response as far as it got."""
        return Response(
            id=as_text(self._last.get("id")),
            model=as_text(self._last.get("model")) or self._model,
            finish_reasons=tuple(self._finish[i] for i in sorted(self._finish)) or None,
            service_tier=self._tier,
            system_fingerprint=as_text(self._last.get("system_fingerprint")),
            usage=self.usage,
        )

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return bool(self._finish)

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's final count arrived: in a chunk of its own, after others, or when all finished.

        Some servers count in every chunk, from the first, what came so far.
        """
        if self.usage is None:
            return False
        return self._counted_alone or self._counted_late or (bool(self._seen) and self._seen <= self._finish.keys())


ENDPOINTS = (
    Endpoint(
        name="chat.completions",
        operation="chat",
        method="POST",
        matches=re.compile(r"/chat/completions$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=ChatFold,
        prompt_texts=prompt_texts,
        read_content=read_chat_content,
        usage_on_request=True,
    ),
    Endpoint(
        name="completions",
        operation="text_completion",
        method="POST",
        matches=re.compile(r"/completions$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=ChatFold,
        prompt_texts=lambda body: list(as_texts(body.get("prompt")) or ()),
        read_content=read_completion_content,
        usage_on_request=True,
    ),
)
