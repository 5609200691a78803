"""Where a call stands in a trace."""

import sys

from llmtrace.feature import Scope
from llmtrace.ids import new_trace_id


def place_in_trace(scope: Scope | None) -> tuple[str, str | None]:
    """Trace id and parent: the app's current OpenTelemetry span, else the trace of the outermost feature scope.

    OpenTelemetry is asked only where the app has loaded it: without it there is no current span.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return (scope.trace_id if scope is not None else new_trace_id()), None
