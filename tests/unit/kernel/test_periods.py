"""Periods follow the calendar of their zone."""

from datetime import UTC, datetime

import pytest

from troth.kernel.periods import Period, span


def moment(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1_000


@pytest.mark.parametrize(
    ("period", "zone", "now_ms", "expected"),
    [
        (Period.DAY, "UTC", moment(2026, 3, 4, 5), (moment(2026, 3, 4), moment(2026, 3, 5))),
        (
            Period.DAY,  # the clocks go forward: a day of 23 hours
            "Europe/Zurich",
            moment(2026, 3, 29, 12),
            (moment(2026, 3, 28, 23), moment(2026, 3, 29, 22)),
        ),
        (
            Period.DAY,  # and back: a day of 25 hours
            "Europe/Zurich",
            moment(2026, 10, 25, 12),
            (moment(2026, 10, 24, 22), moment(2026, 10, 25, 23)),
        ),
        (Period.WEEK, "UTC", moment(2026, 11, 21), (moment(2026, 11, 16), moment(2026, 11, 23))),
        (Period.MONTH, "UTC", moment(2028, 2, 29), (moment(2028, 2, 1), moment(2028, 3, 1))),
        (Period.MONTH, "UTC", moment(2026, 12, 31), (moment(2026, 12, 1), moment(2027, 1, 1))),
        (Period.TOTAL, "UTC", moment(2026, 12, 31), (0, 0)),
    ],
)
def test_periods_follow_the_calendar_of_the_zone(
    period: Period, zone: str, now_ms: int, expected: tuple[int, int]
) -> None:
    assert span(period, zone, now_ms) == expected
