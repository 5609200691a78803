"""Rate limits that fill up again while time passes, and the headers that tell of them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

PERIOD_S = 60.0


class Bucket:
    """So many units a minute: spent at once, given back evenly."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start full with LIMIT units; CLOCK gives seconds."""
        self.limit = limit
        self._clock = clock
        self._spent = 0.0
        self._at = clock()
        self._lock = threading.Lock()

    def spend(self, units: int) -> None:
        """Take UNITS, as far as there are any."""
        with self._lock:
            self._refill()
            self._spent = min(self._spent + units, float(self.limit))

    @property
    def remaining(self) -> int:
        """Whole units that are left."""
        with self._lock:
            self._refill()
            return int(self.limit - self._spent)

    @property
    def reset_s(self) -> float:
        """Seconds until the bucket is full again."""
        with self._lock:
            self._refill()
            return self._spent / self.limit * PERIOD_S

    @property
    def wait_s(self) -> float:
        """Seconds until a whole unit is left."""
        with self._lock:
            self._refill()
            return max(self._spent - self.limit + 1, 0.0) / self.limit * PERIOD_S

    def _refill(self) -> None:
        now = self._clock()
        self._spent = max(self._spent - (now - self._at) * self.limit / PERIOD_S, 0.0)
        self._at = now


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one model: requests, and tokens in both directions and in each."""

    requests: Bucket
    tokens: Bucket
    input_tokens: Bucket
    output_tokens: Bucket

    def spend_tokens(self, input_tokens: int, output_tokens: int) -> None:
        """Take the tokens of one call."""
        self.input_tokens.spend(input_tokens)
        self.output_tokens.spend(output_tokens)
        self.tokens.spend(input_tokens + output_tokens)

    def exhausted(self) -> tuple[str, Bucket] | None:
        """The limit that allows no further call, with its name."""
        named = {
            "requests": self.requests,
            "tokens": self.tokens,
            "input tokens": self.input_tokens,
            "output tokens": self.output_tokens,
        }
        return next(((name, bucket) for name, bucket in named.items() if bucket.remaining < 1), None)


@dataclass(slots=True)
class LimitBook:
    """The limits of every model that was asked for."""

    requests_per_minute: int
    tokens_per_minute: int
    _by_model: dict[tuple[str, str], Limits] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def limits(self, provider: str, model: str) -> Limits:
        """The limits of MODEL; a fifth of the tokens may be output."""
        with self._lock:
            found = self._by_model.get((provider, model))
            if found is None:
                tokens, output = self.tokens_per_minute, max(self.tokens_per_minute // 5, 1)
                sizes = (self.requests_per_minute, tokens, max(tokens - output, 1), output)
                found = self._by_model[provider, model] = Limits(*map(Bucket, sizes))
            return found


def go_duration(seconds: float) -> str:
    """SECONDS as Go writes a duration, which is what OpenAI sends: "0s", "120ms", "8.64s", "6m0s"."""
    milliseconds = round(seconds * 1_000)
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest / 1_000:g}s"


def rfc3339(seconds: float) -> str:
    """The time in SECONDS from now, in whole seconds, as Anthropic sends it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
