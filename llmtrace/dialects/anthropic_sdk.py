"""The spans that Anthropic's own SDK emits (1.14 and later), where an app exports them.

They use the newest OpenTelemetry names, and tell more of the usage than any other foreign span: enough to write down
the provider's usage object again, so that cache writes are billed by their time to live.

Source: https://github.com/anthropics/anthropic-sdk-python, `anthropic/lib/_tracing`
"""

import json
from collections.abc import Iterable
from typing import Any

from llmtrace import semconv as s
from llmtrace.dialects import otel
from llmtrace.dialects.base import Dialect, Said, fill, text, whole
from llmtrace.model import Call, Span

REQUEST_ID = "anthropic.request.id"
SERVICE_TIER = "anthropic.response.service_tier"
STOP_REASON = "anthropic.message.stop_reason"
BETAS = "anthropic.beta"
TTL_5M = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"
TTL_1H = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
COMPACTION_INPUT = "anthropic.usage.compaction.input_tokens"
COMPACTION_OUTPUT = "anthropic.usage.compaction.output_tokens"
RENAMED = (
    (s.REQUEST_ID, (REQUEST_ID,)),
    (s.RESPONSE_SERVICE_TIER, (SERVICE_TIER,)),
    (s.REQUEST_SERVICE_TIER, ("anthropic.request.service_tier",)),
    (s.RESPONSE_FINISH_REASONS, (STOP_REASON,)),
)
# Betas whose price depends on parts of the usage object that the spans leave out.
UNTOLD_BETAS = ("advisor-tool", "fast-mode")


def translate(span: Span) -> Said | None:
    """SPAN in the newest names, or None where it is no call to a provider (a tool, a runner, a token count)."""
    if "count_tokens" in span.name or "batches" in span.name:
        return None
    said = fill(dict(span.attributes), span.attributes, RENAMED)
    translated = otel.translate(
        Span(span.trace_id, span.span_id, None, span.name, span.start_ns, span.end_ns, attributes=said)
    )
    if translated is None:
        return None
    usage = _usage(translated)
    if usage is not None:
        translated[s.USAGE_RAW] = json.dumps(usage, separators=(",", ":"))
        for name, key in ((s.USAGE_INPUT_TOKENS, COMPACTION_INPUT), (s.USAGE_OUTPUT_TOKENS, COMPACTION_OUTPUT)):
            translated[name] = (whole(translated, name) or 0) + (whole(translated, key) or 0)
    return translated


def find_doubts(span: Span, call: Call) -> Iterable[str]:
    """What SPAN leaves open about the cost of CALL."""
    betas = span.attributes.get(BETAS)
    names = betas if isinstance(betas, tuple) else (betas,)
    if any(str(name).startswith(UNTOLD_BETAS) for name in names):
        yield "the span does not tell the speed or the advisor's turns, which a beta of this request prices apart"


def _usage(said: Said) -> dict[str, Any] | None:
    """The provider's usage object, from which the SDK made the attributes; None where a count is missing."""
    total, output = whole(said, s.USAGE_INPUT_TOKENS), whole(said, s.USAGE_OUTPUT_TOKENS)
    if total is None or output is None:
        return None
    read, written = whole(said, s.USAGE_CACHE_READ_TOKENS), whole(said, s.USAGE_CACHE_WRITE_TOKENS)
    split = {
        name: count
        for name, key in (("ephemeral_5m_input_tokens", TTL_5M), ("ephemeral_1h_input_tokens", TTL_1H))
        if (count := whole(said, key)) is not None
    }
    usage: dict[str, Any] = {
        "input_tokens": total - (read or 0) - (written or 0),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "cache_creation": split or None,
        "output_tokens": output,
        "service_tier": text(said, SERVICE_TIER),
    }
    turn = {"input_tokens": whole(said, COMPACTION_INPUT), "output_tokens": whole(said, COMPACTION_OUTPUT)}
    if any(turn.values()):
        usage["iterations"] = [{"type": "compaction", **turn}]
    return {key: value for key, value in usage.items() if value is not None}


DIALECT = Dialect(
    name="anthropic_sdk",
    scopes=("com.anthropic.sdk",),
    signature=(REQUEST_ID, STOP_REASON),
    translate=translate,
    find_doubts=find_doubts,
)
