"""What a payment is answered with: a receipt or an invoice; and its mirror when it goes back."""

from collections.abc import Callable
from typing import Final

import msgspec

from troth.control import accounts
from troth.control.documents import tax_entries
from troth.control.documents.parties import buyer
from troth.control.documents.series import Place, Wanted, freeze, numbered
from troth.control.documents.shape import (
    Cash,
    Document,
    Frozen,
    Item,
    Kind,
    Mirror,
    Note,
    Party,
    Tax,
    Treatment,
)
from troth.control.documents.tax import on_top, share, tax_of, within
from troth.control.documents.terms import Engine, Point, Terms, date_of
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

_MS_OF_DAY: Final = 86_400_000


class Paid(msgspec.Struct, frozen=True):
    """A payment that arrived: `cents` became credit, `tax_cents` were paid on top."""

    topup: str
    organization: str
    cents: int
    tax_cents: int
    paid_at_ms: int


class Returned(msgspec.Struct, frozen=True):
    """Money that went back: `cents` in all, of what was paid under a document.

    `reference` names the movement: the same reference is credited once. `about` are the sixteen
    bytes of the refund or dispute, where there is one.
    """

    number: str
    cents: int
    reference: str
    about: bytes | None = None

    @property
    def subject(self) -> str:
        """What a credit note of it is about."""
        return f"return:{self.reference}"


def receipt_for_topup(
    tx: Transaction, terms: Terms, paid: Paid, now_ms: int, *, sealer: Sealer
) -> Frozen:
    """Freeze the document of a payment, once a top-up, in the caller's transaction.

    Where VAT is due when credit is bought, or was paid with it, it is the invoice; else a receipt.

    Raises:
        Missing: there is no such organization.
        Misconfigured: the table has no VAT rate for where it is due.
    """
    owner = accounts.find(tx, paid.organization)
    party, language = buyer(tx, owner, sealer)
    day = paid.paid_at_ms // _MS_OF_DAY
    tax, tax_cents = _tax(terms, party, paid, day)
    gross_cents = paid.cents + paid.tax_cents
    is_taxed = terms.engine is not Engine.NONE and terms.point is Point.TOPUP
    kind = Kind.INVOICE if is_taxed or paid.tax_cents else Kind.RECEIPT

    def compose(place: Place) -> Document:
        return Document(
            number=place.number,
            previous=place.previous,
            kind=kind,
            issued_on=place.issued_on,
            supplied_on=date_of(day),
            language=language or terms.language,
            organization=owner.ref,
            reference=paid.topup,
            seller=terms.seller,
            buyer=party,
            cash=(Cash(Item.CREDIT, gross_cents - tax_cents),),
            tax=tax,
            net_cents=gross_cents - tax_cents,
            tax_cents=tax_cents,
            gross_cents=gross_cents,
            notes=_notes(kind, tax),
        )

    subject = f"topup:{paid.topup}"
    about = ids.raw_of("top", paid.topup)
    wanted = Wanted(terms.series, kind, subject, owner.raw, terms.keep, now_ms, about)
    return _frozen(tx, wanted, compose, sealer)


def _tax(terms: Terms, party: Party, paid: Paid, day: int) -> tuple[Tax, int]:
    """Return the treatment of a payment and the VAT in it; cash that came in is not recomputed."""
    is_later = terms.engine is not Engine.NONE and terms.point is Point.USAGE
    if is_later and not paid.tax_cents:
        return Tax(Treatment.LATER), 0
    tax = tax_of(terms, party, day)
    if paid.tax_cents:  # whoever took the payment computed it, whatever is asked for today
        fits = abs(on_top(paid.cents, tax.rate_bp) - paid.tax_cents) <= 1
        rate_bp = tax.rate_bp if fits else 0
        country = tax.country if fits else party.country
        return Tax(Treatment.STANDARD, country, rate_bp, is_within=False), paid.tax_cents
    if tax.treatment is not Treatment.STANDARD:
        return tax, 0
    if terms.engine is Engine.STRIPE_TAX:
        return Tax(Treatment.NONE, tax.country), 0
    return tax, within(paid.cents, tax.rate_bp)


def _notes(kind: Kind, tax: Tax) -> tuple[Note, ...]:
    notes = [Note.PAID, Note.CREDIT_IS_USD]
    if kind is Kind.RECEIPT:
        notes.append(Note.NOT_AN_INVOICE)
    if tax.treatment is Treatment.STANDARD:
        notes.append(Note.VAT_WITHIN if tax.is_within else Note.VAT_ON_TOP)
    return tuple(notes)


def credit_note(
    tx: Transaction, terms: Terms, returned: Returned, now_ms: int, *, sealer: Sealer
) -> Frozen:
    """Freeze the mirror of a document for what went back of it, in the caller's transaction.

    Seller, buyer, language and VAT are those of the document; the notes of one document never take
    back more than it asked for, and all of them together exactly its VAT.

    Raises:
        Missing: there is no such document.
        InvalidValue: it is no receipt or invoice, there is not so much left of it, or the reference
            names another movement.
    """
    source = numbered(tx, returned.number, sealer)
    if source is None:
        raise Missing("document")
    before = source.document
    if before.kind not in {Kind.RECEIPT, Kind.INVOICE}:
        raise InvalidValue("number", "only a receipt or an invoice can be credited")
    owner = accounts.find(tx, before.organization)

    def compose(place: Place) -> Document:
        gross_cents, tax_cents = _part(tx, before, returned.cents)
        net_cents = gross_cents - tax_cents
        return Document(
            number=place.number,
            previous=place.previous,
            kind=Kind.CREDIT_NOTE,
            issued_on=place.issued_on,
            language=before.language,
            organization=before.organization,
            reference=returned.reference,
            seller=before.seller,
            buyer=before.buyer,
            cash=(Cash(Item.REFUND, -net_cents),),
            tax=before.tax,
            net_cents=-net_cents,
            tax_cents=-tax_cents,
            gross_cents=-gross_cents,
            mirrors=Mirror(before.number, before.issued_on, before.kind),
            notes=(Note.MIRRORS,),
        )

    kind, subject, about = Kind.CREDIT_NOTE, returned.subject, returned.about
    wanted = Wanted(terms.series, kind, subject, owner.raw, terms.keep, now_ms, about)
    frozen = _frozen(tx, wanted, compose, sealer)
    made = frozen.document
    is_same = made.mirrors is not None and made.mirrors.number == before.number
    if not is_same or made.gross_cents != -returned.cents:
        raise InvalidValue("reference", "something else was credited under it: give another one")
    return frozen


def _frozen(
    tx: Transaction, wanted: Wanted, compose: Callable[[Place], Document], sealer: Sealer
) -> Frozen:
    frozen, is_new = freeze(tx, wanted, compose, sealer)
    if is_new:
        tax_entries.post(tx, frozen.document, wanted.now_ms)
    return frozen


def _part(tx: Transaction, before: Document, cents: int) -> tuple[int, int]:
    """Return gross and VAT of what goes back now, after what went back before."""
    found = tx.row(
        "SELECT coalesce(sum(gross_cents), 0), coalesce(sum(tax_cents), 0) FROM document"
        " WHERE mirrors = ?",
        (before.number,),
        tuple[int, int],
    )
    gone_cents, gone_tax = (-int(found[0]), -int(found[1])) if found else (0, 0)
    if not 0 < cents <= before.gross_cents - gone_cents:
        raise InvalidValue("cents", "there is not so much left of this document")
    all_tax = share(gone_cents + cents, before.tax_cents, before.gross_cents)
    return cents, all_tax - gone_tax
