"""The AI SDK of Vercel (`ai.*`), as its releases before the GenAI names of OpenTelemetry write their spans.

A call of the SDK makes an outer span (`ai.generateText`) with the totals of all its steps, and one span for each step
(`ai.generateText.doGenerate`), which is the call to a provider.

Source: https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from llmtrace import semconv as s
from llmtrace.dialects.base import TOTAL_TOKENS, Aliases, Dialect, Said, fill, text
from llmtrace.model import Span

OPERATION = "ai.operationId"
STEPS = {".doGenerate": "chat", ".doStream": "chat", ".doEmbed": "embeddings"}
RENAMED: Aliases = (
    (s.REQUEST_MODEL, ("ai.model.id",)),
    (s.RESPONSE_MODEL, ("ai.response.model",)),
    (s.RESPONSE_ID, ("ai.response.id",)),
    (s.RESPONSE_FINISH_REASONS, ("ai.response.finishReason",)),
    (s.USAGE_INPUT_TOKENS, ("gen_ai.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens")),
    (s.USAGE_OUTPUT_TOKENS, ("gen_ai.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens")),
    (TOTAL_TOKENS, ("ai.usage.totalTokens",)),
    (s.USAGE_CACHE_READ_TOKENS, ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens")),
    (s.USAGE_CACHE_WRITE_TOKENS, ("ai.usage.inputTokenDetails.cacheWriteTokens",)),
    (s.USAGE_REASONING_TOKENS, ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens")),
)
EMBEDDED = "ai.usage.tokens"
FIRST_CHUNK_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk")
# In the names of the SDK's packages ("openai.chat", "anthropic.messages"), the provider stands first.
PROVIDER = ("ai.model.provider", "gen_ai.system")


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
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


DIALECT = Dialect(name="vercel", scopes=(), signature=(OPERATION,), translate=translate)
