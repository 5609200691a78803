"""OpenAI's chat completions, and whoever else answers in that protocol.

Source: https://github.com/openai/openai-openapi (the API definition)
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import Endpoint, Family, as_float, as_int, as_mapping, as_text, as_texts, path_of
from llmtrace.providers.openai_content import read_content
from llmtrace.providers.openai_usage import bill, denormalise, normalise

CHAT = Endpoint("chat.completions", "chat")

# Path suffix to endpoint; Azure's deployment paths are rewritten below the choke point, so they end alike.
ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (("POST", "/chat/completions", CHAT),)

# Hosts that speak OpenAI's protocol, by the end of their name. An unknown host keeps the SDK's own name: it is most
# often a proxy in front of OpenAI.
HOSTS: tuple[tuple[str, str], ...] = (
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.openai"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.together.xyz", "together_ai"),
    ("api.fireworks.ai", "fireworks_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
)
AZURE_CLIENTS = frozenset({"AzureOpenAI", "AsyncAzureOpenAI"})
KEPT_TEXT_CHARACTERS = 32_768

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@lru_cache(maxsize=512)
def find_endpoint(method: str, url: str) -> Endpoint | None:
    """The endpoint that a request of METHOD to URL (a path, or absolute) calls, if llmtrace records it."""
    path = path_of(url)
    for verb, suffix, endpoint in ENDPOINTS:
        if method.upper() == verb and path.endswith(suffix):
            return endpoint
    return None


@lru_cache(maxsize=512)
def find_provider_name(host: str | None, client_class: str) -> str:
    """Who answers at HOST, in OpenTelemetry's words."""
    for ending, provider in HOSTS:
        if host is not None and (host == ending.lstrip(".") or host.endswith("." + ending.lstrip("."))):
            return provider
    return "azure.ai.openai" if client_class in AZURE_CLIENTS else "openai"


def read_request(endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
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
    }


def _output_type(response_format: Any) -> str | None:
    kind = as_mapping(response_format).get("type")
    return {"json_object": "json", "json_schema": "json", "text": "text"}.get(kind) if isinstance(kind, str) else None


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, a whole chat completion."""
    choices = body.get("choices")
    reasons = [as_text(as_mapping(c).get("finish_reason")) for c in choices] if isinstance(choices, list) else []
    return Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=tuple(r or "error" for r in reasons) or None,
        service_tier=as_text(body.get("service_tier")),
        system_fingerprint=as_text(body.get("system_fingerprint")),
        usage=as_mapping(body.get("usage")) or None,
    )


def read_error(body: Mapping[str, Any]) -> str | None:
    """The provider's own name for what went wrong: its code, or else its type.

    The code tells `rate_limit_exceeded` from `insufficient_quota`, which share a status.
    """
    error = as_mapping(body.get("error")) or body
    return as_text(error.get("code")) or as_text(error.get("type"))


def read_rate_limits(headers: Mapping[str, str]) -> dict[str, float]:
    """Limits from `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: counts, and seconds until a reset."""
    limits: dict[str, float] = {}
    for kind in ("limit", "remaining", "reset"):
        for unit in ("requests", "tokens"):
            text = headers.get(f"x-ratelimit-{kind}-{unit}")
            value = None if text is None else _duration_s(text) if kind == "reset" else _number(text)
            if value is not None:
                limits[f"{unit}.{kind}" + ("_s" if kind == "reset" else "")] = value
    return limits


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _duration_s(text: str) -> float | None:
    """Seconds in TEXT, a Go duration such as `6m0s` or `17ms`, or plain seconds."""
    parts = _DURATION.findall(text)
    if parts and "".join(n + u for n, u in parts) == text:
        return sum(float(n) * _UNIT_S[u] for n, u in parts)
    return _number(text)


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of the prompt in BODY, by reference: what an estimate counts where no usage arrives."""
    texts: list[str] = []
    messages = body.get("messages")
    for message in messages if isinstance(messages, list | tuple) else ():
        content = as_mapping(message).get("content")
        if isinstance(content, str):
            texts.append(content)
        elif isinstance(content, list | tuple):
            texts += [t for part in content if isinstance(t := as_mapping(part).get("text"), str)]
    return texts


class ChatFold:
    """Gathers the chunks of a streamed chat completion."""

    __slots__ = ("_finish", "_kept", "_last", "_tier", "text_parts", "usage")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self._finish: dict[int, str] = {}
        self._last: Mapping[str, Any] = {}
        self._tier: str | None = None
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a chunk; True when it carried output of the model."""
        self._last = event if event.get("id") or not self._last else self._last
        self._tier = event.get("service_tier") or self._tier
        usage = event.get("usage") or as_mapping(event.get("x_groq")).get("usage")
        if usage:
            self.usage = usage
        spoke = False
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            text = delta.get("content") or delta.get("refusal") or delta.get("reasoning_content")
            if text:
                spoke = True
                if self._kept < KEPT_TEXT_CHARACTERS:
                    self.text_parts.append(text)
                    self._kept += len(text)
            elif delta.get("tool_calls") or delta.get("function_call") or delta.get("audio"):
                spoke = True
                self._keep_arguments(delta)
            reason = choice.get("finish_reason")
            if reason:
                self._finish[choice.get("index") or 0] = reason
        return spoke

    def _keep_arguments(self, delta: Mapping[str, Any]) -> None:
        for tool in delta.get("tool_calls") or ():
            arguments = as_mapping(as_mapping(tool).get("function")).get("arguments")
            if isinstance(arguments, str) and arguments and self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(arguments)
                self._kept += len(arguments)

    def response(self) -> Response:
        """The response as far as it got."""
        return Response(
            id=as_text(self._last.get("id")),
            model=as_text(self._last.get("model")),
            finish_reasons=tuple(self._finish[i] for i in sorted(self._finish)) or None,
            service_tier=as_text(self._tier),
            system_fingerprint=as_text(self._last.get("system_fingerprint")),
            usage=self.usage,
        )

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return bool(self._finish)

    @property
    def usage_complete(self) -> bool:
        """Whether the provider's count arrived: it comes once, at the end."""
        return self.usage is not None


def _new_fold(endpoint: Endpoint) -> ChatFold:
    return ChatFold()


FAMILY = Family(
    sdk="openai",
    providers=frozenset({provider for _, provider in HOSTS}),
    find_endpoint=find_endpoint,
    find_provider_name=find_provider_name,
    read_request=read_request,
    read_response=read_response,
    read_error=read_error,
    read_rate_limits=read_rate_limits,
    new_fold=_new_fold,
    prompt_texts=prompt_texts,
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    read_content=read_content,
    request_id_header="x-request-id",
    own_hosts=("api.openai.com",),
)
