"""What an invocation needs of those around it."""

from typing import TYPE_CHECKING, Protocol

from llmtrace.model import Call

if TYPE_CHECKING:
    from llmtrace.instrument.invocation import Invocation


class Sink(Protocol):
    """Where a finished invocation goes."""

    def put(self, invocation: "Invocation") -> None:
        """Take INVOCATION, without waiting and without raising."""

    def put_lines(self, invocation: "Invocation", block: bytes) -> None:
        """Take BLOCK, lines of the results that INVOCATION reads, likewise."""


class Reader(Protocol):
    """What reads the bytes of a response that the caller reads."""

    def feed(self, piece: bytes) -> None:
        """Take the next PIECE."""

    def finish(self) -> None:
        """The caller has read to the end, or as far as it will."""


class Shared(Protocol):
    """The span of a call in the app's own OpenTelemetry pipeline."""

    def end(self, invocation: "Invocation") -> None:
        """End it with what is known of INVOCATION."""


class Permit(Protocol):
    """The leave to make a call, and what it holds of budgets."""

    def settle(self, call: Call) -> None:
        """CALL has ended: put what it cost in the place of what it was given leave for."""

    def release(self) -> None:
        """The call was never made."""
