"""OpenTelemetry's GenAI conventions, newest generation and all before: what every other dialect borrows from.

Old names are understood beside new ones, because producers mix them. Spans of agents, tools and retrievals carry
totals of the calls below them, or no usage of a provider at all: only the operations in `BILLED` are calls.

Source: https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Iterable

from llmtrace import semconv as s
from llmtrace.codec import OPENAI_FAMILY
from llmtrace.dialects.base import Aliases, Dialect, Said, fill, is_below, text
from llmtrace.model import Call, Span

BILLED = frozenset({"chat", "generate_content", "text_completion", "embeddings"})

SYSTEM = "gen_ai.system"

# What the generation before the newest said differently, or an instrumentation on its way to the newest still says.
RENAMED: Aliases = (
    (s.PROVIDER_NAME, (SYSTEM,)),
    (
        s.USAGE_CACHE_READ_TOKENS,
        (
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
        ),
    ),
    (
        s.USAGE_CACHE_WRITE_TOKENS,
        (
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
        ),
    ),
    (s.USAGE_REASONING_TOKENS, ("gen_ai.usage.reasoning_tokens", "gen_ai.usage.details.reasoning_tokens")),
    (s.USAGE_INPUT_AUDIO_TOKENS, ("gen_ai.usage.details.input_audio_tokens",)),
    (s.USAGE_OUTPUT_AUDIO_TOKENS, ("gen_ai.usage.details.output_audio_tokens",)),
    (s.OPENAI_REQUEST_SERVICE_TIER, ("gen_ai.openai.request.service_tier",)),
    (s.OPENAI_RESPONSE_SERVICE_TIER, ("gen_ai.openai.response.service_tier",)),
    (s.OPENAI_SYSTEM_FINGERPRINT, ("gen_ai.openai.response.system_fingerprint",)),
    (s.REQUEST_SEED, ("gen_ai.openai.request.seed",)),
)
# The first generation.
FIRST: Aliases = (
    (s.USAGE_INPUT_TOKENS, ("gen_ai.usage.prompt_tokens",)),
    (s.USAGE_OUTPUT_TOKENS, ("gen_ai.usage.completion_tokens",)),
    (s.REQUEST_MAX_TOKENS, ("gen_ai.request.max_output_tokens",)),
)
# Scopes whose spans never tell how much of the input came from a cache.
SILENT_ABOUT_CACHES = (
    "opentelemetry.instrumentation.openai_v2",
    "opentelemetry.util.genai.handler",
    "mistralai_sdk_tracer",
)
# OpenAI caches no shorter prompt: https://developers.openai.com/api/docs/guides/prompt-caching
CACHED_FROM_TOKENS = 1024


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    said = fill(fill(dict(span.attributes), span.attributes, RENAMED), span.attributes, FIRST)
    return said if text(said, s.OPERATION_NAME) in BILLED else None


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    usage = call.usage
    is_long = (usage.input_tokens or 0) >= CACHED_FROM_TOKENS
    if is_long and usage.cached_input_tokens is None and is_below(span.scope, SILENT_ABOUT_CACHES):
        yield "the instrumentation does not tell cached tokens, which cost less"


def doubt_tier(call: Call) -> Iterable[str]:
    """That CALL may have been served at another price: for instrumentations that never tell the tier."""
    request, response = call.request, call.response
    is_tiered = request.provider in OPENAI_FAMILY and request.operation == "chat"
    if is_tiered and call.status == "ok" and request.service_tier is None and response.service_tier is None:
        yield "the instrumentation does not tell the service tier, and the standard one is taken"


NEW = Dialect(
    name="otel",
    scopes=("opentelemetry.instrumentation.genai",),
    signature=(s.PROVIDER_NAME,),
    translate=translate,
    find_doubts=find_doubts,
)
OLD = Dialect(
    name="otel_old",
    scopes=(),
    signature=(SYSTEM, "gen_ai.usage.prompt_tokens"),
    translate=translate,
    find_doubts=find_doubts,
)
