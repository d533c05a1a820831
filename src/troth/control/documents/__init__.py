"""Documents: receipts, invoices, statements and credit notes, frozen once and shown in any form.

Read `shape` for what a document is, `series` for its number and hash, `payments` and `months` for
when one is made, `view` for what a page of it says.
"""

from troth.control.documents.keeping import (
    LegalHold,
    erase_of_closed,
    legal_holds,
    lift,
    place,
    seal_open,
    sweep,
    unwritten_since,
)
from troth.control.documents.missing import without_credit_note, without_receipt
from troth.control.documents.months import Span, Sums, due, finish, gather, issue, span_of
from troth.control.documents.page import page_of
from troth.control.documents.parties import Details, change, details, erase
from troth.control.documents.payments import Paid, Returned, credit_note, receipt_for_topup
from troth.control.documents.series import Checked, End, Listed, check, listed, numbered, of_subject
from troth.control.documents.shape import Document, Frozen, Kind, Party
from troth.control.documents.terms import (
    RATES_FILE,
    Engine,
    Keep,
    Point,
    Rates,
    Terms,
    date_of,
    read_rates,
)
from troth.control.documents.typeset import pdf_of
from troth.control.documents.vat_ids import ONE_STOP_SHOP, is_country, taxed_in
from troth.control.documents.vat_ids import checked as checked_vat_id
from troth.control.documents.view import View, view_of

__all__ = [
    "ONE_STOP_SHOP",
    "RATES_FILE",
    "Checked",
    "Details",
    "Document",
    "End",
    "Engine",
    "Frozen",
    "Keep",
    "Kind",
    "LegalHold",
    "Listed",
    "Paid",
    "Party",
    "Point",
    "Rates",
    "Returned",
    "Span",
    "Sums",
    "Terms",
    "View",
    "change",
    "check",
    "checked_vat_id",
    "credit_note",
    "date_of",
    "details",
    "due",
    "erase",
    "erase_of_closed",
    "finish",
    "gather",
    "is_country",
    "issue",
    "legal_holds",
    "lift",
    "listed",
    "numbered",
    "of_subject",
    "page_of",
    "pdf_of",
    "place",
    "read_rates",
    "receipt_for_topup",
    "seal_open",
    "span_of",
    "sweep",
    "taxed_in",
    "unwritten_since",
    "view_of",
    "without_credit_note",
    "without_receipt",
]
