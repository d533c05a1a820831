"""`troth ledger`: the books."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from troth.control.reports import Head

_EXPECT_HELP = (
    "A head kept elsewhere, as 'verify' prints it: the books must contain it. May be repeated."
)


@click.group()
def ledger() -> None:
    """The books: every movement of credit, in a chain that shows a change."""


def _checked(_: click.Context, __: click.Parameter, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no head: `DESK:NUMBER:HASH`."""
    for text in kept:
        desk, _colon, rest = text.partition(":")
        number, _colon, digits = rest.partition(":")
        is_hash = len(digits) == 64 and set(digits) <= set("0123456789abcdef")  # noqa: PLR2004
        if not (desk.isdecimal() and number.isdecimal() and is_hash):
            raise click.BadParameter("give DESK:NUMBER:HASH, as 'troth ledger verify' prints it")
    return kept


@ledger.command()
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check an exported file instead; needs no installation.",
)
@click.option(
    "--expect-head", "kept", multiple=True, metavar="HEAD", callback=_checked, help=_EXPECT_HELP
)
@with_session
def verify(session: Session, file: Path | None, kept: tuple[str, ...]) -> int:
    """Recompute the books from their start; a rule that does not hold is named."""
    return _verify_file(session, file, kept) if file else _verify_books(session, kept)


def _verify_books(session: Session, kept: tuple[str, ...]) -> int:
    import msgspec

    from troth.server.shown import Verified

    with session.management() as client:
        found = read(client.post("ledger", "verify"), Verified)
        for text in kept:
            body = client.get("ledger", "batches", *text.split(":")[:2])
            found.problems.extend(_compared(text, body, found.heads))
    ends = [(each.desk, f"{each.desk}:{each.n}:{each.hash}") for each in found.heads]
    lines = {
        "batches": str(found.batches),
        "charges": str(found.charges),
        "entries": str(found.entries),
        "audit entries": str(found.audit_entries),
        "books": "do not agree" if found.problems else "agree",
    } | {f"head of desk {desk}": head for desk, head in ends}
    session.output.document(msgspec.json.encode(found), lines)
    for problem in found.problems:
        session.output.say(f"Problem: {problem}")
    if found.problems:
        session.output.say("Next: stop serving and restore the last backup that verifies.")
    return 1 if found.problems else 0


def _compared(kept: str, body: bytes, heads: "Sequence[Head]") -> list[str]:
    """Say what is wrong with the books where a kept head was taken."""
    from troth.control.reports import Head

    desk, number, digits = kept.split(":")
    found = read(body, list[Head])
    if found:
        other = f"batch {desk}/{number} is not the one that was kept: another history"
        return [] if found[0].hash == digits else [other]
    last = next((head.n for head in heads if head.desk == int(desk)), 0)
    return [f"desk {desk} ends with batch {last}; batch {number} was kept: what came after is lost"]


def _verify_file(session: Session, file: Path, kept: tuple[str, ...]) -> int:
    import msgspec

    from troth.proof.auditor import Audit

    audit = Audit(kept)
    with file.open("rb") as lines:
        audit.read(lines)
    heads = [f"{desk}:{n}:{hash_}" for desk, (n, hash_) in sorted(audit.heads.items())]
    told = {"checked": dict(audit.counts), "heads": heads, "problems": audit.problems}
    counted = {f"{kind} lines": str(count) for kind, count in sorted(audit.counts.items())}
    session.output.document(
        msgspec.json.encode(told),
        counted
        | {f"head {at}": head for at, head in enumerate(heads)}
        | {"file": "does not agree" if audit.problems else "agrees"},
    )
    for problem in audit.problems:
        session.output.say(f"Problem: {problem}")
    return 1 if audit.problems else 0


@ledger.command()
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--force", "is_forced", is_flag=True, help="Replace FILE if it is there.")
@with_session
def export(session: Session, file: Path, *, is_forced: bool) -> None:
    """Write the whole ledger to a file of JSON lines that others can check.

    A line a book, lot, day close, batch, charge and entry, and a hash of all at the end. Check it
    with 'troth ledger verify --file', or with the script troth/proof/auditor.py alone.
    """
    import msgspec

    from troth.cli.ledger_file import write

    if file.exists() and not is_forced:
        hint = "it is there already; name another file, or replace it with --force"
        raise click.BadParameter(hint, param_hint="FILE")
    with session.management() as client:
        written = write(client, file)
    session.output.document(
        msgspec.json.encode(written),
        {"file": str(file), "lines": str(written.lines), "sha256": written.sha256},
    )
    session.output.say(f"Next: troth ledger verify --file {file}")
