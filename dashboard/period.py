"""Which span of time a page is about, the span before it, and how it is cut into buckets. All times are naive UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

ALL, MONTH, DATES = "all", "MTD", "dates"
LENGTHS = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "14d": timedelta(days=14),
    "30d": timedelta(days=30),
}
RANGES = (*LENGTHS, MONTH, ALL, DATES)
DEFAULT_RANGE = "7d"
AUTO = "auto"
BUCKETS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
# Finer than this, a chart has more bars than pixels.
FINEST = ((timedelta(days=15), "hour"), (timedelta(days=400), "day"))
AUTOMATIC = ((timedelta(days=2), "hour"), (timedelta(days=93), "day"))


@dataclass(frozen=True, slots=True)
class Period:
    """The time from `since` to `until`: without `since` from the first call on, without `until` up to now.

    `start` and `end` are its ends in any case; `title` says it in words, as in `the last 7 days`.
    """

    title: str
    since: datetime | None
    until: datetime | None
    start: datetime
    end: datetime

    def options(self) -> dict[str, datetime]:
        """The filter that it is."""
        ends = {"since": self.since, "until": self.until}
        return {name: at for name, at in ends.items() if at is not None}


def period_of(chosen: str, dates: Sequence[date], now: datetime, first_call_at: datetime | None) -> Period:
    """The period that CHOSEN of `RANGES` names at NOW; DATES are the first and the last day for `dates`.

    It begins on the minute, so that its answers serve for a minute.
    """
    minute = now.replace(second=0, microsecond=0)
    if chosen == DATES and dates:
        first = datetime.combine(dates[0], time())
        after = datetime.combine(dates[-1], time()) + timedelta(days=1)
        last = after - timedelta(days=1)
        title = f"the days from {_day(first)} to {_day(last)}" if last > first else f"the day {_day(first)}"
        return Period(title, first, after, first, min(after, max(now, first)))
    if chosen == ALL:
        return Period("all recorded time", None, None, min(first_call_at or minute, minute), now)
    if chosen == MONTH:
        first = minute.replace(day=1, hour=0, minute=0)
        return Period("this month to date", first, None, first, now)
    length = LENGTHS.get(chosen, LENGTHS[DEFAULT_RANGE])
    days = length // timedelta(days=1)
    title = "the last 24 hours" if days == 1 else f"the last {days} days"
    return Period(title, minute - length, None, minute - length, now)


def period_before(chosen: str, period: Period) -> Period | None:
    """The period before PERIOD, which CHOSEN named: as long; for a month to date, as much of the month before."""
    if period.since is None:
        return None
    elapsed = period.end - period.start
    if chosen == MONTH:
        first = (period.start - timedelta(days=1)).replace(day=1)
        until = min(first + elapsed, period.start)
        return Period("the same days of last month", first, until, first, until)
    span = (period.until or period.end.replace(second=0, microsecond=0)) - period.start
    since = period.start - span
    until = since + min(elapsed, span)
    title = period.title.replace("the last", "the previous") if chosen in LENGTHS else "the days before"
    return Period(title, since, until, since, until)


def bucket_of(period: Period, wanted: str = AUTO) -> str:
    """WANTED, or what suits PERIOD where that is `auto` or too fine for it."""
    length = period.end - period.start
    coarsest_fitting = next((name for most, name in FINEST if length <= most), "week")
    if wanted in BUCKETS and BUCKETS[wanted] >= BUCKETS[coarsest_fitting]:
        return wanted
    automatic = next((name for most, name in AUTOMATIC if length <= most), "week")
    return coarsest_fitting if wanted in BUCKETS else automatic


def bucket_start(at: datetime, bucket: str) -> datetime:
    """When the bucket that AT is in began; weeks begin on Mondays."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if bucket == "day" else day - timedelta(days=day.weekday())


def grid(period: Period, bucket: str) -> list[datetime]:
    """When each bucket of PERIOD begins, those without calls included."""
    step = BUCKETS[bucket]
    at = bucket_start(period.start, bucket)
    found: list[datetime] = []
    while at < period.end or not found:
        found.append(at)
        at += step
    return found


def is_partial(at: datetime, bucket: str, period: Period) -> bool:
    """Whether PERIOD covers only a part of the bucket that begins AT: at its start, or because it is still filling."""
    cut = period.since is not None and at < period.start
    return cut or at + BUCKETS[bucket] > period.end


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"
