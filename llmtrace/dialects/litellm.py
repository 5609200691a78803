"""LiteLLM's own callback: OpenTelemetry's older names, and its usage object, which is OpenAI's for every provider.

A request makes a span (`litellm_request`) and one below it with what was sent and came back (`raw_gen_ai_request`). An
answer that is not in OpenAI's format gets an id of LiteLLM's making, which is no provider's.

Source: https://github.com/BerriAI/litellm, `litellm/integrations/opentelemetry.py`
"""

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects import otel
from llmtrace.dialects.base import Aliases, Dialect, Said, fill, mapping, text
from llmtrace.dialects.usage import take_usage
from llmtrace.model import Call, Span
from llmtrace.providers import find_usage

CALL_ID = "litellm.call_id"
USAGE = "metadata.usage_object"
HIDDEN = "hidden_params"
MADE_UP_ID = re.compile(r"^chatcmpl-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
RENAMED: Aliases = (
    (s.PROVIDER_NAME, ("error.llm_provider",)),
    (s.RESPONSE_TIME_TO_FIRST_CHUNK, ("gen_ai.response.time_to_first_chunk",)),
)
# The answer's headers as LiteLLM keeps them: each provider's name for the request's id.
REQUEST_IDS = ("llm_provider-request-id", "llm_provider-x-request-id", "request-id", "x-request-id")
# Python's way of writing a usage object; a longer one is none.
MOST_CHARACTERS = 10_000


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    said = otel.translate(span)
    if said is None:
        return None
    if not text(said, "gen_ai.system"):
        said.pop(s.PROVIDER_NAME, None)
    fill(said, span.attributes, RENAMED)
    if said.get("llm.is_streaming") in (True, "True"):
        said[s.REQUEST_STREAM] = True
    made = text(said, s.RESPONSE_ID)
    if made is not None and (made == said.get(CALL_ID) or MADE_UP_ID.match(made)):
        del said[s.RESPONSE_ID]
    _take_hidden(said, mapping(said.get(HIDDEN)))
    _take_usage(said, _literal(said.get(USAGE)))
    return said


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    yield from otel.doubt_tier(call)


def _take_hidden(said: Said, hidden: Mapping[str, Any]) -> None:
    """Where the request went, and its id there."""
    if isinstance(base := hidden.get("api_base"), str):
        said.setdefault("openai.api_base", base)
    headers = hidden.get("additional_headers")
    if isinstance(headers, dict):
        found = next((v for n in REQUEST_IDS if isinstance(v := headers.get(n), str)), None)
        if found is not None:
            said.setdefault(s.REQUEST_ID, found)


def _take_usage(said: Said, usage: Mapping[str, Any]) -> None:
    """The counts, from the usage object in LiteLLM's form; Anthropic's is written down again as it was sent."""
    provider = text(said, s.PROVIDER_NAME) or ""
    stated = {key: value for key, value in usage.items() if value is not None}
    if provider == "openai":
        take_usage(said, find_usage(provider), stated)
    elif provider == "anthropic" and "prompt_tokens_details" in stated:
        take_usage(said, find_usage(provider), _as_anthropic(stated))
    else:
        _take_counts(said, stated)


def _as_anthropic(usage: Mapping[str, Any]) -> dict[str, Any]:
    details = _details(usage, "prompt_tokens_details")
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    counts = [n if isinstance(n, int) else 0 for n in (usage.get("prompt_tokens"), read, written)]
    said = {
        "input_tokens": counts[0] - counts[1] - counts[2],
        "output_tokens": usage.get("completion_tokens"),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "cache_creation": details.get("cache_creation_token_details"),
        **{key: usage.get(key) for key in ("iterations", "inference_geo", "speed", "service_tier", "server_tool_use")},
    }
    return {key: value for key, value in said.items() if value is not None}


def _take_counts(said: Said, usage: Mapping[str, Any]) -> None:
    prompt, completion = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    for name, value in (
        (s.USAGE_CACHE_READ_TOKENS, prompt.get("cached_tokens")),
        (s.USAGE_CACHE_WRITE_TOKENS, prompt.get("cache_creation_tokens")),
        (s.USAGE_INPUT_AUDIO_TOKENS, prompt.get("audio_tokens")),
        (s.USAGE_REASONING_TOKENS, completion.get("reasoning_tokens")),
        (s.USAGE_OUTPUT_AUDIO_TOKENS, completion.get("audio_tokens")),
    ):
        if isinstance(value, int):
            said.setdefault(name, value)


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    details = usage.get(name)
    return details if isinstance(details, dict) else {}


def _literal(value: Any) -> Mapping[str, Any]:
    """The dictionary that the text VALUE writes in Python's way; an empty one where there is none."""
    if not isinstance(value, str) or len(value) > MOST_CHARACTERS:
        return {}
    try:
        found = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return {k: v for k, v in found.items() if isinstance(k, str)} if isinstance(found, dict) else {}


DIALECT = Dialect(
    name="litellm",
    scopes=("litellm",),
    signature=(CALL_ID,),
    translate=translate,
    find_doubts=find_doubts,
)
