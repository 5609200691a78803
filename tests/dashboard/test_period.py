from datetime import date, datetime, timedelta

import pytest
from llmtrace.dashboard import period as p

NOW = datetime(2026, 11, 20, 15, 30, 12)


def chosen(name: str, *dates: date, first: datetime | None = None) -> p.Period:
    return p.period_of(name, dates, NOW, first)


@pytest.mark.parametrize("name", p.LENGTHS)
def test_a_rolling_period_is_exactly_as_long_as_it_says(name: str) -> None:
    now = chosen(name)
    before = p.period_before(name, now)
    assert before is not None
    assert now.start == NOW.replace(second=0) - p.LENGTHS[name]
    assert now.until is None
    assert before.end == now.start
    assert before.end - before.start == p.LENGTHS[name]


def test_a_month_to_date_is_compared_with_as_much_of_the_month_before() -> None:
    now = chosen(p.MONTH)
    before = p.period_before(p.MONTH, now)
    assert before is not None
    assert now.since == datetime(2026, 11, 1)
    assert (before.start, before.end) == (datetime(2026, 10, 1), datetime(2026, 10, 1) + (NOW - datetime(2026, 11, 1)))


def test_dates_include_the_last_day() -> None:
    period = chosen(p.DATES, date(2026, 11, 1), date(2026, 11, 3))
    assert (period.since, period.until) == (datetime(2026, 11, 1), datetime(2026, 11, 4))
    before = p.period_before(p.DATES, period)
    assert before is not None
    assert (before.start, before.end) == (datetime(2026, 10, 29), datetime(2026, 11, 1))


def test_dates_that_are_not_over_are_compared_with_as_much_of_the_days_before() -> None:
    period = chosen(p.DATES, date(2026, 11, 20))
    before = p.period_before(p.DATES, period)
    assert before is not None
    assert before.end == NOW - timedelta(days=1)


def test_all_time_begins_with_the_first_call_and_is_compared_with_nothing() -> None:
    period = chosen(p.ALL, first=datetime(2026, 3, 1, 4))
    assert period.options() == {}
    assert period.start == datetime(2026, 3, 1, 4)
    assert p.period_before(p.ALL, period) is None


def test_a_bucket_is_no_finer_than_a_chart_can_show() -> None:
    assert p.bucket_of(chosen("24h")) == "hour"
    assert p.bucket_of(chosen("30d")) == "day"
    assert p.bucket_of(chosen("30d"), "hour") == "day"
    assert p.bucket_of(chosen("14d"), "hour") == "hour"
    assert p.bucket_of(chosen(p.ALL, first=datetime(2020, 1, 1)), "day") == "week"
    assert p.bucket_of(chosen("7d"), "nonsense") == "day"


@pytest.mark.parametrize("bucket", p.BUCKETS)
def test_the_grid_covers_the_period(bucket: str) -> None:
    period = chosen("14d")
    starts = p.grid(period, bucket)
    assert starts[0] <= period.start < starts[0] + p.BUCKETS[bucket]
    assert starts[-1] < period.end <= starts[-1] + p.BUCKETS[bucket]
    assert p.is_partial(starts[0], bucket, period)
    assert p.is_partial(starts[-1], bucket, period)
    assert not any(p.is_partial(at, bucket, period) for at in starts[1:-1])


def test_weeks_begin_on_mondays() -> None:
    assert p.bucket_start(NOW, "week") == datetime(2026, 11, 16)
