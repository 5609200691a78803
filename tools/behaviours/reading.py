"""What a span of any contestant says of a call, in whatever names it says it.

llmtrace's dialects read what they know; what they leave out is looked for under every name that is known for it, so
that nothing that a contestant records goes unseen.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmtrace import codec, dialects, semconv
from llmtrace.model import Span

# A fact to the names of attributes that carry it, best first; a path goes on inside of JSON.
NAMES: dict[str, tuple[str, ...]] = {
    "model": (
        *("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name"),
        *("langfuse.observation.model.name", "llm.request.model", "llm.response.model"),
    ),
    "input": (
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        *("llm.usage.prompt_tokens", "usage:prompt_tokens", "usage:input_tokens", "usage:input"),
    ),
    "output": (
        *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"),
        *("llm.usage.completion_tokens", "usage:completion_tokens", "usage:output_tokens", "usage:output"),
    ),
    "cached": (
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        *("llm.token_count.prompt_details.cache_read", "llm.usage.cache_read_input_tokens"),
        *("usage:prompt_tokens_details.cached_tokens", "usage:input_tokens_details.cached_tokens"),
        *("usage:cache_read_input_tokens",),
    ),
    "written": (
        *("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        *("gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write"),
        *("llm.usage.cache_creation_input_tokens", "usage:cache_creation_input_tokens"),
    ),
    "reasoning": (
        *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens"),
        *("llm.token_count.completion_details.reasoning", "usage:output_tokens_details.thinking_tokens"),
        *("usage:completion_tokens_details.reasoning_tokens", "usage:output_tokens_details.reasoning_tokens"),
    ),
    "input audio": (
        *("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
        *("usage:prompt_tokens_details.audio_tokens", "usage:input_token_details.audio_tokens"),
    ),
    "output audio": (
        *("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio"),
        *("usage:completion_tokens_details.audio_tokens",),
    ),
}
# A usage as the provider tells it, and an answer that may hold one.
ANSWER = "output.value"
USAGE = "langfuse.observation.usage_details"
READ_NAMES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached": "cached_input_tokens",
    "written": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
    "input audio": "input_audio_tokens",
    "output audio": "output_audio_tokens",
}
# Attributes that a call has even where it tells neither model nor tokens.
MARKS = ("gen_ai.operation.name", "openinference.span.kind", "langfuse.observation.model.parameters", USAGE)
STREAMS = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
# What only a stream has: the time at which it began to come.
FIRST_CHUNKS = ("gen_ai.response.time_to_first_chunk", "langfuse.observation.completion_start_time")
FINISHED = (
    *("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "llm.finish_reason"),
    *("llm.response.finish_reason", "gen_ai.response.stop_reason", "stop_reason"),
)
# Where a reason stands inside of what was answered.
ANSWERS = (
    *("langfuse.observation.output", "langfuse.observation.metadata.finish_reason", "gen_ai.output.messages"),
    *("output.value", "gen_ai.completion"),
)
FAILURES = (
    "error.type",
    "http.response.status_code",
    "langfuse.observation.status_message",
    "exception.type",
    "exception.message",
)
# What a reason of the provider is called by OpenTelemetry.
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
}


@dataclass(frozen=True)
class Recorded:
    """A call as a contestant recorded it; None and empty where it says nothing.

    `counts` are tokens by fact. `estimated` and `incomplete` are said by the contestant of its own counts.
    """

    name: str
    model: str | None
    counts: Mapping[str, int]
    reasons: frozenset[str]
    is_stream: bool
    is_error: bool
    failure: str
    estimated: bool = False
    incomplete: bool = False
    batch_step: bool = False


def read(spans: Iterable[Span]) -> list[Recorded]:
    """The calls among SPANS, of whatever contestant."""
    return [read_span(span) for span in spans if is_call(span)]


def is_call(span: Span) -> bool:
    """Whether SPAN tells of a call to a provider: a dialect says so, or it has a model, or a count of tokens."""
    if semconv.BATCH_STEP in span.attributes:
        return False
    known = {*MARKS, *(name for names in NAMES.values() for name in names)}
    return dialects.read(span) is not None or any(name in span.attributes for name in known)


def read_span(span: Span) -> Recorded:
    """What SPAN says."""
    attributes = dict(span.attributes)
    answer = parse(attributes.get(ANSWER))
    usage = parse(attributes.get(USAGE)) or (answer.get("usage") if isinstance(answer, dict) else None)
    attributes |= {f"usage:{path}": value for path, value in flatten(usage or {})}
    reading = dialects.read(span)
    counts: dict[str, int] = {}
    for fact, names in NAMES.items():
        known = getattr(reading.call.usage, READ_NAMES[fact]) if reading and fact in READ_NAMES else None
        value = known if known is not None else next((attributes[n] for n in names if n in attributes), None)
        if isinstance(value, int | float):
            counts[fact] = int(value)
    events = [event.attributes for event in span.events]
    failures = [str(where[name]) for where in (attributes, *events) for name in FAILURES if name in where]
    return Recorded(
        name=span.name,
        model=find_model(attributes),
        counts=counts,
        reasons=frozenset(find_reasons(attributes, reading)),
        is_stream=is_stream(attributes, reading),
        is_error=span.status_code == codec.STATUS_ERROR or is_marked_error(attributes),
        failure=" ".join([*failures, span.status_message]),
        estimated=bool(reading and reading.call.usage_source == "estimated"),
        incomplete=bool(reading and span.scope == semconv.SCOPE_NAME and not reading.call.usage_complete),
    )


def is_stream(attributes: Mapping[str, Any], reading: dialects.Reading | None) -> bool:
    """Whether the call is said to be a stream, or tells when it began to come."""
    said = any(attributes.get(name) is True for name in STREAMS) or any(name in attributes for name in FIRST_CHUNKS)
    return said or bool(reading and (reading.call.request.stream or reading.call.time_to_first_chunk_s))


def find_model(attributes: Mapping[str, Any]) -> str | None:
    """The model that answered, or else that was asked."""
    named = next((str(attributes[name]) for name in NAMES["model"] if attributes.get(name)), None)
    asked = parse(attributes.get("llm.invocation_parameters") or attributes.get("embedding.invocation_parameters"))
    return named or (asked.get("model") if isinstance(asked, dict) else None)


def find_reasons(attributes: Mapping[str, Any], reading: dialects.Reading | None) -> Iterable[str]:
    """Why the model stopped, in OpenTelemetry's words, wherever it is told."""
    told: list[Any] = list(reading.call.response.finish_reasons or ()) if reading else []
    for name in FINISHED:
        value = attributes.get(name)
        told += value if isinstance(value, tuple | list) else [value]
    for name, value in attributes.items():
        if name.endswith((".finish_reason", ".finish_reasons")):
            told.append(value)
        elif name in ANSWERS:
            told += find_all(parse(value), "finish_reason") + find_all(parse(value), "stop_reason")
    words = [str(reason).strip('"') for reason in told if reason]
    return {REASONS.get(word, word) for word in words}


def is_marked_error(attributes: Mapping[str, Any]) -> bool:
    """Whether an attribute says that the call failed, whatever the span's status is."""
    return semconv.ERROR_TYPE in attributes or attributes.get("langfuse.observation.level") == "ERROR"


def parse(value: Any) -> Any:
    """The JSON in VALUE; nothing where there is none."""
    try:
        return json.loads(value) if isinstance(value, str) else {}
    except ValueError:
        return {}


def flatten(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    """The leaves of VALUE, each with its path."""
    if not isinstance(value, Mapping):
        yield path, value
        return
    for name, below in value.items():
        yield from flatten(below, f"{path}.{name}" if path else str(name))


def find_all(value: Any, name: str) -> list[Any]:
    """What stands under NAME anywhere in VALUE, where it is not null."""
    if isinstance(value, Mapping):
        own = [value[name]] if value.get(name) is not None else []
        return own + [found for below in value.values() for found in find_all(below, name)]
    return [found for below in value for found in find_all(below, name)] if isinstance(value, list) else []
