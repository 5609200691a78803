"""What the patches of an SDK need of the capture that made them."""

from typing import Any, Protocol

from llmtrace.config import Settings
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.pipeline import Pipeline


class SharedSpans(Protocol):
    """What gives calls to the app's own OpenTelemetry pipeline too."""

    def begin(self, invocation: Invocation) -> None:
        """Start the span of INVOCATION there."""


class AttemptSpans(Protocol):
    """What traces the HTTP attempts of calls in flight."""

    def watch(self, client: Any) -> None:
        """Trace what CLIENT sends."""


class Capture(Protocol):
    """What the patches need to know of the capture that made them; a forked child changes its pipeline."""

    settings: Settings
    pipeline: Pipeline

    @property
    def attempt_spans(self) -> AttemptSpans | None:
        """What traces HTTP attempts, where they are to be traced."""

    @property
    def shared_spans(self) -> SharedSpans | None:
        """What shares calls, where they are to be shared."""
