"""Anthropic's messages, plain and beta, on its own API and through Bedrock and Vertex.

Source: https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from llmtrace.model import Response
from llmtrace.providers import anthropic_batches, anthropic_complete, anthropic_work
from llmtrace.providers.anthropic_content import read_content
from llmtrace.providers.anthropic_usage import bill, denormalise, merge_usage, normalise
from llmtrace.providers.base import Endpoint, Family, as_float, as_int, as_mapping, as_text, as_texts, message_texts
from llmtrace.providers.uncharged import count_endpoint

# The SDK's clients for other clouds, by the start of their class name after `Async`. Those that are not here ask
# Anthropic itself, which a cloud only bills for: https://platform.claude.com/docs/en/about-claude/pricing
CLIENTS: tuple[tuple[str, str], ...] = (
    ("AnthropicBedrock", "aws.bedrock"),
    ("AnthropicVertex", "gcp.vertex_ai"),
    ("AnthropicFoundry", "azure.ai.inference"),
)
KEPT_TEXT_CHARACTERS = 32_768
DELTA_TEXTS = ("text", "thinking", "partial_json")
RATE_LIMIT_UNITS = ("requests", "tokens", "input-tokens", "output-tokens")


@lru_cache(maxsize=512)
def find_provider_name(host: str | None, client_class: str) -> str:
    """Who answers the client of class CLIENT_CLASS, in OpenTelemetry's words."""
    name = client_class.removeprefix("Async")
    return next((provider for start, provider in CLIENTS if name.startswith(start)), "anthropic")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    output = as_mapping(body.get("output_config")) or as_mapping(body.get("output_format"))
    structured = as_mapping(output.get("format")) or (output if "schema" in output else {})
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(body.get("max_tokens")),
        "temperature": as_float(body.get("temperature")),
        "top_p": as_float(body.get("top_p")),
        "top_k": as_int(body.get("top_k")),
        "stop_sequences": as_texts(body.get("stop_sequences")),
        "output_type": "json" if structured else None,
        "reasoning_level": as_text(output.get("effort")),
        "service_tier": as_text(body.get("service_tier")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of system and messages in BODY, by reference: what an estimate counts where no event arrives."""
    return message_texts([{"content": body.get("system")}]) + message_texts(body.get("messages"))


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, a whole message."""
    usage = as_mapping(body.get("usage"))
    reason = as_text(body.get("stop_reason"))
    return Response(
        id=as_text(body.get("id")),
        model=as_text(body.get("model")),
        finish_reasons=(reason,) if reason else None,
        service_tier=as_text(usage.get("service_tier")),
        refusal_category=as_text(as_mapping(body.get("stop_details")).get("category")),
        error=(read_error(body) or "error") if body.get("error") else None,
        usage=usage or None,
    )


def read_error(body: Mapping[str, Any]) -> str | None:
    """The type in the API's error envelope, such as `overloaded_error`."""
    return as_text((as_mapping(body.get("error")) or body).get("type"))


def read_rate_limits(headers: Mapping[str, str]) -> dict[str, float]:
    """Limits from `anthropic-ratelimit-UNIT-{limit,remaining,reset}`: counts, and seconds until a reset."""
    limits: dict[str, float] = {}
    for unit in RATE_LIMIT_UNITS:
        name = unit.replace("-", "_")
        for kind in ("limit", "remaining"):
            text = headers.get(f"anthropic-ratelimit-{unit}-{kind}")
            if text is not None and text.isdigit():
                limits[f"{name}.{kind}"] = float(text)
        left_s = _seconds_until(headers.get(f"anthropic-ratelimit-{unit}-reset"))
        if left_s is not None:
            limits[f"{name}.reset_s"] = left_s
    return limits


def _seconds_until(moment: str | None) -> float | None:
    """Seconds from now until MOMENT, an RFC 3339 time; 0 where it is over, None where it is no such time."""
    try:
        left = datetime.fromisoformat(moment or "") - datetime.now(UTC)
    except (ValueError, TypeError):
        return None
    return max(0.0, round(left.total_seconds(), 3))


class MessageFold:
    """Gathers the events of a streamed message.

    Counts are cumulative: each replaces the one before, none is added.
    Source: https://platform.claude.com/docs/en/build-with-claude/streaming
    """

    __slots__ = (
        "_id", "_kept", "_model", "_reason", "_refusal", "_stopped", "error", "text_parts", "usage", "usage_complete",
    )  # fmt: skip

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage: Mapping[str, Any] | None = None
        self.usage_complete = False
        self.error: str | None = None
        self._id: str | None = None
        self._model: str | None = None
        self._reason: str | None = None
        self._refusal: str | None = None
        self._stopped = False
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        # Nearly every event is a piece of text.
        delta = event.get("delta")
        text = delta.get("text") if type(delta) is dict and event.get("type") == "content_block_delta" else None
        if type(text) is str and text:
            if self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
            return True
        return self._add(event)

    def _add(self, event: Mapping[str, Any]) -> bool:
        kind = event.get("type")
        if kind == "content_block_delta":
            delta = as_mapping(event.get("delta"))
            for name in DELTA_TEXTS:
                text = as_text(delta.get(name))
                if text is not None:
                    if self._kept < KEPT_TEXT_CHARACTERS:
                        self.text_parts.append(text)
                        self._kept += len(text)
                    return True
        elif kind == "message_delta":
            self.usage = merge_usage(self.usage, as_mapping(event.get("usage")))
            self.usage_complete = self.usage_complete or "usage" in event
            delta = as_mapping(event.get("delta"))
            self._reason = as_text(delta.get("stop_reason")) or self._reason
            self._refusal = as_text(as_mapping(delta.get("stop_details")).get("category")) or self._refusal
        elif kind == "message_start":
            message = as_mapping(event.get("message"))
            self._name(message)
            self.usage = merge_usage(self.usage, as_mapping(message.get("usage")))
        elif kind == "message":
            # A whole answer in place of a stream.
            self._name(event)
            self.usage = as_mapping(event.get("usage"))
            self.usage_complete = bool(self.usage)
            self._reason = as_text(event.get("stop_reason"))
        elif kind == "message_stop":
            self._stopped = True
        elif kind == "error":
            self.error = read_error(event) or "error"
        return False

    def _name(self, message: Mapping[str, Any]) -> None:
        """Of MESSAGE only this is kept: a stream may be open for long."""
        self._id, self._model = as_text(message.get("id")), as_text(message.get("model"))

    def response(self) -> Response:
        """The response as far as it got."""
        return Response(
            id=self._id,
            model=self._model,
            finish_reasons=(self._reason,) if self._reason else None,
            service_tier=as_text(as_mapping(self.usage).get("service_tier")),
            refusal_category=self._refusal,
            usage=self.usage,
        )

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._stopped or self._reason is not None


ENDPOINTS = (
    Endpoint(
        name="messages",
        operation="chat",
        method="POST",
        matches=re.compile(r"/v1/messages$"),
        read_request=read_request,
        read_response=read_response,
        new_fold=MessageFold,
        prompt_texts=prompt_texts,
        read_content=read_content,
    ),
    *anthropic_complete.ENDPOINTS,
    *anthropic_work.ENDPOINTS,
    count_endpoint("messages.count_tokens", r"/v1/messages/count_tokens$"),
    *anthropic_batches.ENDPOINTS,
)

FAMILY = Family(
    sdk="anthropic",
    providers=frozenset({"anthropic", *(provider for _, provider in CLIENTS)} - {"aws.bedrock"}),
    endpoints=ENDPOINTS,
    find_provider_name=find_provider_name,
    read_error=read_error,
    read_rate_limits=read_rate_limits,
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    request_id_header="request-id",
    batches=anthropic_batches.BATCHES,
)
