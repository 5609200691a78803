"""OpenInference (Arize Phoenix): names of its own, and, unless content is hidden, the provider's answer as JSON.

The answer says more than the attributes do (its id, the tier, the usage object); where it is there, it counts. Only
spans of the kinds in `OPERATIONS` are calls: chains and agents repeat the totals of the calls below them.

Source: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from collections.abc import Iterable, Mapping
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects.base import TOTAL_TOKENS, Aliases, Dialect, Said, fill, mapping, text
from llmtrace.dialects.usage import take_usage
from llmtrace.fields import REQUEST_FIELDS, RESPONSE_FIELDS
from llmtrace.model import Call, Span
from llmtrace.providers import FAMILIES, Endpoint

KIND = "openinference.span.kind"
OPERATIONS = {"LLM": "chat", "EMBEDDING": "embeddings"}
OUTPUT = "output.value"
PARAMETERS = ("llm.invocation_parameters", "embedding.invocation_parameters")
FIRST_TOKEN_EVENT = "First Token Stream Event"

RENAMED: Aliases = (
    (s.PROVIDER_NAME, ("llm.provider", "llm.system")),
    (s.REQUEST_MODEL, ("llm.request.model_name",)),
    (s.RESPONSE_MODEL, ("llm.response.model_name", "llm.model_name", "embedding.model_name")),
    (s.RESPONSE_FINISH_REASONS, ("llm.finish_reason",)),
    (s.USAGE_INPUT_TOKENS, ("llm.token_count.prompt",)),
    (s.USAGE_OUTPUT_TOKENS, ("llm.token_count.completion",)),
    (TOTAL_TOKENS, ("llm.token_count.total",)),
    (s.USAGE_CACHE_READ_TOKENS, ("llm.token_count.prompt_details.cache_read",)),
    (s.USAGE_CACHE_WRITE_TOKENS, ("llm.token_count.prompt_details.cache_write",)),
    (s.USAGE_INPUT_AUDIO_TOKENS, ("llm.token_count.prompt_details.audio",)),
    (s.USAGE_OUTPUT_AUDIO_TOKENS, ("llm.token_count.completion_details.audio",)),
    (s.USAGE_REASONING_TOKENS, ("llm.token_count.completion_details.reasoning",)),
)
# What an answer says it is, to the endpoint that reads it.
SHAPES = (
    ("object", "chat.completion", "openai", "chat.completions"),
    ("object", "text_completion", "openai", "completions"),
    ("object", "response", "openai", "responses"),
    ("type", "message", "anthropic", "messages"),
)
# Scopes of SDKs and of libraries that call providers themselves: an embedding elsewhere is a wrapper around one.
SDK_SCOPES = tuple(
    f"openinference.instrumentation.{name}"
    for name in (
        "anthropic",
        "bedrock",
        "google_genai",
        "groq",
        "litellm",
        "mistralai",
        "openai",
        "portkey",
        "vertexai",
    )
)


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    attributes = span.attributes
    kind = text(attributes, KIND)
    operation = OPERATIONS.get((kind or "").upper())
    if operation is None or (operation == "embeddings" and span.scope not in SDK_SCOPES):
        return None
    said = fill(dict(attributes), attributes, RENAMED)
    said[s.OPERATION_NAME] = operation
    parameters = mapping(text(attributes, *PARAMETERS))
    _take_request(said, span, parameters)
    _take_answer(said, mapping(attributes.get(OUTPUT)))
    first = next((event.time_ns for event in span.events if event.name == FIRST_TOKEN_EVENT), None)
    if first is not None and first >= span.start_ns:
        said.setdefault(s.RESPONSE_TIME_TO_FIRST_CHUNK, (first - span.start_ns) / 1e9)
    return said


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    return ()


def _take_request(said: Said, span: Span, parameters: Mapping[str, Any]) -> None:
    """What was asked for: the parameters are the request's body without the conversation."""
    endpoint = _endpoint("anthropic" if said.get(s.PROVIDER_NAME) == "anthropic" else "openai", None)
    asked = endpoint.read_request(parameters)
    for name, key, _ in REQUEST_FIELDS:
        if asked.get(key) is not None:
            said.setdefault(name, asked[key])
    if isinstance(tier := asked.get("service_tier"), str):
        said.setdefault(s.REQUEST_SERVICE_TIER, tier)
    if parameters.get("stream") is True:
        said.setdefault(s.REQUEST_STREAM, True)
    # Before there is an answer, `llm.model_name` is the model that was asked for.
    if s.REQUEST_MODEL not in said and (model := text(span.attributes, "llm.model_name", "embedding.model_name")):
        said[s.REQUEST_MODEL] = model
    if text(span.attributes, "llm.response.model_name") is None and span.status_code == 2:
        said.pop(s.RESPONSE_MODEL, None)


def _take_answer(said: Said, body: Mapping[str, Any]) -> None:
    """What the provider answered, from its own BODY where that was kept."""
    found = next(((f, e) for key, value, f, e in SHAPES if body.get(key) == value), None)
    if found is None:
        return
    family, endpoint = next(f for f in FAMILIES if f.sdk == found[0]), _endpoint(*found)
    response = endpoint.read_response(body)
    said[s.ENDPOINT] = endpoint.name
    for name, key, _ in RESPONSE_FIELDS:
        if (value := getattr(response, key)) is not None:
            said[name] = value
    if response.service_tier is not None:
        said[s.RESPONSE_SERVICE_TIER] = response.service_tier
    for tool, times in response.tool_requests.items():
        said[s.TOOL_REQUESTS_PREFIX + tool] = times
    take_usage(said, family, response.usage)


def _endpoint(sdk: str, name: str | None) -> Endpoint:
    """SDK's endpoint called NAME; None: the first that holds conversations."""
    family = next(f for f in FAMILIES if f.sdk == sdk)
    return next(e for e in family.endpoints if e.name == name or (name is None and e.operation == "chat"))


DIALECT = Dialect(
    name="openinference",
    scopes=("openinference.instrumentation",),
    signature=(KIND, "llm.token_count."),
    translate=translate,
    find_doubts=find_doubts,
)
