"""`troth invoices`: receipts, invoices, statements and credit notes."""

import re
import sys
from pathlib import Path

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session

_FORM = click.Choice(["json", "html", "pdf"])
_EXPECT = "An end kept elsewhere, as 'check' prints it: its document must be here. May be repeated."
_LANGUAGE = click.Choice(["en", "de", "fr"])


@click.group()
def invoices() -> None:
    """Receipts, invoices, statements, credit notes: frozen once, shown in any form."""


def _kept(_: click.Context, __: click.Parameter, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no end of a series: `SERIES:NUMBER:HASH`."""
    for text in kept:
        if not re.fullmatch(r"[A-Z0-9]+-[A-Z]\d{4}:\d{1,9}:[0-9a-f]{64}", text, re.ASCII):
            raise click.BadParameter("give SERIES:NUMBER:HASH, as 'troth invoices check' prints it")
    return kept


def _usd(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


@invoices.command("list")
@click.argument("organization", default="")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_session
def list_(session: Session, organization: str, *, limit: int) -> None:
    """List the newest documents, of one organization or of all."""
    with session.management() as client:
        body = client.get("documents", organization=organization, limit=limit)
    _print_list(session, body)


def _print_list(session: Session, body: bytes) -> None:
    from troth.control.documents import Listed

    rows = [
        (
            each.number,
            each.kind.value,
            moment(each.issued_at_ms),
            each.organization,
            _usd(each.gross_cents),
            _usd(each.tax_cents),
            each.mirrors,
        )
        for each in read(body, list[Listed])
    ]
    head = ("number", "kind", "issued", "organization", "USD", "VAT", "corrects")
    session.output.table(body, head, rows)


@invoices.command()
@click.argument("number")
@click.option("--format", "form", type=_FORM, default="json", show_default=True)
@click.option("--language", type=_LANGUAGE, help="Another language than the document's own.")
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to this file; else to standard output.",
)
@with_session
def show(
    session: Session, number: str, *, form: str, language: str | None, file: Path | None
) -> None:
    """Give a document: its JSON as it was frozen, or a page in HTML or PDF/A made of it."""
    with session.management() as client:
        body = client.get("documents", number, form=form, language=language or "")
    if file is None:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    file.write_bytes(body)
    session.output.say(f"Wrote {file}.")


@invoices.command()
@click.argument("country", default="")
@with_session
def rates(session: Session, country: str) -> None:
    """List the VAT rates that documents are made with, and who said so of each."""
    from troth.server.shown import ShownRates

    with session.management() as client:
        body = client.get("vat-rates", country=country.upper())
    found = read(body, ShownRates)
    rows = [(each.country, each.percent, each.since, each.source) for each in found.rates]
    session.output.table(body, ("country", "%", "since", "source"), rows)
    session.output.say(f"Checked on {found.checked_on}: {found.source}.")


@invoices.command()
@click.argument("organization")
@click.option("--name", default="", help="The name on documents; needed to set the others.")
@click.option("--address", multiple=True, metavar="LINE", help="A line; give it once a line.")
@click.option("--country", default="", help="Two letters, such as CH.")
@click.option("--vat-id", default="", help="Its VAT number, checked for its form.")
@click.option("--language", default="", help="en, de or fr; else the installation's.")
@with_session
def details(
    session: Session, /, organization: str, *, address: tuple[str, ...], **given: str
) -> None:
    """Show who an organization is on documents; with --name, set all of it anew."""
    from troth.control.documents import Details

    with session.management() as client:
        if not given["name"]:
            if address or any(given.values()):
                raise click.UsageError("give --name too: all details are set together")
            body = client.get("organizations", organization, "details")
        else:
            wanted = Details(address=address, **given)
            body = client.post("organizations", organization, "details", body=wanted)
    found = read(body, Details)
    lines = {
        "name": found.name,
        **{f"address {at}": line for at, line in enumerate(found.address, 1)},
        "country": found.country,
        "VAT number": found.vat_id,
        "language": found.language or "(the installation's)",
    }
    session.output.document(body, lines)


@invoices.command("erase-details")
@click.argument("organization")
@with_session
def erase_details(session: Session, organization: str) -> None:
    """Forget an organization's details; documents that the law keeps stay as they are."""
    from troth.server.shown import Erased

    with session.management() as client:
        body = client.post("organizations", organization, "details", "erase")
    found = read(body, Erased)
    lines = {
        "organization": found.organization,
        "details": "erased" if found.is_erased else "there were none",
        "documents kept": str(found.documents_kept),
    }
    session.output.document(body, lines)


@invoices.command()
@click.argument("number")
@click.argument("amount_usd")
@click.option("--reference", required=True, help="What went back: the same is credited once.")
@with_session
def credit(session: Session, number: str, amount_usd: str, *, reference: str) -> None:
    """Freeze a credit note: the mirror of a document, for what went back of it."""
    from troth.control.documents import Document

    with session.management() as client:
        asked: dict[str, str | int] = {"amount_usd": amount_usd, "reference": reference}
        body = client.post("documents", number, "credit", body=asked)
    made = read(body, Document)
    lines = {
        "number": made.number,
        "corrects": number,
        "net": f"{_usd(made.net_cents)} USD",
        "VAT": f"{_usd(made.tax_cents)} USD",
        "total": f"{_usd(made.gross_cents)} USD",
    }
    session.output.document(body, lines)


@invoices.command()
@with_session
def issue(session: Session) -> None:
    """Write what is due now, as the running installation does by itself each minute."""
    with session.management() as client:
        body = client.post("documents", "issue")
    _print_list(session, body)


@invoices.command()
@click.option("--expect-end", "kept", multiple=True, metavar="END", callback=_kept, help=_EXPECT)
@with_session
def check(session: Session, kept: tuple[str, ...]) -> int:
    """Read every series from its start: no gap, no changed byte, each naming the one before."""
    from troth.control.documents import End
    from troth.server.shown import CheckedDocuments, KeptEnds

    parts = [text.split(":") for text in kept]
    ends = [End(series, int(number), digits) for series, number, digits in parts]
    with session.management() as client:
        body = client.post("documents", "check", body=KeptEnds(ends))
    found = read(body, CheckedDocuments)
    lines = {
        "series": str(found.series),
        "documents": str(found.documents),
        "state": "not as they were frozen" if found.problems else "as they were frozen",
    } | {f"end {at}": f"{each.series}:{each.n}:{each.sha256}" for at, each in enumerate(found.ends)}
    session.output.document(body, lines)
    for problem in found.problems:
        session.output.say(f"Problem: {problem}")
    return 1 if found.problems else 0


@invoices.command("legal-holds")
@with_session
def list_legal_holds(session: Session) -> None:
    """List what must be kept, and what had to be."""
    with session.management() as client:
        body = client.get("legal-holds")
    _print_legal_holds(session, body)


def _print_legal_holds(session: Session, body: bytes) -> None:
    from troth.control.documents import LegalHold

    rows = [
        (
            each.id,
            each.organization or "(all)",
            each.reference,
            moment(each.placed_at_ms),
            moment(each.lifted_at_ms),
        )
        for each in read(body, list[LegalHold])
    ]
    head = ("legal hold", "organization", "reference", "placed", "lifted")
    session.output.table(body, head, rows)


@invoices.command("keep")
@click.argument("reference")
@click.option("--organization", default="", help="Only this one's documents; else all.")
@with_session
def place_legal_hold(session: Session, reference: str, *, organization: str) -> None:
    """Place a legal hold: nothing it covers is deleted, however old, until it is lifted."""
    from troth.control.documents import LegalHold

    with session.management() as client:
        asked: dict[str, str | int] = {"reference": reference, "organization": organization}
        body = client.post("legal-holds", body=asked)
    made = read(body, LegalHold)
    session.output.document(
        body,
        {
            "legal hold": made.id,
            "organization": made.organization or "(all)",
            "reference": made.reference,
        },
    )
    session.output.say(f"Next: troth invoices lift {made.id}, when it is over")


@invoices.command("lift")
@click.argument("legal_hold")
@with_session
def lift_legal_hold(session: Session, legal_hold: str) -> None:
    """Lift a legal hold."""
    with session.management() as client:
        body = client.post("legal-holds", legal_hold, "lift")
    _print_legal_holds(session, body)
