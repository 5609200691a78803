"""Calendar windows, by the clocks of a zone."""

from datetime import UTC, datetime

import pytest

from llmtrace.budgets.windows import Period, find_zone, window_of
from llmtrace.errors import ConfigError


def window(moment: str, per: Period, zone: str = "UTC") -> tuple[str, str]:
    found = window_of(datetime.fromisoformat(moment).timestamp(), per, find_zone(zone))
    start, end = (datetime.fromtimestamp(s, UTC).strftime("%m-%d %H:%M") for s in (found.start_s, found.end_s))
    return start, end


@pytest.mark.parametrize(
    ("moment", "per", "zone", "expected"),
    [
        ("2026-11-21T10:20:00+00:00", "hour", "UTC", ("11-21 10:00", "11-21 11:00")),
        ("2026-11-21T10:20:00+00:00", "hour", "Asia/Kolkata", ("11-21 09:30", "11-21 10:30")),
        ("2026-11-21T23:59:59+00:00", "day", "UTC", ("11-21 00:00", "11-22 00:00")),
        ("2026-11-21T23:30:00+00:00", "day", "Europe/Berlin", ("11-21 23:00", "11-22 23:00")),
        ("2026-11-22T10:00:00+00:00", "week", "UTC", ("11-16 00:00", "11-23 00:00")),
        ("2026-11-23T00:00:00+00:00", "week", "UTC", ("11-23 00:00", "11-30 00:00")),
        ("2026-12-31T10:00:00+00:00", "month", "UTC", ("12-01 00:00", "01-01 00:00")),
        ("2026-02-01T00:00:00+00:00", "month", "UTC", ("02-01 00:00", "03-01 00:00")),
        # Clocks are put back on this day: it has 25 hours; and forward: 23.
        ("2026-10-25T12:00:00+00:00", "day", "Europe/Berlin", ("10-24 22:00", "10-25 23:00")),
        ("2026-03-29T12:00:00+00:00", "day", "Europe/Berlin", ("03-28 23:00", "03-29 22:00")),
    ],
)
def test_a_window_is_the_calendars(moment: str, per: Period, zone: str, expected: tuple[str, str]) -> None:
    assert window(moment, per, zone) == expected


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="'Mars/Base' is no time zone"):
        find_zone("Mars/Base")
