"""Bedrock's Converse: one shape of request and answer for every model.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import copy
from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers.base import as_float, as_int, as_mapping, as_text, as_texts, message_texts

KEPT_TEXT_CHARACTERS = 32_768
# The members of the union that an event of a stream is.
EVENTS = frozenset({
    "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    "exception",
})  # fmt: skip


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the parameters of the call, has a value for."""
    config = as_mapping(body.get("inferenceConfig"))
    more = as_mapping(body.get("additionalModelRequestFields"))
    return {
        "model": as_text(body.get("modelId")),
        "max_tokens": as_int(config.get("maxTokens")),
        "temperature": as_float(config.get("temperature")),
        "top_p": as_float(config.get("topP")),
        "top_k": as_int(more.get("top_k")),
        "stop_sequences": as_texts(config.get("stopSequences")),
        "service_tier": as_text(as_mapping(body.get("serviceTier")).get("type")),
        "guardrail_id": as_text(as_mapping(body.get("guardrailConfig")).get("guardrailIdentifier")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of system and messages in BODY, by reference."""
    return message_texts([{"content": body.get("system")}]) + message_texts(body.get("messages"))


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY: what Converse returned, or the metadata that ends a stream."""
    reason = as_text(body.get("stopReason"))
    usage = as_mapping(body.get("usage"))
    router = as_mapping(as_mapping(body.get("trace")).get("promptRouter"))
    return Response(
        model=as_text(router.get("invokedModelId")),
        finish_reasons=(reason,) if reason else None,
        service_tier=_tier(body),
        # A copy: the caller is given the same dictionary, and may change it.
        usage=copy.deepcopy(dict(usage)) or None,
    )


def _tier(body: Mapping[str, Any]) -> str | None:
    """What a price depends on: the tier, and latency where it was optimised."""
    tier = as_text(as_mapping(body.get("serviceTier")).get("type"))
    latency = as_text(as_mapping(body.get("performanceConfig")).get("latency"))
    return latency if tier in (None, "default") and latency not in (None, "standard") else tier


class ConverseFold:
    """Gathers the events of a stream of Converse, or of a model that streams in the same words."""

    __slots__ = ("_kept", "_reason", "_said", "error", "text_parts", "usage_complete")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.usage_complete = False
        self.error: str | None = None
        self._reason: str | None = None
        self._said = Response()
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take an event; True when it carried output of the model."""
        if "contentBlockDelta" in event:
            return self._add_delta(as_mapping(as_mapping(event["contentBlockDelta"]).get("delta")))
        if "contentBlockStart" in event:
            return "toolUse" in as_mapping(as_mapping(event["contentBlockStart"]).get("start"))
        if "exception" in event:
            self.error = str(event["exception"])[:1].upper() + str(event["exception"])[1:]
        elif "messageStop" in event:
            self._reason = as_text(as_mapping(event["messageStop"]).get("stopReason"))
        elif "metadata" in event:
            self._said = read_response(as_mapping(event["metadata"]))
            self.usage_complete = self.usage_complete or self._said.usage is not None
        return False

    def _add_delta(self, delta: Mapping[str, Any]) -> bool:
        reasoning, tool = as_mapping(delta.get("reasoningContent")), as_mapping(delta.get("toolUse"))
        text = delta.get("text") or reasoning.get("text") or tool.get("input")
        if isinstance(text, str) and text and self._kept < KEPT_TEXT_CHARACTERS:
            self.text_parts.append(text)
            self._kept += len(text)
        return bool(text)

    def response(self) -> Response:
        """The response as far as it got."""
        said = self._said
        return Response(
            model=said.model,
            finish_reasons=(self._reason,) if self._reason else None,
            service_tier=said.service_tier,
            usage=said.usage,
        )

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._reason is not None


def is_event(event: Mapping[str, Any]) -> bool:
    """Whether EVENT is one of Converse's."""
    return not EVENTS.isdisjoint(event)
