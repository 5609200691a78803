"""What can go wrong with a provider, on demand and at random."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from llmtrace.simulator.script import Aimed, Script, Target
from llmtrace.simulator.text import seeded

# What a provider's own trouble looks like; each value is as likely as the others.
USUAL_STATUSES = {"openai": (429, 500, 503), "azure": (429, 500, 503), "anthropic": (429, 500, 529)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Aimed):
    """One thing that goes wrong with one request; `a | b` is both at once.

    Use the constructors below. `status_code` is the HTTP error, or the error in the stream when `error_after` says
    after how many events it comes; `code` picks among the errors of a status ("insufficient_quota"). Counts of events
    and chunks start at 0: after none at all. A fault that leaves a field at its default leaves that part alone.
    """

    status_code: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after_s: float | None = None
    retry_after_ms: float | None = None
    should_retry: bool | None = None
    delay_s: float = 0.0
    hangs: bool = False
    resets: bool = False
    cut_after: int | None = None
    error_after: int | None = None
    is_malformed: bool = False
    omits_usage: bool = False
    chunk_delay_s: float | None = None
    is_gzipped: bool = False

    @classmethod
    def status(
        cls,
        status_code: int,
        *,
        code: str | None = None,
        message: str | None = None,
        retry_after_s: float | None = None,
        retry_after_ms: float | None = None,
        should_retry: bool | None = None,
    ) -> "Fault":
        """An HTTP error in the provider's own envelope; only the headers that are given are sent."""
        return cls(
            status_code=status_code,
            code=code,
            message=message,
            retry_after_s=retry_after_s,
            retry_after_ms=retry_after_ms,
            should_retry=should_retry,
        )

    @classmethod
    def delay(cls, seconds: float) -> "Fault":
        """Wait SECONDS before the first byte of the answer, which is otherwise normal."""
        return cls(delay_s=seconds)

    @classmethod
    def hang(cls) -> "Fault":
        """Never answer; the connection stays open until the client or the simulator closes it."""
        return cls(hangs=True)

    @classmethod
    def reset(cls) -> "Fault":
        """Reset the TCP connection instead of answering."""
        return cls(resets=True)

    @classmethod
    def drop(cls, after_chunks: int = 1) -> "Fault":
        """Close the connection after so many chunks of a stream, or half-way through a body."""
        return cls(cut_after=after_chunks)

    @classmethod
    def stream_error(cls, after_events: int = 2, *, status: int = 529, message: str | None = None) -> "Fault":
        """Send the error of STATUS inside a stream after so many events, and end there."""
        return cls(error_after=after_events, status_code=status, message=message, stream=True)

    @classmethod
    def malformed(cls) -> "Fault":
        """Send JSON that breaks off: the body, or the second event of a stream."""
        return cls(is_malformed=True)

    @classmethod
    def no_usage(cls) -> "Fault":
        """Leave the usage out, of a body as of a stream that was asked for it."""
        return cls(omits_usage=True)

    @classmethod
    def slow(cls, chunk_delay_s: float) -> "Fault":
        """Wait so long between the events of a stream."""
        return cls(chunk_delay_s=chunk_delay_s, stream=True)

    @classmethod
    def gzip(cls) -> "Fault":
        """Compress the answer, events of a stream one by one."""
        return cls(is_gzipped=True)

    def on(self, *, provider: str | None = None, model: str | None = None, stream: bool | None = None) -> "Fault":
        """The same, but only for requests with these traits."""
        return replace(self, provider=provider, model=model, stream=self.stream if stream is None else stream)

    def __or__(self, other: "Fault") -> "Fault":
        """Both at once; where both say something, OTHER does."""
        return replace(self, **other.as_json())

    def as_json(self) -> dict[str, Any]:
        """The fields that differ from their defaults."""
        defaults = {f.name: f.default for f in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    def retry_headers(self) -> dict[str, str]:
        """The headers that tell an SDK when and whether to try again."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["retry-after"] = f"{self.retry_after_s:g}"
        if self.retry_after_ms is not None:
            headers["retry-after-ms"] = f"{self.retry_after_ms:g}"
        if self.should_retry is not None:
            headers["x-should-retry"] = "true" if self.should_retry else "false"
        return headers


@dataclass(frozen=True, slots=True)
class FaultSource:
    """Where a request gets its fault from: the script, else by chance.

    Chance depends on the seed and the number of the request alone, so that the same run fails at the same places.
    `pool` is what is drawn from; empty means the provider's usual errors.
    """

    script: Script[Fault]
    seed: int = 0
    error_rate: float = 0.0
    pool: tuple[Fault, ...] = ()

    def take(self, target: Target, number: int) -> Fault | None:
        """The fault of request NUMBER, or None."""
        if (scripted := self.script.take(target)) is not None:
            return scripted
        if not self.error_rate:
            return None
        rng = seeded(self.seed, "fault", number)
        if rng.random() >= self.error_rate:
            return None
        usual = (Fault.status(status) for status in USUAL_STATUSES[target.provider])
        fitting = [fault for fault in self.pool or usual if fault.suits(target)]
        return rng.choice(fitting) if fitting else None
