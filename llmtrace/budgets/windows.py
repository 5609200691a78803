"""Calendar windows: the hour, day, week or month that a moment lies in, by the clocks of a time zone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llmtrace.errors import ConfigError

Period: TypeAlias = Literal["hour", "day", "week", "month"]
PERIODS: tuple[str, ...] = get_args(Period)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start_s`, inclusive, to `end_s`, exclusive, in seconds since the epoch."""

    start_s: int
    end_s: int


def find_zone(name: str) -> tzinfo:
    """The time zone called NAME, such as `Europe/Berlin`.

    Raises:
        ConfigError: there is none.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ConfigError(f"'{name}' is no time zone; write one such as 'UTC' or 'Europe/Berlin'") from err


def window_of(now_s: float, per: Period, zone: tzinfo) -> Window:
    """The window of PER in ZONE that holds NOW_S. Days have 23 or 25 hours where clocks are changed."""
    now = datetime.fromtimestamp(now_s, zone)
    if per == "hour":
        offset_s = int((now.utcoffset() or timedelta()).total_seconds())
        start_s = (int(now_s) + offset_s) // 3600 * 3600 - offset_s
        return Window(start_s, start_s + 3600)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    begin, end = _DAYS[per](midnight)
    return Window(int(begin.timestamp()), int(end.timestamp()))


def _week(midnight: datetime) -> tuple[datetime, datetime]:
    monday = midnight - timedelta(days=midnight.weekday())
    return monday, monday + timedelta(days=7)


def _month(midnight: datetime) -> tuple[datetime, datetime]:
    first = midnight.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


_DAYS: dict[str, Callable[[datetime], tuple[datetime, datetime]]] = {
    "day": lambda midnight: (midnight, midnight + timedelta(days=1)),
    "week": _week,
    "month": _month,
}
