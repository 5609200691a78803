"""What the simulator's providers charge for: every use that was answered, and whatever else is put on the bill."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from llmtrace.simulator.protocol import Asked, Reply
from llmtrace.simulator.rates import Charge, find_rate

OPENAI, ANTHROPIC = "openai", "anthropic"
STANDARD = {OPENAI: "default", ANTHROPIC: "standard"}
PER_MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Use:
    """What one request, or a batch of them, used: `counts` by token class, and searches as `web_search`.

    `scope` is the project or workspace that pays, `key` the id of the API key; None where there is none.
    """

    at: datetime
    provider: str
    model: str
    counts: Mapping[str, int]
    tier: str
    is_batch: bool = False
    is_embedding: bool = False
    scope: str | None = None
    key: str | None = None
    requests: int = 1

    @classmethod
    def of(
        cls,
        provider: str,
        model: str,
        usage: Mapping[str, Any],
        *,
        at: datetime | str | None = None,
        service_tier: str | None = None,
        batch: bool = False,
        scope: str | None = None,
        key: str | None = None,
        times: int = 1,
    ) -> "Use":
        """TIMES requests of USAGE, as an answer of PROVIDER states it.

        Raises:
            ValueError: there is no such PROVIDER, or AT is no time.
        """
        if provider not in STANDARD:
            raise ValueError(f"provider must be one of {', '.join(STANDARD)}")
        return cls(
            utc(datetime.fromisoformat(at) if isinstance(at, str) else at),
            provider,
            model,
            {name: count * times for name, count in read_counts(provider, usage).items()},
            service_tier or STANDARD[provider],
            batch,
            model.startswith("text-embedding-"),
            scope,
            key,
            times,
        )


@dataclass(slots=True)
class Ledger:
    """All uses so far, and the rates that differ from the printed ones. It may be used from any thread."""

    _uses: list[Use] = field(default_factory=list)
    _charges: list[Charge] = field(default_factory=list)
    _billed_ids: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, provider: str, at: datetime, asked: Asked, reply: Reply) -> None:
        """Charge for REPLY to what was ASKED AT; a response that is told again is charged once.

        Azure's OpenAI is on Microsoft's bill, which nobody serves here.
        """
        if reply.usage is None or provider not in STANDARD:
            return
        model = str(reply.body.get("model") or asked.fields.get("model"))
        tier = (reply.body if provider == OPENAI else reply.usage).get("service_tier")
        use = Use(
            at,
            provider,
            model,
            read_counts(provider, reply.usage),
            str(tier or STANDARD[provider]),
            is_embedding=asked.path.endswith("/embeddings"),
            scope=asked.headers.get("openai-project") if provider == OPENAI else None,
        )
        with self._lock:
            if reply.response_id is not None and reply.response_id in self._billed_ids:
                return
            self._billed_ids.add(reply.response_id or "")
            self._uses.append(use)

    def add(self, use: Use) -> None:
        """Charge for USE, which nobody asked this simulator for."""
        with self._lock:
            self._uses.append(use)

    def charge(self, charge: Charge) -> None:
        """Use the rate of CHARGE from its time on."""
        with self._lock:
            self._charges.append(charge)

    def clear(self) -> None:
        """Forget what was used; rates stay."""
        with self._lock:
            self._uses.clear()

    def uses(self, provider: str) -> list[Use]:
        """The uses of PROVIDER, in the order of their times."""
        with self._lock:
            return sorted((use for use in self._uses if use.provider == provider), key=lambda use: use.at)

    def costs(self, use: Use) -> Iterator[tuple[str, int, Decimal]]:
        """Token class, count and US dollars of each part of USE; a part without a rate is left out."""
        with self._lock:
            charges = tuple(self._charges)
        for token_class, count in use.counts.items():
            rate = find_rate(charges, use.model, token_class, "batch" if use.is_batch else use.tier, use.at)
            if count and rate is not None:
                yield token_class, count, rate * count / PER_MTOK


def read_counts(provider: str, usage: Mapping[str, Any]) -> dict[str, int]:
    """USAGE, as an answer of PROVIDER states it, by token class."""
    return _openai_counts(usage) if provider == OPENAI else _anthropic_counts(usage)


def _openai_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    total = _count(usage, "prompt_tokens", "input_tokens")
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    return {
        "input_uncached": total - cached - written,
        "input_cached": cached,
        "cache_write": written,
        "output": _count(usage, "completion_tokens", "output_tokens"),
    }


def _anthropic_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    created = usage.get("cache_creation") or {}
    hour = _count(created, "ephemeral_1h_input_tokens")
    return {
        "input_uncached": _count(usage, "input_tokens"),
        "input_cached": _count(usage, "cache_read_input_tokens"),
        "cache_write_5m": _count(usage, "cache_creation_input_tokens") - hour,
        "cache_write_1h": hour,
        "output": _count(usage, "output_tokens"),
        "web_search": _count(usage.get("server_tool_use") or {}, "web_search_requests"),
    }


def _count(values: Mapping[str, Any], *names: str) -> int:
    return next((int(values[name]) for name in names if values.get(name) is not None), 0)


def utc(at: datetime | None) -> datetime:
    """AT in UTC, which a time without a zone is in; now where it is None."""
    if at is None:
        return datetime.now(UTC)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
