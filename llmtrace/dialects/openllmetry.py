"""OpenLLMetry (Traceloop): OpenTelemetry's names of the day, its own for kinds, streams and associations.

Spans of workflows, tasks, agents and tools have a `traceloop.span.kind`; calls to providers have none.

Source: https://github.com/traceloop/openllmetry
"""

from collections.abc import Iterable

from llmtrace import semconv as s
from llmtrace.dialects import otel
from llmtrace.dialects.base import TOTAL_TOKENS, Aliases, Dialect, Said, fill, is_below, text
from llmtrace.model import Call, Span

KIND = "traceloop.span.kind"
REQUEST_TYPE = "llm.request.type"
OPERATIONS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}
CHUNK_EVENTS = frozenset({"gen_ai.content.completion.chunk", "llm.content.completion.chunk"})

RENAMED: Aliases = (
    (s.REQUEST_STREAM, ("gen_ai.is_streaming", "llm.is_streaming")),
    (s.REQUEST_MODEL, ("llm.request.model",)),
    (s.RESPONSE_MODEL, ("llm.response.model",)),
    (s.RESPONSE_FINISH_REASONS, ("gen_ai.response.finish_reason", "llm.response.finish_reason", "stop_reason")),
    (TOTAL_TOKENS, ("llm.usage.total_tokens",)),
    (s.USAGE_INPUT_TOKENS, ("llm.usage.prompt_tokens",)),
    (s.USAGE_OUTPUT_TOKENS, ("llm.usage.completion_tokens",)),
    (s.USAGE_REASONING_TOKENS, ("llm.usage.reasoning_tokens",)),
    (s.REQUEST_REASONING_LEVEL, ("gen_ai.request.reasoning_effort", "llm.request.reasoning_effort")),
    (s.REQUEST_FREQUENCY_PENALTY, ("llm.frequency_penalty",)),
    (s.REQUEST_PRESENCE_PENALTY, ("llm.presence_penalty",)),
)
SCOPES = tuple(
    f"opentelemetry.instrumentation.{name}"
    for name in (
        *("alephalpha", "anthropic", "bedrock", "cohere", "crewai", "google_generativeai", "groq", "haystack"),
        *("langchain", "llamaindex", "mistralai", "ollama", "openai", "openai_agents", "replicate", "sagemaker"),
        *("together", "transformers", "vertexai", "voyageai", "watsonx", "writer"),
    )
)
# It adds the count that opens a stream to the final one, which contains it.
SUMS_STREAMED_OUTPUT = ("opentelemetry.instrumentation.anthropic",)


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    if KIND in span.attributes:
        return None
    said = fill(dict(span.attributes), span.attributes, RENAMED)
    kind = OPERATIONS.get(text(span.attributes, REQUEST_TYPE) or "")
    if kind is not None:
        said.setdefault(s.OPERATION_NAME, kind)
    first = next((event.time_ns for event in span.events if event.name in CHUNK_EVENTS), None)
    if first is not None and first >= span.start_ns:
        said.setdefault(s.RESPONSE_TIME_TO_FIRST_CHUNK, (first - span.start_ns) / 1e9)
    plain = Span(span.trace_id, span.span_id, None, span.name, span.start_ns, span.end_ns, attributes=said)
    return otel.translate(plain)


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    if call.request.stream and is_below(span.scope, SUMS_STREAMED_OUTPUT):
        yield "the instrumentation counts the first output tokens of a stream twice"


DIALECT = Dialect(
    name="openllmetry",
    scopes=(*SCOPES, "traceloop"),
    signature=("traceloop.", REQUEST_TYPE, "gen_ai.is_streaming"),
    translate=translate,
    find_doubts=find_doubts,
)
