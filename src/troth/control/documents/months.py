"""A month of each wallet, from its closed days: statements, or invoices where usage is taxed.

The sums of all organizations are read once; each document is then frozen by itself.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from troth.control import accounts
from troth.control.documents import tax_entries
from troth.control.documents.parties import buyer
from troth.control.documents.series import Place, Wanted, freeze, numbered, of_subject
from troth.control.documents.shape import (
    NUSD_PER_CENT,
    Balance,
    Cash,
    Document,
    Flow,
    Frozen,
    Item,
    Kind,
    Note,
    Split,
    Tax,
    Treatment,
    Used,
)
from troth.control.documents.tax import tax_of, within
from troth.control.documents.terms import Engine, Point, Terms, date_of, day_of
from troth.kernel import ids
from troth.kernel.errors import invariant
from troth.kernel.sealer import Sealer
from troth.ledger.books import wallet_purse
from troth.store.transaction import Transaction

_MONTHS_BACK: Final = 3
_PAPER: Final = """
JOIN lot ON lot.id = {} LEFT JOIN correction ON correction.entry = lot.id
LEFT JOIN topup ON topup.lot = coalesce(correction.lot, lot.id)
LEFT JOIN document ON document.about = topup.id"""
"""From a lot to the document of the payment that it came from, also where it is a correction."""
_DRAWN: Final = f"""
SELECT drawn.dr, lot.kind, coalesce(document.number, ''), sum(drawn.amount)
FROM (SELECT dr, lot, sum(amount) AS amount FROM charge WHERE day BETWEEN ? AND ? GROUP BY dr, lot)
  AS drawn {_PAPER.format("drawn.lot")}
