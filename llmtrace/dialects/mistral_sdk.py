"""The spans that Mistral's own SDK emits where `MISTRAL_SDK_TELEMETRY` asks for them.

They use OpenTelemetry's names; a stream is known by the end of the URL alone.

Source: https://github.com/mistralai/client-python, `mistralai/extra/observability`
"""

from llmtrace import semconv as s
from llmtrace.dialects import otel
from llmtrace.dialects.base import Dialect, Said, text
from llmtrace.model import Span

STREAMED = "#stream"


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider."""
    said = otel.translate(span)
    if said is not None and (text(said, "http.url") or "").endswith(STREAMED):
        said[s.REQUEST_STREAM] = True
    return said


DIALECT = Dialect(
    name="mistral_sdk",
    scopes=("mistralai_sdk_tracer",),
    signature=("mistral_ai.error.code",),
    translate=translate,
    find_doubts=otel.find_doubts,
)
