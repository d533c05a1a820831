"""VAT in the books: what a document takes out of revenue is owed to its country from then on.

Only VAT within the price is posted here. What was paid on top of credit is posted with the payment.
"""

from typing import Final

from troth.control.documents.shape import NUSD_PER_CENT, Document
from troth.ledger import books
from troth.store.transaction import Transaction

_DESK: Final = 0


def post(tx: Transaction, document: Document, now_ms: int) -> None:
    """Post a document's VAT, or take back a part of it where the document mirrors another."""
    amount = document.tax_cents * NUSD_PER_CENT
    if not amount or not document.tax.is_within:
        return
    if document.mirrors is None:
        kind, part = books.Kind.USAGE_TAX, document.tax.country
        owed = books.Transfer(kind, document.number, amount, part)
        books.transfer(tx, [owed], _DESK, now_ms)
        return
    first = books.movement_id(books.Kind.USAGE_TAX, document.mirrors.number)
    kind = books.Kind.CORRECTION
    books.reverse(tx, books.Reversal(kind, document.number, first, -amount), _DESK, now_ms)
