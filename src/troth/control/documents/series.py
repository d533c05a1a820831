"""Freezes documents: a number without a gap, JSON and its hash, in the caller's transaction.

The counter of a series is a row that a transaction locks: what is rolled back gives its number
back, and two that freeze at once wait for each other.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from troth.control.documents.sealing import seal, unseal
from troth.control.documents.shape import Document, Frozen, Kind
from troth.control.documents.terms import Keep
from troth.kernel.errors import InvariantBroken, invariant
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

_ENCODER: Final = msgspec.json.Encoder()
_MS: Final = 1_000
_LETTERS: Final = {
    Kind.RECEIPT: "R",
    Kind.INVOICE: "I",
    Kind.STATEMENT: "S",
    Kind.CREDIT_NOTE: "C",
}
_LISTED: Final = """
SELECT number, kind, org, issued_at, gross_cents, tax_cents, mirrors, sha256
FROM document {} ORDER BY issued_at DESC, number DESC LIMIT ?"""
_FROZEN: Final = "SELECT number, body, sha256, org, is_sealed FROM document"
_FROZEN_OF: Final = tuple[str, bytes, bytes, bytes, int]


class Place(msgspec.Struct, frozen=True):
    """Where a document will stand: its number, and the hash of the one before."""

    number: str
    previous: str
    issued_on: str


class Wanted(msgspec.Struct, frozen=True):
    """A document to freeze. `subject` is what it is about: frozen once, whoever asks again.

    `org` is the organization's sixteen bytes, `about` those of the payment or refund; it is kept
    as long as `keep` says.
    """

    entity: str
    kind: Kind
    subject: str
    org: bytes
    keep: Keep
    now_ms: int
    about: bytes | None = None


def freeze(
    tx: Transaction, wanted: Wanted, compose: Callable[[Place], Document], sealer: Sealer
) -> tuple[Frozen, bool]:
    """Return the document of a subject, and whether it was frozen just now."""
    issued = dt.datetime.fromtimestamp(wanted.now_ms // _MS, dt.UTC).date()
    series = f"{wanted.entity}-{_LETTERS[wanted.kind]}{issued.year}"
    tx.execute(
        "INSERT INTO document_series (series, n, hash) VALUES (?, 0, ?) ON CONFLICT DO NOTHING",
        (series, bytes(32)),
    )
    last = tx.row(
        "SELECT n, hash FROM document_series WHERE series = ? {lock}", (series,), tuple[int, bytes]
    )
    assert last
    if found := of_subject(tx, wanted.subject, sealer):
        return found, False
    n = last[0] + 1
    document = compose(Place(f"{series}-{n:06d}", last[1].hex(), issued.isoformat()))
    invariant(document.net_cents + document.tax_cents == document.gross_cents, "a document adds up")
    body = _ENCODER.encode(document)
    digest = sha256(body).digest()
    sealed = seal(tx, sealer, (wanted.org, "papers"), body)
    tx.execute(
        "INSERT INTO document (number, series, n, kind, org, subject, mirrors, about, issued_at,"
        " keep_until, gross_cents, tax_cents, body, sha256, is_sealed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            document.number, series, n, wanted.kind.value, wanted.org, wanted.subject,
            document.mirrors.number if document.mirrors else None, wanted.about, wanted.now_ms,
            wanted.keep.until(issued), document.gross_cents, document.tax_cents, sealed, digest,
        ),
    )  # fmt: skip
    touched = tx.execute(
        "UPDATE document_series SET n = ?, hash = ? WHERE series = ? AND n = ?",
        (n, digest, series, last[0]),
    )
    invariant(touched == 1, "a series grows by one")
    return Frozen(document.number, body, digest.hex()), True


def of_subject(tx: Transaction, subject: str, sealer: Sealer) -> Frozen | None:
    """Return what was frozen about a subject."""
    return _opened(tx, tx.row(f"{_FROZEN} WHERE subject = ?", (subject,), _FROZEN_OF), sealer)


def numbered(tx: Transaction, number: str, sealer: Sealer) -> Frozen | None:
    """Return the document of a number."""
    return _opened(tx, tx.row(f"{_FROZEN} WHERE number = ?", (number,), _FROZEN_OF), sealer)


def _opened(
    tx: Transaction, found: tuple[str, bytes, bytes, bytes, int] | None, sealer: Sealer
) -> Frozen | None:
    if found is None:
        return None
    number, body, digest, org, is_sealed = found
    opened = unseal(tx, sealer, (org, "papers"), (body, is_sealed))
    return Frozen(number, opened, digest.hex())


class Listed(msgspec.Struct, frozen=True):
    """A document in a list; amounts in cents, a credit note's below zero."""

    number: str
    kind: Kind
    organization: str
    issued_at_ms: int
    gross_cents: int
    tax_cents: int
    mirrors: str
    sha256: str


