"""Calls as spans of the app's own OpenTelemetry provider, where `instrument(share_spans=True)` asks for them.

The span is started with the call, through the provider's public interface, so that the app's sampler, limits and
processors act on it; the call takes over its ids, so that journal and backend name the same span. It is ended on the
thread that ends the call, but where the garbage collector may be the one who does: then by the journal's thread.
"""

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from llmtrace import codec, semconv
from llmtrace.instrument.finished import to_call
from llmtrace.instrument.invocation import Invocation, in_flight
from llmtrace.instrument.loading import redactor_of
from llmtrace.instrument.quiet import quietly
from llmtrace.model import AttributeValue, Call

if TYPE_CHECKING:
    from opentelemetry.trace import Span as OtelSpan

NATIVE_TRACER = "_tracer"


class SharedSpans:
    """Starts the spans. DESCRIBE_COST gives the attributes that say what a call cost."""

    def __init__(self, describe_cost: Callable[[Call], Mapping[str, AttributeValue]]) -> None:
        """Nothing of OpenTelemetry is loaded or set here: the app's provider is looked up at each call."""
        self._describe_cost = describe_cost

    def begin(self, invocation: Invocation) -> None:
        """Start the span of INVOCATION, if the app has a provider and did not decide against this trace."""
        trace = sys.modules.get("opentelemetry.trace")
        # Not `get_tracer_provider()`, which may load and set a provider that the app has not asked for yet.
        provider = getattr(trace, "_TRACER_PROVIDER", None)
        if trace is None or provider is None:
            return
        caller = trace.get_current_span().get_span_context()
        if caller.is_valid and not caller.trace_flags.sampled:
            return
        request = invocation.request
        told = {
            semconv.OPERATION_NAME: request.operation,
            semconv.PROVIDER_NAME: request.provider,
            semconv.REQUEST_MODEL: request.model,
        }
        span = provider.get_tracer(semconv.SCOPE_NAME, schema_url=semconv.SCHEMA_URL).start_span(
            codec.span_name(request),
            kind=trace.SpanKind.CLIENT,
            start_time=invocation.started_at_ns,
            attributes={name: value for name, value in told.items() if value is not None},
        )
        context = span.get_span_context()
        if span.is_recording():
            invocation.trace_id, invocation.span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
            invocation.shared = SharedSpan(span, self._describe_cost)


class SharedSpan:
    """The app's span of one call."""

    def __init__(self, span: "OtelSpan", describe_cost: Callable[[Call], Mapping[str, AttributeValue]]) -> None:
        """SPAN is open."""
        self._span, self._describe_cost = span, describe_cost

    def end(self, invocation: Invocation) -> None:
        """End it with all that is known of INVOCATION, which has ended."""
        from opentelemetry.trace import Status, StatusCode

        invocation.shared = None
        call = invocation.call = to_call(invocation)
        span = self._span
        encoded = quietly(redactor_of(invocation.settings.home).attributes, codec.encode(call)) or {}
        for name, value in {**encoded, **(quietly(self._describe_cost, call) or {})}.items():
            span.set_attribute(name, value)
        if call.status == "error":
            span.set_status(Status(StatusCode.ERROR, call.error_type))
        span.end(end_time=call.started_at_ns + round(call.duration_s * 1e9))


class SilencedTracing:
    """An SDK's own tracing, silent for calls whose span is shared: they would stand in the app's traces twice."""

    def __init__(self, base_client: ModuleType) -> None:
        """Patch the tracer of BASE_CLIENT's clients, if they have one (anthropic from 1.14 on)."""
        owner = getattr(base_client, "BaseClient", None)
        # Other modules have the name too, of what is patched where it is defined.
        self._owner = owner if getattr(owner, "__module__", None) == base_client.__name__ else None
        self._original = vars(self._owner).get(NATIVE_TRACER) if self._owner is not None else None
        self._patched: property | None = None
        if isinstance(self._original, property) and self._original.fget is not None:
            self._patched = property(_silent_in_flight(self._original.fget))
            setattr(self._owner, NATIVE_TRACER, self._patched)

    def undo(self) -> None:
        """Give the SDK its tracer back."""
        if self._patched is not None and vars(self._owner).get(NATIVE_TRACER) is self._patched:
            setattr(self._owner, NATIVE_TRACER, self._original)


def _silent_in_flight(tracer_of: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def tracer(client: Any) -> Any:
        invocation = in_flight.get()
        return None if invocation is not None and invocation.shared is not None else tracer_of(client)

    return tracer
