"""Payments and refunds that have no document yet, found in the tables of billing.

Paper never stops money: a payment is credited whether or not its receipt can be written, and what
is missing is written at the next turn.
"""

from typing import Final

from troth.control.documents.payments import Paid, Returned
from troth.kernel import ids
from troth.store.transaction import Transaction

_LOOK_BACK_MS: Final = 360 * 86_400_000
"""Less than the shortest time that documents are kept: what was deleted is not written again."""
_MOST: Final = 500

_PAID: Final = """
SELECT topup.id, topup.org, topup.cents, topup.tax_cents, topup.paid_at FROM topup
LEFT JOIN document ON document.about = topup.id
WHERE topup.state = 'paid' AND document.number IS NULL AND topup.paid_at >= ?
ORDER BY topup.paid_at, topup.id LIMIT ?"""
_LEFT: Final = """
(SELECT CAST(first.gross_cents + coalesce(sum(note.gross_cents), 0) AS bigint)
  FROM document AS note WHERE note.mirrors = first.number)"""
_REFUNDED: Final = f"""
SELECT first.number, refund.id, refund.cents + refund.tax_cents - refund.fee_cents, {_LEFT}
FROM refund JOIN document AS first ON first.about = refund.topup
LEFT JOIN document ON document.about = refund.id
WHERE refund.state IN ('done', 'paid_by_hand') AND document.number IS NULL
  AND coalesce(refund.ended_at, refund.created_at) >= ?
  AND refund.cents + refund.tax_cents > refund.fee_cents
ORDER BY refund.id LIMIT ?"""  # noqa: S608 - of constants
_LOST: Final = f"""
SELECT first.number, dispute.id, dispute.cents, {_LEFT}
FROM dispute JOIN document AS first ON first.about = dispute.topup
LEFT JOIN document ON document.about = dispute.id
WHERE dispute.state = 'lost' AND document.number IS NULL
  AND coalesce(dispute.ended_at, dispute.opened_at) >= ?
ORDER BY dispute.id LIMIT ?"""  # noqa: S608 - of constants


def without_receipt(tx: Transaction, now_ms: int) -> list[Paid]:
    """Return payments of the last year that were credited and have no document, oldest first."""
    rows = tx.rows(_PAID, (now_ms - _LOOK_BACK_MS, _MOST), tuple[bytes, bytes, int, int, int])
    return [
        Paid(ids.text("top", raw), ids.text("org", org), cents, tax_cents, paid_at_ms)
        for raw, org, cents, tax_cents, paid_at_ms in rows
    ]


def without_credit_note(tx: Transaction, now_ms: int) -> list[Returned]:
    """Return what went back of documented payments, by refund or lost dispute, without a note.

    A bank may take a payment back of which a part went back before: a note takes back what is left
    of the document, and where nothing is, there is none.
    """
    span = (now_ms - _LOOK_BACK_MS, _MOST)
    kinds: tuple[tuple[ids.Kind, str], ...] = (("rfd", _REFUNDED), ("dsp", _LOST))
    found = []
    rest: dict[str, int] = {}
    for kind, sql in kinds:
        for number, raw, cents, left in tx.rows(sql, span, tuple[str, bytes, int, int]):
            part = min(cents, rest.get(number, left))
            if part > 0:
                rest[number] = rest.get(number, left) - part
                found.append(Returned(number, part, ids.text(kind, raw), raw))
    return found
