"""What was used: a row a request, roll-ups by the hour, receipts. No field can hold a sentence."""

from troth.control.usage.key_sums import KeySums, key_sums
from troth.control.usage.months import Month, date_of, days_of, is_closed, month_at, month_of
from troth.control.usage.names import (
    KEPT_MS as NAME_KEPT_MS,
)
from troth.control.usage.names import (
    Charged,
    Claim,
    Free,
    Reused,
    Running,
    claim,
    forget_names,
    give_back,
)
from troth.control.usage.pace import Pace, paces
from troth.control.usage.postings import Posting, Proof, holds, unproved
from troth.control.usage.receipts import (
    Receipt,
    as_rows,
    document,
    find,
    latest,
    of_key,
    posted,
)
from troth.control.usage.record import Place, write
from troth.control.usage.retention import forget, forget_day, has_ended, is_over
from troth.control.usage.rollups import (
    GROUPINGS,
    KEPT_SUMS,
    Grouping,
    Period,
    Total,
    disagreeing,
    freeze,
    totals,
)
from troth.control.usage.statements import Statement, as_csv, statement

__all__ = [
    "GROUPINGS",
    "KEPT_SUMS",
    "NAME_KEPT_MS",
    "Charged",
    "Claim",
    "Free",
    "Grouping",
    "KeySums",
    "Month",
    "Pace",
    "Period",
    "Place",
    "Posting",
    "Proof",
    "Receipt",
    "Reused",
    "Running",
    "Statement",
    "Total",
    "as_csv",
    "as_rows",
    "claim",
    "date_of",
    "days_of",
    "disagreeing",
    "document",
    "find",
    "forget",
    "forget_day",
    "forget_names",
    "freeze",
    "give_back",
    "has_ended",
    "holds",
    "is_closed",
    "is_over",
    "key_sums",
    "latest",
    "month_at",
    "month_of",
    "of_key",
    "paces",
    "posted",
    "statement",
    "totals",
    "unproved",
    "write",
]