def listed(tx: Transaction, org: bytes | None, limit: int) -> list[Listed]:
    """Return the newest documents, of one organization or of all."""
    rows = tx.rows(
        _LISTED.format("" if org is None else "WHERE org = ?"),
        (limit,) if org is None else (org, limit),
        tuple[str, str, bytes, int, int, int, str | None, bytes],
    )
    return [
        Listed(number, Kind(kind), f"org_{raw.hex()}", at, gross, tax, mirrors or "", digest.hex())
        for number, kind, raw, at, gross, tax, mirrors, digest in rows
    ]


class End(msgspec.Struct, frozen=True):
    """The last document of a series, kept elsewhere to compare a copy with."""

    series: str
    n: int
    sha256: str


class Checked(msgspec.Struct):
    """How many documents were read, where each series ends, and what is wrong with them."""

    documents: int = 0
    series: int = 0
    ends: list[End] = []
    problems: list[str] = []


def check(tx: Transaction, sealer: Sealer, kept: Sequence[End] = ()) -> Checked:
    """Read every series from its start: no gap, no changed byte, each naming the one before.

    Ends that were kept elsewhere must be among the documents: else this is a copy of before.
    """
    report = Checked()
    ends = tx.rows("SELECT series, n, hash FROM document_series ORDER BY series", (),
                   tuple[str, int, bytes])  # fmt: skip
    for series, end, end_hash in ends:
        report.series += 1
        at = (0, bytes(32))
        wanted = {each.n: each.sha256 for each in kept if each.series == series}
        for n, digest, body, number in _series(tx, series, sealer):
            if wanted.pop(n, digest.hex()) != digest.hex():
                report.problems.append(f"{series}: number {n} is not the one that was kept")
            if n != at[0] + 1:
                report.problems.append(f"{series}: there is a gap before number {n}")
            if body is not None:
                report.documents += 1
                report.problems += _faults(number, body, digest, at[1])
            at = (n, digest)
        if at != (end, end_hash):
            report.problems.append(f"{series}: it does not end with number {end}")
        report.problems += [_lost(series, n) for n in wanted]
        report.ends.append(End(series, end, end_hash.hex()))
    known = {series for series, _, _ in ends}
    report.problems += [_lost(each.series, each.n) for each in kept if each.series not in known]
    return report


def _lost(series: str, n: int) -> str:
    return f"{series}: number {n} was kept and is not here: what was issued since is lost"


def _series(
    tx: Transaction, series: str, sealer: Sealer
) -> list[tuple[int, bytes, bytes | None, str]]:
    kept = [
        (n, digest, _body(tx, sealer, (org, body, is_sealed)), number)
        for n, digest, number, org, body, is_sealed in tx.rows(
            "SELECT n, sha256, number, org, body, is_sealed FROM document WHERE series = ?",
            (series,),
            tuple[int, bytes, str, bytes, bytes, int],
        )
    ]
    gone = tx.rows(
        "SELECT n, sha256 FROM document_gone WHERE series = ?", (series,), tuple[int, bytes]
    )
    return sorted([*kept, *((n, digest, None, "") for n, digest in gone)], key=lambda row: row[0])


def _body(tx: Transaction, sealer: Sealer, kept: tuple[bytes, bytes, int]) -> bytes:
    """Return a document's JSON, nothing where it cannot be opened."""
    org, body, is_sealed = kept
    try:
        return unseal(tx, sealer, (org, "papers"), (body, is_sealed))
    except InvariantBroken:
        return b""


def _faults(number: str, body: bytes, digest: bytes, before: bytes) -> list[str]:
    try:
        document = msgspec.json.decode(body, type=Document)
    except msgspec.MsgspecError:
        return [f"{number}: it cannot be read"]
    is_same = document.number == number and sha256(body).digest() == digest
    follows = document.previous == before.hex()
    return [f"{number}: it was changed"] * (not is_same) + [
        f"{number}: it does not name the one before"
    ] * (not follows)
