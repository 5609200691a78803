"""Spans of other instrumentations, read as our own calls. A new dialect is one module and one entry in `DIALECTS`.

A dialect says a span in OpenTelemetry's newest names; the codec that reads our own spans reads the result. A span that
is no call to a provider (a tool, a chain, an agent with the totals of the calls below it) is read as None.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from llmtrace import codec, semconv
from llmtrace.dialects import (
    anthropic_sdk,
    langfuse,
    litellm,
    logfire,
    mistral_sdk,
    openinference,
    openllmetry,
    otel,
    vercel,
)
from llmtrace.dialects.base import Dialect, Reading, is_below
from llmtrace.dialects.common import complete, find_common_doubts
from llmtrace.dialects.usage import settle
from llmtrace.model import Attributes, Span

__all__ = ["DIALECTS", "Dialect", "Reading", "find_dialect", "read"]

# In the order in which attributes are looked at, where the scope says nothing.
DIALECTS: tuple[Dialect, ...] = (
    anthropic_sdk.DIALECT,
    openinference.DIALECT,
    litellm.DIALECT,
    langfuse.DIALECT,
    logfire.DIALECT,
    mistral_sdk.DIALECT,
    openllmetry.DIALECT,
    vercel.DIALECT,
    otel.NEW,
    otel.OLD,
)


def read(span: Span) -> Reading | None:
    """The call that SPAN tells of, or None when it is not a call to a provider."""
    if span.scope == semconv.SCOPE_NAME:
        own = codec.decode(span)
        return None if own is None else Reading(own)
    dialect = find_dialect(span)
    said = None if dialect is None else dialect.translate(span)
    if dialect is None or said is None:
        return None
    complete(said, span)
    unsettled = settle(said, span.scope)
    is_error = semconv.ERROR_TYPE in said
    call = codec.decode(
        replace(
            span,
            attributes=said,
            start_ns=dialect.find_start(span),
            status_code=codec.STATUS_ERROR if is_error else span.status_code,
        )
    )
    if call is None:
        return None
    doubts = [*([unsettled] if unsettled else []), *find_common_doubts(call), *dialect.find_doubts(span, call)]
    return Reading(call, "; ".join(doubts) or None)


def find_dialect(span: Span) -> Dialect | None:
    """The dialect of SPAN: its scope's, else the first whose signature its attributes have."""
    known = _by_scope(span.scope)
    return known or next((d for d in DIALECTS if _is_signed(span.attributes, d.signature)), None)


@lru_cache(maxsize=1024)
def _by_scope(scope: str) -> Dialect | None:
    return next((d for d in DIALECTS if is_below(scope, d.scopes)), None)


def _is_signed(attributes: Attributes, signature: Iterable[str]) -> bool:
    return any(
        any(name.startswith(mark) for name in attributes) if mark.endswith(".") else mark in attributes
        for mark in signature
    )
