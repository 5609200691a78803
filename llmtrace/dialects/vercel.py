"""The AI SDK of Vercel: OpenTelemetry's names in its releases from 7 on, names of its own (`ai.*`) in those before.

A call of the SDK makes an outer span with the totals of all its steps (`invoke_agent`, `ai.generateText`), and a span
for each step's call to a provider (`chat`, `ai.generateText.doGenerate`). An embedding's outer span has the operation
of the inner one, and no usage.

Source: https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from collections.abc import Iterable

from llmtrace import semconv as s
from llmtrace.codec import STATUS_ERROR
from llmtrace.dialects import otel
from llmtrace.dialects.base import TOTAL_TOKENS, Aliases, Dialect, Said, fill, text
from llmtrace.model import Call, Span

OPERATION = "ai.operationId"
STEPS = {".doGenerate": "chat", ".doStream": "chat", ".doEmbed": "embeddings"}
RENAMED: Aliases = (
    (s.REQUEST_MODEL, ("ai.model.id",)),
    (s.RESPONSE_MODEL, ("ai.response.model",)),
    (s.RESPONSE_ID, ("ai.response.id",)),
    (s.RESPONSE_FINISH_REASONS, ("ai.response.finishReason",)),
    (s.REQUEST_MAX_TOKENS, ("ai.settings.maxOutputTokens",)),
    (s.USAGE_INPUT_TOKENS, ("gen_ai.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens")),
    (s.USAGE_OUTPUT_TOKENS, ("gen_ai.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens")),
    (TOTAL_TOKENS, ("ai.usage.totalTokens",)),
    (s.USAGE_CACHE_READ_TOKENS, ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens")),
    (s.USAGE_CACHE_WRITE_TOKENS, ("ai.usage.inputTokenDetails.cacheWriteTokens",)),
    (s.USAGE_REASONING_TOKENS, ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens")),
)
EMBEDDED = "ai.usage.tokens"
FIRST_CHUNK_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
FIRST_CHUNK_S = "gen_ai.client.operation.time_to_first_chunk"
# In the names of the SDK's packages ("openai.chat", "anthropic.messages"), the provider stands first.
PROVIDER = ("ai.model.provider", "gen_ai.system")
RESPONSES_ID = "resp_"


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    said = _translate_older(span) if OPERATION in span.attributes else _translate_newer(span)
    if said is not None and (text(said, s.RESPONSE_ID) or "").startswith(RESPONSES_ID):
        said.setdefault(s.OPENAI_API_TYPE, "responses")
    return said


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    yield from otel.doubt_tier(call)


def _translate_newer(span: Span) -> Said | None:
    said = fill(dict(span.attributes), span.attributes, RENAMED)
    translated = otel.translate(Span(span.trace_id, span.span_id, None, span.name, 0, 0, attributes=said))
    if translated is None or _is_outer_embedding(span):
        return None
    if (waited_s := translated.get(FIRST_CHUNK_S)) is not None:
        translated[s.REQUEST_STREAM] = True
        translated.setdefault(s.RESPONSE_TIME_TO_FIRST_CHUNK, waited_s)
    return translated


def _is_outer_embedding(span: Span) -> bool:
    is_embedding = span.attributes.get(s.OPERATION_NAME) == "embeddings"
    # One that failed has no usage either; the outer one is above it.
    is_silent = span.status_code != STATUS_ERROR or span.parent_span_id is None
    return is_embedding and is_silent and s.USAGE_INPUT_TOKENS not in span.attributes


def _translate_older(span: Span) -> Said | None:
    attributes = span.attributes
    step = text(attributes, OPERATION) or ""
    operation = next((name for ending, name in STEPS.items() if step.endswith(ending)), None)
    if operation is None:
        return None
    said = fill(dict(attributes), attributes, RENAMED)
    said[s.OPERATION_NAME] = operation
    if operation == "embeddings" and EMBEDDED in attributes:
        said.setdefault(s.USAGE_INPUT_TOKENS, attributes[EMBEDDED])
    if s.PROVIDER_NAME not in said and (provider := text(attributes, *PROVIDER)):
        said[s.PROVIDER_NAME] = provider.partition(".")[0]
    if step.endswith(".doStream"):
        said[s.REQUEST_STREAM] = True
    waited = next((v for name in FIRST_CHUNK_MS if isinstance(v := attributes.get(name), int | float)), None)
    if waited is not None:
        said.setdefault(s.RESPONSE_TIME_TO_FIRST_CHUNK, waited / 1000)
    return said


DIALECT = Dialect(
    name="vercel",
    scopes=("ai", "gen_ai"),
    signature=(OPERATION,),
    translate=translate,
    find_doubts=find_doubts,
)
