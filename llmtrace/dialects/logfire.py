"""Logfire's instrumentations of OpenAI's and Anthropic's SDKs, and Pydantic AI's own spans, which share its ways.

They use OpenTelemetry's names, and `gen_ai.usage.raw` for the provider's usage object. A call that is streamed makes a
span that is over before the first chunk, and a log, a span without a length, that reports the usage at the end: the
report is the call. Agents have the totals of their calls under other names, and are none.

Source: https://github.com/pydantic/logfire, `logfire/_internal/integrations/llm_providers`
"""

from collections.abc import Iterable

from llmtrace import semconv as s
from llmtrace.codec import STATUS_ERROR
from llmtrace.dialects import otel
from llmtrace.dialects.base import Dialect, Said, is_below, mapping, text
from llmtrace.dialects.usage import take_usage
from llmtrace.model import Call, Span
from llmtrace.providers import find_usage

SPAN_TYPE = "logfire.span_type"
DURATION_S = "duration"
RAW = "gen_ai.usage.raw"
REQUEST_DATA = "request_data"
# What `request_data` holds where it is not the whole request.
LITTLE = frozenset({"model", "stream"})
ANSWERED = (s.RESPONSE_ID, s.RESPONSE_FINISH_REASONS, s.USAGE_INPUT_TOKENS, RAW)


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    if span.attributes.get(SPAN_TYPE) == "pending_span" or _opens_a_stream(span):
        return None
    said = otel.translate(span)
    if said is None:
        return None
    take_usage(said, find_usage(text(said, s.PROVIDER_NAME) or ""), mapping(said.get(RAW)))
    asked = mapping(said.get(REQUEST_DATA))
    if isinstance(tier := asked.get("service_tier"), str):
        said.setdefault(s.REQUEST_SERVICE_TIER, tier)
    # Where no answer told the model, the request's stands in its place.
    if s.RESPONSE_ID not in said and said.get(s.RESPONSE_MODEL) == said.get(s.REQUEST_MODEL):
        said.pop(s.RESPONSE_MODEL, None)
    if _is_report(span) or asked.get("stream") is True:
        said[s.REQUEST_STREAM] = True
    return said


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    if mapping(span.attributes.get(REQUEST_DATA)).keys() <= LITTLE:
        yield from otel.doubt_tier(call)


def find_start(span: Span) -> int:
    """When the call began that SPAN tells of; of a stream, when its first chunk was asked for."""
    duration_s = span.attributes.get(DURATION_S)
    if _is_report(span) and isinstance(duration_s, float) and 0 <= duration_s < span.start_ns / 1e9:
        return span.start_ns - round(duration_s * 1e9)
    return span.start_ns


def _is_report(span: Span) -> bool:
    return span.attributes.get(SPAN_TYPE) == "log"


def _opens_a_stream(span: Span) -> bool:
    """Whether SPAN ended without an answer or an error, as nothing but the opening of a stream does."""
    is_open = is_below(span.scope, ("logfire",)) and span.status_code != STATUS_ERROR and not _is_report(span)
    return is_open and not any(name in span.attributes for name in ANSWERED)


DIALECT = Dialect(
    name="logfire",
    scopes=("logfire", "pydantic-ai"),
    signature=("logfire.msg_template",),
    translate=translate,
    find_doubts=find_doubts,
    find_start=find_start,
)
