"""llmtrace as one of OpenTelemetry's instrumentations: `opentelemetry-instrument` finds it by its entry point.

Only that command loads this module, and brings the package that it imports.
"""

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # which opts out of mypy


class LlmtraceInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Switches llmtrace on with the rest; its settings come from the environment."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: an SDK is patched where there is one, whenever it is imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        from llmtrace.lifecycle import instrument

        instrument()

    def _uninstrument(self, **kwargs: Any) -> None:
        from llmtrace.lifecycle import uninstrument

        uninstrument()
