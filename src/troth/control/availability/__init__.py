"""Availability: which minutes the service answered, what was announced, and the sums of months.

Measured by the desk, read by statements of status and by whoever owes credit for downtime.
"""

from troth.control.availability.minutes import MS_OF_MINUTE, Day, State, note, since
from troth.control.availability.sums import Sum, Terms, by_day, is_up, of_month
from troth.control.availability.windows import Window, announce, cancel, windows

__all__ = [
    "MS_OF_MINUTE",
    "Day",
    "State",
    "Sum",
    "Terms",
    "Window",
    "announce",
    "by_day",
    "cancel",
    "is_up",
    "note",
    "of_month",
    "since",
    "windows",
]