GROUP BY 1, 2, 3"""  # noqa: S608 - of constants
_CORRECTED: Final = f"""
SELECT entry.cr, lot.kind, coalesce(document.number, ''), sum(entry.amount)
FROM entry {_PAPER.format("entry.id")}
WHERE entry.day BETWEEN ? AND ? AND entry.kind = 'overcharge' GROUP BY 1, 2, 3"""  # noqa: S608
_PAID: Final = "paid"
_FLOWS: Final[Mapping[str, Flow]] = {
    "paid": Flow.BOUGHT,
    "promo": Flow.GIVEN,
    "sla": Flow.GIVEN,
    "overcharge": Flow.CORRECTED,
    "refund": Flow.RETURNED,
    "refund_failed": Flow.RETURNED,
}
"""Kinds of entries that have a line of their own, whichever way they go."""


class Span(msgspec.Struct, frozen=True):
    """A month: years since 1970 times twelve and months, and its first and last day."""

    month: int
    first: int
    last: int


class Sums(msgspec.Struct, frozen=True):
    """What happened in one wallet in a month, in nano-USD.

    What was `bought` and `corrected` stands by the number of the document that its payment was
    answered with, under an empty one where there is none.
    """

    org: bytes
    opening: int
    closing: int
    charged: int
    gifts: int
    bought: Mapping[str, int]
    corrected: Mapping[str, int]
    flows: Mapping[Flow, int]
    used: tuple[Used, ...]


def span_of(month: int) -> Span:
    """Return a month's days."""
    first = day_of(dt.date(1970 + month // 12, month % 12 + 1, 1))
    after = month + 1
    last = day_of(dt.date(1970 + after // 12, after % 12 + 1, 1)) - 1
    return Span(month, first, last)


def due(tx: Transaction) -> Span | None:
    """Return the earliest month that is not written and whose days are closed.

    It is one of the last, or one after the last that was written, however long ago that was.
    """
    day = tx.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
    if day is None:
        return None
    date = dt.date(1970, 1, 1) + dt.timedelta(days=day[0])
    now = (date.year - 1970) * 12 + date.month - 1
    done = {month for (month,) in tx.rows("SELECT month FROM document_month", (), tuple[int])}
    closed = tx.row("SELECT min(day) FROM day_close", (), tuple[int | None])
    begin = min(max(done) + 1, now - _MONTHS_BACK) if done else now - _MONTHS_BACK
    for month in range(begin, now):
        span = span_of(month)
        began = closed is not None and closed[0] is not None and closed[0] <= span.last
        if began and month not in done:
            return span
    return None


def finish(tx: Transaction, span: Span, now_ms: int) -> None:
    """Note that a month is written."""
    tx.execute(
        "INSERT INTO document_month (month, issued_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (span.month, now_ms),
    )


def gather(tx: Transaction, span: Span) -> list[Sums]:
    """Return the sums of every wallet that something happened in."""
    opening = _closings(tx, span.first - 1)
    closing = _closings(tx, span.last)
    charged = _pairs(
        tx,
        "SELECT book, sum(charged) FROM day_close WHERE day BETWEEN ? AND ? GROUP BY book",
        span,
    )
    bought, gifts = _papers(tx, _DRAWN, span)
    corrected, _ = _papers(tx, _CORRECTED, span)
    flows = _flows(tx, span)
    used = _used(tx, span)
    found = []
    for org in sorted(used.keys() | {book[1:] for book in closing}):
        book = wallet_purse(org)
        sums = Sums(
            org=org,
            opening=opening.get(book, 0),
            closing=closing.get(book, 0),
            charged=charged.get(book, 0),
            gifts=gifts.get(book, 0),
            bought=bought.get(book, {}),
            corrected=corrected.get(book, {}),
            flows=flows.get(book, {}),
            used=tuple(used.get(org, ())),
        )
        if sums.charged or sums.flows or sums.used:
            found.append(sums)
    return found


def _closings(tx: Transaction, day: int) -> dict[bytes, int]:
    rows = tx.rows(
        "SELECT day_close.book, day_close.closing FROM day_close"
        " JOIN book ON book.id = day_close.book WHERE day_close.day = ? AND book.kind = 'wallet'",
        (day,),
        tuple[bytes, int],
    )
    return dict(rows)


def _pairs(tx: Transaction, sql: str, span: Span) -> dict[bytes, int]:
    rows = tx.rows(sql, (span.first, span.last), tuple[bytes, int])
    return {key: int(amount) for key, amount in rows}


def _papers(
    tx: Transaction, sql: str, span: Span
) -> tuple[dict[bytes, dict[str, int]], dict[bytes, int]]:
    """Return amounts of bought credit by book and document, and those of gifts by book."""
    bought: dict[bytes, dict[str, int]] = {}
    gifts: dict[bytes, int] = {}
    rows = tx.rows(sql, (span.first, span.last), tuple[bytes, str, str, int])
    for book, kind, number, amount in rows:
        if kind == _PAID:
            bought.setdefault(book, {})[number] = int(amount)
        else:
            gifts[book] = gifts.get(book, 0) + int(amount)
    return bought, gifts


def _flows(tx: Transaction, span: Span) -> dict[bytes, dict[Flow, int]]:
    """Return what entries moved, by book and kind; what left is below zero."""
    found: dict[bytes, dict[Flow, int]] = {}
    sides = (("cr", 1, Flow.OTHER_IN), ("dr", -1, Flow.OTHER_OUT))
    for side, sign, other in sides:
        rows = tx.rows(
            f"SELECT {side}, kind, sum(amount) FROM entry WHERE day BETWEEN ? AND ?"  # noqa: S608
            f" GROUP BY {side}, kind",
            (span.first, span.last),
            tuple[bytes, str, int],
        )
        for book, kind, amount in rows:
            flow = _FLOWS.get(kind, other)
            flows = found.setdefault(book, {})
            flows[flow] = flows.get(flow, 0) + sign * int(amount)
    return found


def _used(tx: Transaction, span: Span) -> dict[bytes, list[Used]]:
    rows = tx.rows(
        "SELECT org, model, sum(count), sum(tokens_in), sum(tokens_cached), sum(tokens_out),"
        " sum(charged) FROM rollup_day WHERE day BETWEEN ? AND ? GROUP BY org, model"
        " ORDER BY org, model",
        (span.first, span.last),
        tuple[bytes, str, int, int, int, int, int],
    )
    found: dict[bytes, list[Used]] = {}
    for org, model, *figures in rows:
        found.setdefault(org, []).append(Used(model, *(int(figure) for figure in figures)))
    return found


def issue(
    tx: Transaction, terms: Terms, month: tuple[Span, Sums], now_ms: int, *, sealer: Sealer
) -> Frozen:
    """Freeze an organization's month, once, in the caller's transaction.

    Raises:
        Misconfigured: the table has no VAT rate for where it is due.
        InvariantBroken: the closed days do not lead from opening to closing.
    """
    span, sums = month
    owner = accounts.find(tx, ids.text("org", sums.org))
    party, language = buyer(tx, owner, sealer)
    split = _split(tx, terms, sums, sealer)
    is_invoice = split is not None
    gross_cents = _invoiced(split) // NUSD_PER_CENT if split else 0
    tax = tax_of(terms, party, span.last) if is_invoice else _untaxed(terms, sums)
    tax_cents = within(gross_cents, tax.rate_bp)
    kind = Kind.INVOICE if is_invoice else Kind.STATEMENT

    def compose(place: Place) -> Document:
        return Document(
            number=place.number,
            previous=place.previous,
            kind=kind,
            issued_on=place.issued_on,
            period=(date_of(span.first), date_of(span.last)),
            language=language or terms.language,
            organization=owner.ref,
            reference="",
            seller=terms.seller,
            buyer=party,
            cash=(Cash(Item.USAGE, gross_cents - tax_cents),) if is_invoice else (),
            usage=tuple(_lines(sums)),
            balance=tuple(_balance(sums)),
            split=split,
            tax=tax,
            net_cents=gross_cents - tax_cents,
            tax_cents=tax_cents,
            gross_cents=gross_cents,
            notes=_notes(tax, is_invoice=is_invoice),
        )

    subject = f"month:{owner.ref}:{date_of(span.first)[:7]}"
    wanted = Wanted(terms.series, kind, subject, owner.raw, terms.keep, now_ms)
    frozen, is_new = freeze(tx, wanted, compose, sealer)
    if is_new:
        tax_entries.post(tx, frozen.document, now_ms)
    return frozen


def _untaxed(terms: Terms, sums: Sums) -> Tax:
    if terms.engine is Engine.NONE:
        return Tax(Treatment.NONE)
    is_unused = terms.point is Point.USAGE and not sums.bought
    return Tax(Treatment.LATER if is_unused else Treatment.EARLIER)


def _lines(sums: Sums) -> Iterator[Used]:
    yield from sums.used
    boundary = sums.charged - sum(each.charged_nusd for each in sums.used)
    if boundary:
        yield Used("", 0, 0, 0, 0, boundary)


def _balance(sums: Sums) -> Iterator[Balance]:
    figures = {**sums.flows, Flow.OPENING: sums.opening, Flow.USED: -sums.charged}
    invariant(sum(figures.values()) == sums.closing, "a month leads from opening to closing")
    for flow in Flow:
        if flow is Flow.CLOSING:
            yield Balance(flow, sums.closing)
        elif flow in figures:
            yield Balance(flow, figures[flow])


def _split(tx: Transaction, terms: Terms, sums: Sums, sealer: Sealer) -> Split | None:
    """Cut a month's paid usage into whole cents and a rest that the next month takes on.

    Where more was corrected than used, all of that is the rest. None where nothing is invoiced, for
    nothing bought was used, or its VAT is dealt with: it is due once, as the document of a payment
    promised, whatever is asked for since.
    """
    if terms.engine is Engine.NONE:
        return None
    due = {
        number
        for number in sums.bought.keys() | sums.corrected.keys()
        if _is_due(tx, terms, number, sealer)
    }
    bought = sum(sums.bought.values())
    if due or terms.point is Point.USAGE:
        whole = sums.gifts + bought
        invariant(whole == sums.charged, "a month is invoiced while its charges are there")
    if not due:
        return None
    taxed = sum(amount for number, amount in sums.bought.items() if number in due)
    corrected = sum(amount for number, amount in sums.corrected.items() if number in due)
    before = tx.row(
        "SELECT subject FROM document WHERE org = ? AND kind = 'invoice' AND subject LIKE ?"
        " ORDER BY issued_at DESC, n DESC LIMIT 1",
        (sums.org, "month:%"),
        tuple[str],
    )
    found = of_subject(tx, before[0], sealer) if before else None
    last = found.document.split if found else None
    carried = last.carried_out_nusd if last else 0
    asked = taxed - corrected + carried
    rest = asked % NUSD_PER_CENT if asked > 0 else asked
    return Split(sums.charged, sums.gifts, carried, rest, corrected, bought - taxed)


def _is_due(tx: Transaction, terms: Terms, number: str, sealer: Sealer) -> bool:
    """Tell whether VAT on bought credit is due now that it is used."""
    found = numbered(tx, number, sealer) if number else None
    if found is not None:
        if found.document.kind is Kind.INVOICE:
            return False
        if found.document.tax.treatment is Treatment.LATER:
            return True
    return terms.point is Point.USAGE


def _invoiced(split: Split) -> int:
    taxed = split.used_nusd - split.gifts_nusd - split.earlier_nusd - split.corrected_nusd
    return taxed + split.carried_in_nusd - split.carried_out_nusd


def _notes(tax: Tax, *, is_invoice: bool) -> tuple[Note, ...]:
    notes = [Note.CREDIT_IS_USD, Note.RECONCILED, Note.DAYS_ARE_UTC]
    if is_invoice:
        notes = [Note.PAID_FROM_CREDIT, *notes, Note.CARRIED]
    if tax.treatment is Treatment.STANDARD:
        notes.append(Note.VAT_WITHIN)
    return tuple(notes)
