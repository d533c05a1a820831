"""What was used: a row a request, roll-ups by the hour, receipts. No field can hold a sentence."""

from troth.control.usage.receipts import Receipt, document, find, latest
from troth.control.usage.record import write
from troth.control.usage.rollups import GROUPINGS, Grouping, Period, Total, totals

__all__ = [
    "GROUPINGS",
    "Grouping",
    "Period",
    "Receipt",
    "Total",
    "document",
    "find",
    "latest",
    "totals",
    "write",
]
