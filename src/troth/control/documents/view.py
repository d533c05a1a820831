"""A document as it is read: texts in one language, in their order, for every kind of page.

Names and models are text here as in the JSON; who makes a page of it escapes them.
"""

import msgspec

from troth.control.documents.shape import (
    NUSD_PER_CENT,
    Document,
    Flow,
    Kind,
    Party,
    Split,
    Treatment,
    Used,
)
from troth.control.documents.words import Words


class Table(msgspec.Struct, frozen=True):
    """Rows of texts. The first column is to the left, the others are amounts."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    foot: tuple[str, ...] = ()


class Box(msgspec.Struct, frozen=True):
    """A party: a label, a name, lines."""

    label: str
    name: str
    lines: tuple[str, ...]


class View(msgspec.Struct, frozen=True):
    """All of it, from top to bottom. Of `totals`, which sum up `items`, the last is the sum."""

    language: str
    title: str
    number: str
    facts: tuple[tuple[str, str], ...]
    seller: Box
    buyer: Box
    items: tuple[Table, ...]
    totals: tuple[tuple[str, str], ...]
    details: tuple[Table, ...]
    notes: tuple[str, ...]
    fingerprint: str
    page: str


def view_of(document: Document, sha256: str, language: str = "") -> View:
    """Return what a page of a document says; in its own language unless another is named."""
    words = Words(language or document.language)
    cash = (_cash(document, words),) if document.cash else ()
    usage = (_usage(document.usage, words),) if document.usage else ()
    balance = (_balance(document, words),) if document.balance else ()
    split = (_split(document.split, words),) if document.split else ()
    return View(
        language=words.language,
        title=words(f"title.{document.kind.value}"),
        number=document.number,
        facts=_facts(document, words),
        seller=_box(words("seller"), document.seller, words),
        buyer=_box(words("buyer"), document.buyer, words),
        items=cash,
        totals=_totals(document, words),
        details=balance + usage + split,
        notes=_notes(document, words),
        fingerprint=f"SHA-256 {sha256}",
        page=words("page"),
    )


def _facts(document: Document, words: Words) -> tuple[tuple[str, str], ...]:
    facts = [
        (words("number"), document.number),
        (words("issued_on"), words.date(document.issued_on)),
    ]
    if document.supplied_on:
        facts.append((words("supplied_on"), words.date(document.supplied_on)))
    if document.period:
        first, last = map(words.date, document.period)
        facts.append((words("period"), f"{first} {words('period.to')} {last}"))
    if document.mirrors:
        of = f"{words('mirrors.of')} {words.date(document.mirrors.issued_on)}"
        facts.append((words("mirrors"), f"{document.mirrors.number} {of}"))
    if document.reference:
        facts.append((words("reference"), document.reference))
    return tuple(facts)


def _box(label: str, party: Party, words: Words) -> Box:
    lines = [*party.address]
    if party.country:
        lines.append(party.country)
    if party.vat_id:
        lines.append(f"{words.of('vat_id', party.country)} {party.vat_id}")
    if party.registration:
        lines.append(f"{words('registration')} {party.registration}")
    if party.email:
        lines.append(party.email)
    return Box(label, party.name, tuple(lines))


def _cash(document: Document, words: Words) -> Table:
    rows = tuple(
        (words(f"item.{line.item.value}"), words.cents(line.net_cents)) for line in document.cash
    )
    return Table(words("cash"), (words("cash.item"), words("cash.net")), rows)


def _usage(lines: tuple[Used, ...], words: Words) -> Table:
    head = tuple(
        words(f"usage.{name}") for name in ("model", "count", "in", "cached", "out", "charged")
    )
    rows = tuple(
        (
            line.model,
            words.count(line.count),
            words.count(line.tokens_in),
            words.count(line.tokens_cached),
            words.count(line.tokens_out),
            words.nusd(line.charged_nusd),
        )
        if line.model
        else (words("usage.boundary"), "", "", "", "", words.nusd(line.charged_nusd))
        for line in lines
    )
    whole = words.nusd(sum(line.charged_nusd for line in lines))
    count = words.count(sum(line.count for line in lines))
    return Table(words("usage"), head, rows, (words("usage.sum"), count, "", "", "", whole))


def _balance(document: Document, words: Words) -> Table:
    lines = [line for line in document.balance if line.flow is not Flow.CLOSING]
    closing = next(line.nusd for line in document.balance if line.flow is Flow.CLOSING)
    return Table(
        words("balance"),
        (words("balance.flow"), words("balance.amount")),
        tuple((words(f"flow.{line.flow.value}"), words.nusd(line.nusd)) for line in lines),
        (words("flow.closing"), words.nusd(closing)),
    )


def _split(split: Split, words: Words) -> Table:
    figures = (
        ("used", split.used_nusd),
        ("gifts", -split.gifts_nusd),
        ("earlier", -split.earlier_nusd),
        ("corrected", -split.corrected_nusd),
        ("carried_in", split.carried_in_nusd),
        ("carried_out", -split.carried_out_nusd),
    )
    whole = sum(nusd for _, nusd in figures)
    return Table(
        words("split"),
        (words("balance.flow"), words("balance.amount")),
        tuple((words(f"split.{name}"), words.nusd(nusd)) for name, nusd in figures if nusd),
        (words("split.invoiced"), words.nusd(whole // NUSD_PER_CENT * NUSD_PER_CENT)),
    )


def _totals(document: Document, words: Words) -> tuple[tuple[str, str], ...]:
    if document.kind is Kind.STATEMENT:
        return ()
    tax = document.tax
    if tax.treatment is not Treatment.STANDARD:
        return ((words("gross.untaxed"), words.cents(document.gross_cents)),)
    rate = f" {words.percent(tax.rate_bp)}" if tax.rate_bp else ""
    where = f" ({tax.country})" if tax.country else ""
    return (
        (words("net"), words.cents(document.net_cents)),
        (f"{words.of('vat', tax.country)}{rate}{where}", words.cents(document.tax_cents)),
        (words("gross"), words.cents(document.gross_cents)),
    )


def _notes(document: Document, words: Words) -> tuple[str, ...]:
    treatment = document.tax.treatment
    tax = () if treatment is Treatment.STANDARD else (words(f"tax.{treatment.value}"),)
    return tax + tuple(words(f"note.{note.value}") for note in document.notes)
