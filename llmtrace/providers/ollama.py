"""Ollama: models on one's own machine, which are nobody's to charge for, and on Ollama's.

Source: https://docs.ollama.com/api
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from llmtrace.model import Conversation, Quantity, RawUsage, Response, Usage
from llmtrace.providers.amounts import InvalidUsage, count, read_count
from llmtrace.providers.base import (
    Billing,
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
from llmtrace.providers.content import Message, Part, media_part, text_part, tool_call_part

KEPT_TEXT_CHARACTERS = 32_768
ASKED, ANSWERED = "prompt_eval_count", "eval_count"
# Its own names, and those of its endpoints that are compatible with OpenAI's and Anthropic's.
INPUT = (ASKED, "prompt_tokens", "input_tokens")
OUTPUT = (ANSWERED, "completion_tokens", "output_tokens")
COUNTS = (ASKED, ANSWERED, "total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Request` that BODY, the JSON that is sent, has a value for."""
    options = as_mapping(body.get("options"))
    think = body.get("think")
    return {
        "model": as_text(body.get("model")),
        "max_tokens": as_int(options.get("num_predict")),
        "temperature": as_float(options.get("temperature")),
        "top_p": as_float(options.get("top_p")),
        "top_k": as_int(options.get("top_k")),
        "frequency_penalty": as_float(options.get("frequency_penalty")),
        "presence_penalty": as_float(options.get("presence_penalty")),
        "seed": as_int(options.get("seed")),
        "stop_sequences": as_texts(options.get("stop")),
        "output_type": "json" if body.get("format") else None,
        "reasoning_level": as_text(think),
    }


def prompt_texts(body: Mapping[str, Any]) -> list[str]:
    """The texts of the prompt in BODY, by reference: what an estimate counts where the count does not arrive."""
    texts = [t for name in ("system", "prompt", "suffix") if (t := as_text(body.get(name)))]
    return [*texts, *message_texts(body.get("messages"))]


def read_response(body: Mapping[str, Any]) -> Response:
    """The response in BODY, whole or the last line of a stream, which has all the counts."""
    reason = as_text(body.get("done_reason")) or ("stop" if body.get("done") is True else None)
    usage = {name: body[name] for name in COUNTS if body.get(name) is not None}
    return Response(
        model=as_text(body.get("model")),
        finish_reasons=(reason,) if reason else None,
        error="error" if body.get("error") else None,
        usage=as_mapping(body.get("usage")) or (usage if ASKED in usage or ANSWERED in usage else None),
    )


def read_error(body: Mapping[str, Any]) -> str | None:
    """Nothing: an error has a text and no name."""
    return None


