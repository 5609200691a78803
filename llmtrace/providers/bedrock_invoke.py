"""Bodies of InvokeModel: each maker's models have a shape of their own, and some tell no counts but in the headers.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
"""

from collections.abc import Mapping
from typing import Any

from llmtrace.model import Response
from llmtrace.providers import anthropic, bedrock_converse, openai_chat
from llmtrace.providers.base import Fold, as_float, as_int, as_list, as_mapping, as_text, as_texts, message_texts

KEPT_TEXT_CHARACTERS = 32_768
# What Bedrock itself counted stands in the last chunk of a stream.
METRICS = "amazon-bedrock-invocationMetrics"
# Where models tell their settings and their answers, in one model's words or another's.
CONFIGS = ("inferenceConfig", "textGenerationConfig")
MAX_TOKENS = (
    "max_tokens", "max_tokens_to_sample", "max_completion_tokens", "max_gen_len", "maxTokenCount", "maxTokens",
    "max_new_tokens",
)  # fmt: skip
PROMPTS = ("prompt", "inputText", "message")
REASONS = ("stop_reason", "finish_reason", "completionReason", "stopReason")
TEXTS = ("generation", "outputText", "text", "completion")
COUNTS = ("prompt_token_count", "generation_token_count", "inputTextTokenCount")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY has a value for: the parameters of the call, or what the model is sent."""
    settings = {**next((as_mapping(body[name]) for name in CONFIGS if name in body), {}), **body}

    def first(*names: str) -> Any:
        return next((settings[name] for name in names if settings.get(name) is not None), None)

    return {
        "model": as_text(body.get("modelId")),
        "max_tokens": as_int(first(*MAX_TOKENS)),
        "temperature": as_float(first("temperature")),
        "top_p": as_float(first("top_p", "topP", "p")),
        "top_k": as_int(first("top_k", "topK", "k")),
        "stop_sequences": as_texts(first("stop_sequences", "stopSequences", "stop")),
        "dimensions": as_int(first("dimensions", "output_dimension")),
        "guardrail_id": as_text(body.get("guardrailIdentifier")),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts that BODY asks with, by reference."""
    asked = [t for name in PROMPTS for t in as_texts(body.get(name)) or ()]
    return asked or message_texts([{"content": body.get("system")}]) + message_texts(body.get("messages"))


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, whose shape tells whose model answered."""
    if body.get("type") == "message":
        return anthropic.read_response(body)
    if "choices" in body:
        return openai_chat.read_response(body)
    if "output" in body and "stopReason" in body:
        return bedrock_converse.read_response(body)
    reasons = [_reason(b) for b in (body, *_answers(body))]
    return Response(
        id=as_text(body.get("id")) or as_text(body.get("response_id")),
        finish_reasons=tuple(r for r in reasons if r) or None,
        usage=_counts(body),
    )


def _answers(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The several answers that BODY may hold."""
    return [as_mapping(a) for name in ("results", "generations", "outputs") for a in as_list(body.get(name))]


def _reason(answer: Mapping[str, Any]) -> str | None:
    return next((reason for name in REASONS if (reason := as_text(answer.get(name)))), None)


def _counts(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The counts of BODY, without a word of its texts; None where it tells none."""
    told: dict[str, Any] = {name: body[name] for name in COUNTS if body.get(name) is not None}
    outputs = [{"tokenCount": a["tokenCount"]} for a in _answers(body) if a.get("tokenCount") is not None]
    if outputs:
        told["results"] = outputs
    return told or (dict(as_mapping(body.get("usage"))) or None)


class InvokeFold:
    """Gathers the chunks of a stream: those of a known shape as its own fold does, the others here."""

    __slots__ = ("_counts", "_inner", "_kept", "_metrics", "_reason", "text_parts")

    def __init__(self) -> None:
        """Start with nothing read."""
        self._inner: Fold | None = None
        self.text_parts: list[str] = []
        self._counts: dict[str, Any] = {}
        self._metrics: Mapping[str, Any] | None = None
        self._reason: str | None = None
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a chunk; True when it carried output of the model."""
        self._metrics = as_mapping(event.get(METRICS)) or self._metrics
        if self._inner is None:
            self._inner = _fold_of(event)
            if self._inner is not None:
                self.text_parts = self._inner.text_parts
        return self._add_plain(event) if self._inner is None else self._inner.add(event)

    def _add_plain(self, event: Mapping[str, Any]) -> bool:
        self._counts |= _counts(event) or {}
        total = event.get("totalOutputTextTokenCount")
        if total is not None:
            self._counts["results"] = [{"tokenCount": total}]
        spoke = False
        for answer in (event, *_answers(event)):
            self._reason = _reason(answer) or self._reason
            text = next((t for name in TEXTS if (t := as_text(answer.get(name)))), None)
            if text is not None:
                spoke = True
                if self._kept < KEPT_TEXT_CHARACTERS:
                    self.text_parts.append(text)
                    self._kept += len(text)
        return spoke

    def response(self) -> Response:
        """The response as far as it got: with the model's own counts, or else with Bedrock's."""
        if self._inner is None:
            own = Response(finish_reasons=(self._reason,) if self._reason else None, usage=self._counts or None)
        else:
            own = self._inner.response()
        if own.usage is None or not self._has_final_count:
            return _counted(own, self._metrics)
        return own

    @property
    def _has_final_count(self) -> bool:
        if self._inner is not None:
            return self._inner.usage_complete
        return "results" in self._counts or (self._reason is not None and len(self._counts) > 1)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._metrics is not None or (self._inner.complete if self._inner else self._reason is not None)

    @property
    def usage_complete(self) -> bool:
        """Whether a final count arrived."""
        return self._metrics is not None or self._has_final_count

    @property
    def error(self) -> str | None:
        """The name of the error that the model reported inside the stream, if it did."""
        return None if self._inner is None else self._inner.error


def _fold_of(event: Mapping[str, Any]) -> Fold | None:
    """The fold for a stream that begins with EVENT; None where its shape is none of those."""
    if event.get("type") == "message_start":
        return anthropic.MessageFold()
    if bedrock_converse.is_event(event):
        return bedrock_converse.ConverseFold()
    return openai_chat.ChatFold() if "choices" in event else None


def _counted(response: Response, metrics: Mapping[str, Any] | None) -> Response:
    if metrics is None:
        return response
    usage = {name: count for name, count in metrics.items() if name.endswith("Count")}
    return Response(
        id=response.id,
        model=response.model,
        finish_reasons=response.finish_reasons,
        service_tier=response.service_tier,
        refusal_category=response.refusal_category,
        usage=usage or response.usage,
    )
