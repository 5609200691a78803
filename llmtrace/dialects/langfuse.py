"""Langfuse's SDK: names of its own under `langfuse.`, the provider's usage object as JSON, and no provider's name.

Who answered is told by nothing but the model's name, so that no cost is certain. Spans, chains and agents around a call
are observations of other types.

Source: https://github.com/langfuse/langfuse-python, `langfuse/_client/attributes.py`
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llmtrace import semconv as s
from llmtrace.codec import STATUS_ERROR
from llmtrace.dialects.base import TOTAL_TOKENS, Dialect, Said, mapping, parse, text
from llmtrace.dialects.content import messages_of
from llmtrace.dialects.usage import take_usage
from llmtrace.fields import REQUEST_FIELDS
from llmtrace.model import Call, Span
from llmtrace.providers import FAMILIES, find_usage
from llmtrace.providers.openai_hosts import OPENAI_MODEL

PREFIX = "langfuse.observation."
TYPE = PREFIX + "type"
OPERATIONS = {"generation": "chat", "embedding": "embeddings"}
MODEL = PREFIX + "model.name"
PARAMETERS = PREFIX + "model.parameters"
USAGE = PREFIX + "usage_details"
FIRST_CHUNK_AT = PREFIX + "completion_start_time"
FINISH_REASON = PREFIX + "metadata.finish_reason"
INPUT, OUTPUT = PREFIX + "input", PREFIX + "output"
# How the names of models begin that one provider alone has. Other hosts sell some of them too: hence the doubt.
MODELS = (("claude-", "anthropic"), ("gemini-", "gcp.gemini"), ("mistral-", "mistral_ai"), ("command-", "cohere"))
DOUBT = "the span does not name the provider, which is taken from the model's name"
# What the counts are called in a usage object that Langfuse has put into its own form.
COUNTS = (
    (s.USAGE_INPUT_TOKENS, ("input", "input_tokens", "prompt_tokens")),
    (s.USAGE_OUTPUT_TOKENS, ("output", "output_tokens", "completion_tokens")),
    (TOTAL_TOKENS, ("total", "total_tokens")),
    (s.USAGE_CACHE_READ_TOKENS, ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens")),
    (s.USAGE_CACHE_WRITE_TOKENS, ("input_cache_creation", "cache_creation_input_tokens")),
    (s.USAGE_REASONING_TOKENS, ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens")),
)


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    attributes = span.attributes
    operation = OPERATIONS.get(text(attributes, TYPE) or "")
    usage, model = mapping(attributes.get(USAGE)), text(attributes, MODEL)
    if operation is None or (model is None and not usage):
        return None
    said: Said = {k: v for k, v in attributes.items() if k != FINISH_REASON}
    said[s.OPERATION_NAME] = operation
    if model is not None:
        # An answer's name for the model takes the place of what was asked for.
        said[s.REQUEST_MODEL if span.status_code == STATUS_ERROR else s.RESPONSE_MODEL] = model
        said.setdefault(s.PROVIDER_NAME, _provider(model))
    _take_parameters(said, mapping(attributes.get(PARAMETERS)))
    _take_usage(said, usage)
    _take_first_chunk(said, span)
    reason = parse(attributes.get(FINISH_REASON))
    if isinstance(reason, str):
        said.setdefault(s.RESPONSE_FINISH_REASONS, reason)
    for name, key in ((s.INPUT_MESSAGES, INPUT), (s.OUTPUT_MESSAGES, OUTPUT)):
        if (messages := messages_of(attributes.get(key), name)) is not None:
            said.setdefault(name, messages)
    return said


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    if text(span.attributes, s.PROVIDER_NAME) is None:
        yield DOUBT


def _provider(model: str) -> str:
    if OPENAI_MODEL.match(model):
        return "openai"
    return next((provider for start, provider in MODELS if model.startswith(start)), "")


def _take_parameters(said: Said, parameters: Mapping[str, Any]) -> None:
    """What was asked for; the tier is the answer's where one came."""
    family = next(f for f in FAMILIES if f.sdk == "openai")
    asked = next(e for e in family.endpoints if e.operation == "chat").read_request(parameters)
    for name, key, _ in REQUEST_FIELDS:
        if (value := asked.get(key)) is not None:
            said.setdefault(name, value)
    if isinstance(tier := parameters.get("service_tier"), str):
        said[s.RESPONSE_SERVICE_TIER if s.RESPONSE_MODEL in said else s.REQUEST_SERVICE_TIER] = tier


def _take_usage(said: Said, usage: Mapping[str, Any]) -> None:
    provider = text(said, s.PROVIDER_NAME)
    if provider == "openai" and "completion_tokens" in usage:
        take_usage(said, find_usage(provider), usage)
        return
    for name, keys in COUNTS:
        value = next((v for k in keys if isinstance(v := usage.get(k), int)), None)
        if value is not None:
            said[name] = value


def _take_first_chunk(said: Said, span: Span) -> None:
    at = parse(span.attributes.get(FIRST_CHUNK_AT))
    if not isinstance(at, str):
        return
    said[s.REQUEST_STREAM] = True
    try:
        waited_s = datetime.fromisoformat(at).timestamp() - span.start_ns / 1e9
    except (ValueError, OverflowError, OSError):
        return
    if 0 <= waited_s <= (span.end_ns - span.start_ns) / 1e9:
        said.setdefault(s.RESPONSE_TIME_TO_FIRST_CHUNK, waited_s)


DIALECT = Dialect(
    name="langfuse",
    scopes=("langfuse-sdk",),
    signature=(TYPE,),
    translate=translate,
    find_doubts=find_doubts,
)
