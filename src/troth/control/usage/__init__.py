"""What was used: a row a request, roll-ups by the hour, receipts. No field can hold a sentence."""

from troth.control.usage.key_sums import KeySums, key_sums
from troth.control.usage.pace import Pace, paces
from troth.control.usage.postings import Posting, Proof, holds, unproved
from troth.control.usage.receipts import Receipt, document, find, latest, of_key
from troth.control.usage.record import Place, write
from troth.control.usage.rollups import (
    GROUPINGS,
    Grouping,
    Period,
    Total,
    disagreeing,
    freeze,
    totals,
)

__all__ = [
    "GROUPINGS",
    "Grouping",
    "KeySums",
    "Pace",
    "Period",
    "Place",
    "Posting",
    "Proof",
    "Receipt",
    "Total",
    "disagreeing",
    "document",
    "find",
    "freeze",
    "holds",
    "key_sums",
    "latest",
    "of_key",
    "paces",
    "totals",
    "unproved",
    "write",
]