class LinesFold:
    """Gathers the lines of a streamed answer; the last one is done, and counts."""

    __slots__ = ("_kept", "_last", "error", "text_parts")

    def __init__(self) -> None:
        """Start with nothing read."""
        self.text_parts: list[str] = []
        self.error: str | None = None
        self._last: Mapping[str, Any] = {}
        self._kept = 0

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take a line; True when it carried output of the model."""
        if event.get("error"):
            self.error = "error"
            return False
        self._last = event
        message = as_mapping(event.get("message")) or event
        pieces = (message.get("content"), message.get("response"), message.get("thinking"))
        spoken = [p for p in pieces if isinstance(p, str) and p]
        for text in spoken:
            if self._kept < KEPT_TEXT_CHARACTERS:
                self.text_parts.append(text)
                self._kept += len(text)
        return bool(spoken or message.get("tool_calls"))

    def response(self) -> Response:
        """The response as far as it got."""
        return read_response(self._last)

    @property
    def complete(self) -> bool:
        """Whether the model finished its answer."""
        return self._last.get("done") is True

    @property
    def usage_complete(self) -> bool:
        """Whether the final count arrived."""
        return self.complete and ANSWERED in self._last


def read_content(request: bytes | None, events: Sequence[Mapping[str, Any]], is_stream: bool) -> Conversation:
    """Content of the REQUEST body as it was sent, and of the answer: one body, or the lines of a stream."""
    body = as_mapping(json.loads(request)) if request else {}
    asked = [as_mapping(m) for m in as_list(body.get("messages"))]
    if as_text(body.get("prompt")):
        asked.append({"role": "user", "content": body["prompt"], "images": body.get("images")})
    system = as_text(body.get("system"))
    return Conversation(
        input_messages=[_message(m) for m in asked],
        output_messages=[_output(events)] if events else [],
        system_instructions=[text_part(system)] if system else [],
        tool_definitions=[dict(as_mapping(t)) for t in as_list(body.get("tools"))],
    )


def _message(message: Mapping[str, Any]) -> Message:
    role = as_text(message.get("role")) or "user"
    if role == "tool":
        answer = {"type": "tool_call_response", "id": message.get("tool_name"), "response": message.get("content")}
        return {"role": role, "parts": [answer]}
    return {"role": role, "parts": _parts(message)}


def _parts(message: Mapping[str, Any]) -> list[Part]:
    thought, said = (
        as_text(message.get("thinking")),
        as_text(message.get("content")) or as_text(message.get("response")),
    )
    parts: list[Part] = [{"type": "reasoning", "content": thought}] if thought else []
    parts += [text_part(said)] if said else []
    parts += [media_part("image", None) for _ in as_list(message.get("images"))]
    calls = (as_mapping(as_mapping(c).get("function")) for c in as_list(message.get("tool_calls")))
    return parts + [tool_call_part(None, call.get("name"), call.get("arguments")) for call in calls]


def _output(events: Sequence[Mapping[str, Any]]) -> Message:
    whole: dict[str, Any] = {"thinking": "", "content": "", "tool_calls": []}
    for event in events:
        message = as_mapping(event.get("message")) or event
        whole["thinking"] += as_text(message.get("thinking")) or ""
        whole["content"] += as_text(message.get("content")) or as_text(message.get("response")) or ""
        whole["tool_calls"] += as_list(message.get("tool_calls"))
    reason = (read_response(events[-1]).finish_reasons or ("error",))[0]
    return {
        "role": "assistant",
        "parts": _parts(whole),
        "finish_reason": "tool_call" if whole["tool_calls"] and reason == "stop" else reason,
    }


def normalise(usage: RawUsage) -> Usage:
    """USAGE in llmtrace's words; a prompt that is still in the model's memory is not counted again."""
    return Usage(
        input_tokens=read_count(usage, *INPUT),
        output_tokens=read_count(usage, *OUTPUT),
    )


def denormalise(usage: Usage) -> RawUsage:
    """USAGE as Ollama would report it: for counts that are not its own."""
    return {ASKED: usage.input_tokens, ANSWERED: usage.output_tokens}


def bill(usage: RawUsage, stated: Mapping[str, Any], finish_reasons: tuple[str, ...]) -> Billing:
    """USAGE as disjoint quantities, for prices of the user's own.

    Raises:
        InvalidUsage: nothing is counted, or a count is none.
    """
    asked, answered = count(usage, *INPUT), count(usage, *OUTPUT)
    if asked is None and answered is None:
        raise InvalidUsage(f"usage has neither {ASKED} nor {ANSWERED}")
    return Billing((Quantity("input_uncached", Decimal(asked or 0)), Quantity("output", Decimal(answered or 0))))


def _spoken(name: str, operation: str, path: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation=operation,
        method="POST",
        matches=re.compile(path),
        read_request=read_request,
        read_response=read_response,
        new_fold=LinesFold,
        prompt_texts=prompt_texts,
        read_content=read_content,
    )


def _counted(name: str, operation: str, path: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation=operation,
        method="POST",
        matches=re.compile(path),
        read_request=lambda body: {"model": as_text(body.get("model")), "dimensions": as_int(body.get("dimensions"))},
        read_response=read_response,
    )


FAMILY = Family(
    sdk="ollama",
    providers=frozenset({"ollama"}),
    endpoints=(
        _spoken("chat", "chat", r"/api/chat$"),
        _spoken("generate", "text_completion", r"/api/generate$"),
        _counted("embeddings", "embeddings", r"/api/(?:embed|embeddings)$"),
        _counted("systemone", "generate_content", r"/v1/systemone$"),
    ),
    find_provider_name=lambda host, client: "ollama",
    read_error=read_error,
    read_rate_limits=lambda headers: {},
    normalise=normalise,
    denormalise=denormalise,
    bill=bill,
    request_id_header="x-request-id",
)
