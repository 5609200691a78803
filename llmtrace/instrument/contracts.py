"""What the patches of an SDK need of the capture that made them."""

from collections.abc import Mapping
from typing import Any, Protocol

from llmtrace.config import Settings
from llmtrace.instrument.invocation import Invocation
from llmtrace.instrument.neighbours import Permit
from llmtrace.instrument.pipeline import Pipeline
from llmtrace.model import Request


class SharedSpans(Protocol):
    """What gives calls to the app's own OpenTelemetry pipeline too."""

    def begin(self, invocation: Invocation) -> None:
        """Start the span of INVOCATION there."""


class AttemptSpans(Protocol):
    """What traces the HTTP attempts of calls in flight."""

    def watch(self, client: Any) -> None:
        """Trace what CLIENT sends."""


class Gate(Protocol):
    """What is asked before a call is sent: budgets."""

    def admit(self, request: Request, body: Mapping[str, Any], feature: str | None) -> Permit | Exception | None:
        """A permit for a call of FEATURE with REQUEST, whose JSON is BODY; or the exception to raise in its place.

        None where there is nothing to keep account of.
        """

    def start_over(self) -> None:
        """In a forked child: what the parent holds is the parent's."""

    def close(self) -> None:
        """Give back what this process holds."""


class Capture(Protocol):
    """What the patches need to know of the capture that made them; a forked child changes its pipeline."""

    settings: Settings
    pipeline: Pipeline

    @property
    def gate(self) -> Gate | None:
        """What is asked before a call is sent, if anything is."""

    @property
    def attempt_spans(self) -> AttemptSpans | None:
        """What traces HTTP attempts, where they are to be traced."""

    @property
    def shared_spans(self) -> SharedSpans | None:
        """What shares calls, where they are to be shared."""
