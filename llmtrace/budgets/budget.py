"""A budget: what it covers, how much may be spent in which time, and what happens when that is used up."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_UP, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from llmtrace.budgets.ledger import Figures, Limits
from llmtrace.budgets.ledger_file import SUFFIX
from llmtrace.budgets.windows import PERIODS, Period, find_zone
from llmtrace.errors import BudgetExceeded, ConfigError

OnExceed: TypeAlias = Literal["raise", "warn"] | Callable[[BudgetExceeded], Any]
WARN_AT = (0.5, 0.8, 1.0)
NANO = 10**9
MOST_SHARES = 32
UNTAGGED = ""


@dataclass(frozen=True)
class Budget:
    """What was asked for. `feature` None covers all calls; a pattern gives each feature that it matches its own."""

    name: str
    feature: str | None
    model: str | None
    provider: str | None
    usd: Decimal | None
    per: Period
    timezone: str
    on_exceed: OnExceed
    warn_at: tuple[float, ...]
    on_warn: Callable[["BudgetState"], Any] | None
    unknown: Literal["allow", "block"]
    on_error: Literal["allow", "block"]
    calls_per_minute: int | None
    usd_per_minute: Decimal | None
    source: str = "code"
    zone: tzinfo = field(default=UTC, compare=False)

    @property
    def limits(self) -> Limits:
        """The limits, in the ledger's units."""
        return Limits(to_nano(self.usd), self.calls_per_minute, to_nano(self.usd_per_minute))

    def covers(self, feature: str | None, model: str | None, provider: str) -> bool:
        """Whether a call of FEATURE to MODEL of PROVIDER is in this budget."""
        return (
            (self.feature is None or fnmatchcase(feature or UNTAGGED, self.feature))
            and (self.model is None or fnmatchcase(model or "", self.model))
            and (self.provider is None or fnmatchcase(provider, self.provider))
        )

    @property
    def is_per_feature(self) -> bool:
        """Whether each feature has a budget of its own."""
        return self.feature is not None and any(c in self.feature for c in "*?[")

    def ledger_name(self, feature: str | None) -> str:
        """The file name of the ledger for calls of FEATURE."""
        own = feature or UNTAGGED if self.is_per_feature else ""
        key = "\0".join([self.name, self.per, self.timezone, own])
        readable = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{self.name}-{own}" if own else self.name)[:60]
        return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}{SUFFIX}"

    def definition(self, feature: str | None) -> dict[str, Any]:
        """What the ledger for calls of FEATURE says of this budget, as JSON can hold it."""
        return {
            "name": self.name,
            "feature": (feature or UNTAGGED) if self.is_per_feature else self.feature,
            "model": self.model,
            "provider": self.provider,
            "usd": str(self.usd) if self.usd is not None else None,
            "per": self.per,
            "timezone": self.timezone,
            "on_exceed": self.on_exceed if isinstance(self.on_exceed, str) else "callable",
            "unknown": self.unknown,
            "calls_per_minute": self.calls_per_minute,
            "usd_per_minute": str(self.usd_per_minute) if self.usd_per_minute is not None else None,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a budget stands: money in dollars, times in UTC. `share` is what is spent of the limit, if there is one."""

    name: str
    feature: str | None
    limit_usd: Decimal | None
    spent_usd: Decimal
    reserved_usd: Decimal
    per: str
    window_start: datetime
    window_end: datetime
    calls: int
    refused_calls: int
    unpriced_calls: int
    share: float | None

    @classmethod
    def of(cls, definition: Mapping[str, Any], figures: Figures) -> "BudgetState":
        """The state of the budget with DEFINITION, whose ledger has FIGURES."""
        limit = Decimal(definition["usd"]) if definition.get("usd") is not None else None
        spent = to_usd(figures.spent_nano)
        return cls(
            name=definition["name"],
            feature=definition.get("feature"),
            limit_usd=limit,
            spent_usd=spent,
            reserved_usd=to_usd(figures.reserved_nano),
            per=definition["per"],
            window_start=datetime.fromtimestamp(figures.window.start_s, UTC),
            window_end=datetime.fromtimestamp(figures.window.end_s, UTC),
            calls=figures.calls,
            refused_calls=figures.refused_calls,
            unpriced_calls=figures.unpriced_calls,
            share=float(spent / limit) if limit else None,
        )


def make_budget(**given: Any) -> Budget:
    """The budget that GIVEN describes: `llmtrace.budget`'s arguments, or the keys of one `[[budgets]]` table.

    Raises:
        ConfigError: a value cannot be used; its `key` names which.
    """
    values = {**_DEFAULTS, **{k: v for k, v in given.items() if v is not None}}
    _require_known(values)
    usd, per_minute = _money("usd", values["usd"]), _money("usd_per_minute", values["usd_per_minute"])
    calls = values["calls_per_minute"]
    if usd is None and per_minute is None and calls is None:
        raise _wrong("usd", "a budget needs a limit: usd, usd_per_minute or calls_per_minute")
    if calls is not None and (isinstance(calls, bool) or not isinstance(calls, int) or calls < 0):
        raise _wrong("calls_per_minute", f"{calls!r} is no number of calls")
    for key in ("name", "feature", "model", "provider"):
        if values[key] is not None and not isinstance(values[key], str):
            raise _wrong(key, f"{values[key]!r} is no text")
    _require_choice(values, "per", PERIODS)
    _require_choice(values, "unknown", ("allow", "block"))
    _require_choice(values, "on_error", ("allow", "block"))
    if not callable(values["on_exceed"]):
        _require_choice(values, "on_exceed", ("raise", "warn"))
    try:
        zone = find_zone(str(values["timezone"]))
    except ConfigError as err:
        raise _wrong("timezone", str(err)) from None
    name = values["name"] or _name(values)
    values |= {"usd": usd, "usd_per_minute": per_minute, "warn_at": _shares(values["warn_at"])}
    return Budget(**{**values, "name": name, "zone": zone})


_DEFAULTS: dict[str, Any] = {
    "name": None, "feature": None, "model": None, "provider": None, "usd": None, "per": "day", "timezone": "UTC",
    "on_exceed": "warn", "warn_at": WARN_AT, "on_warn": None, "unknown": "allow", "on_error": "allow",
    "calls_per_minute": None, "usd_per_minute": None, "source": "code",
}  # fmt: skip
# What a table of the configuration file may say.
FILE_KEYS = frozenset(_DEFAULTS) - {"on_warn", "source"}


def to_nano(usd: Decimal | None) -> int | None:
    """USD in billionths, rounded up."""
    return None if usd is None else int((usd * NANO).to_integral_value(ROUND_UP))


def to_usd(nano: int) -> Decimal:
    """NANO billionths of a dollar as dollars."""
    return Decimal(nano).scaleb(-9)


def _name(values: Mapping[str, Any]) -> str:
    """A name for a budget that was given none: what it covers."""
    parts = [values[k] for k in ("feature", "model", "provider") if values[k] is not None]
    return f"{'/'.join(parts) if parts else 'all calls'} per {values['per']}"


def _require_known(values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - set(_DEFAULTS))
    if unknown:
        raise _wrong(unknown[0], f"a budget has no '{unknown[0]}'; it has {', '.join(sorted(FILE_KEYS))}")


def _require_choice(values: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> None:
    if values[key] not in choices:
        raise _wrong(key, f"{key}={values[key]!r} is none of {', '.join(repr(c) for c in choices)}")


def _money(key: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0 or amount > Decimal(10) ** 9:
        raise _wrong(key, f"{key}={value!r} is no amount of dollars")
    return amount


def _shares(value: Any) -> tuple[float, ...]:
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if (
        not all(isinstance(v, int | float) and not isinstance(v, bool) and 0 < v <= 10 for v in listed)
        or len(listed) > 32
    ):
        raise _wrong("warn_at", f"warn_at={value!r} is no list of shares such as [0.5, 0.8, 1.0]")
    return tuple(sorted(float(v) for v in listed))


def _wrong(key: str, message: str) -> ConfigError:
    err = ConfigError(message)
    err.key = key  # type: ignore[attr-defined]
    return err
