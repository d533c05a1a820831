"""Our books against the company's, to the cent. A difference is put before a person.

Fees and payouts are known from the company's books alone, so they are written from there; nothing
else is: what does not fit is listed with its reference and changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from troth.control.billing import ports
from troth.control.billing.disputes import DisputeState, read_disputes
from troth.control.billing.ports import MovementKind
from troth.control.billing.queue import ItemKind, raise_item, settle_item
from troth.control.billing.refunds import read_refunds
from troth.control.billing.terms import (
    MS_OF_DAY,
    MS_OF_HOUR,
    NUSD_PER_CENT,
    Till,
    automatic,
)
from troth.control.billing.topups import TopupState, read_topups
from troth.ledger import books
from troth.ledger.books import Kind
from troth.store.transaction import Transaction

OVERLAP_S: Final = 10 * MS_OF_DAY // 1_000
"""Lines are read again for so long: only later do they learn which payout they went with."""
GRACE_MS: Final = 2 * MS_OF_HOUR
"""A line may be ahead of its webhook for so long."""


ROUND: Final = 200
"""Lines of one transaction: nobody else writes meanwhile."""
Place = tuple[int, str]
"""Time in milliseconds and reference of a line."""
START: Final[Place] = (-1, "")
_ALL: Final = 2**31


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of the company's books as we keep it."""

    ref: str
    kind: MovementKind
    about_mark: bytes
    cents: int
    fee_cents: int
    at_ms: int

    @property
    def place(self) -> Place:
        """Return where the line stands among the others."""
        return self.at_ms, self.ref

    @property
    def net_cents(self) -> int:
        """Return what the line moved."""
        return self.cents - self.fee_cents


class Gap(msgspec.Struct, frozen=True):
    """A line that our books do not have, or a payout whose lines do not add up."""

    ref: str
    kind: str
    cents: int


class Reconciled(msgspec.Struct, frozen=True):
    """Both books in cents. `gap_cents` is their difference, `gaps` what it is made of.

    `seen_cents` of it are lines that a person has looked at and found in order: they are listed no
    more. `unexplained_cents` is what no line explains: 0, or something is wrong that nobody has
    seen yet.
    """

    lines: int
    company_cents: int
    books_cents: int
    gap_cents: int
    seen_cents: int
    unexplained_cents: int
    gaps: tuple[Gap, ...]

    @property
    def is_even(self) -> bool:
        """Tell whether nothing is missing on either side that nobody has looked at."""
        return not self.gaps and not self.unexplained_cents


def since_s(tx: Transaction) -> int:
    """Return from when on to ask for lines: a while before the newest we have."""
    found = tx.row("SELECT coalesce(max(at), 0) FROM payment_line", (), tuple[int])
    return max(0, (found[0] if found else 0) // 1_000 - OVERLAP_S)


def keep_lines(tx: Transaction, till: Till, lines: Sequence[ports.Movement]) -> None:
    """Keep lines of the company's books; one that is known may only learn its payout."""
    for each in lines:
        tx.execute(
            "INSERT INTO payment_line (ref, kind, about_mark, cents, fee_cents, at, payout,"
            " is_matched) VALUES (?, ?, ?, ?, ?, ?, ?, 0)"
            " ON CONFLICT (ref) DO UPDATE SET payout = excluded.payout",
            (
                each.ref,
                each.kind.value,
                till.sealer.mark(each.about),
                each.cents,
                each.fee_cents,
                each.at_s * 1_000,
                each.payout,
            ),
        )


def keep_payouts(tx: Transaction, payouts: Sequence[ports.Payout]) -> None:
    """Keep payouts and how they stand."""
    for each in payouts:
        tx.execute(
            "INSERT INTO payout (ref, cents, state, arrives_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (ref) DO UPDATE SET state = excluded.state,"
            " arrives_at = excluded.arrives_at",
            (each.ref, each.cents, each.status.value, each.arrives_at_s * 1_000),
        )


def match_lines(
    tx: Transaction, till: Till, now_ms: int, *, after: Place = START, limit: int = ROUND
) -> Place | None:
    """Find open lines in our books; write fees and payouts; put old strangers to a person.

    Takes up to `limit` lines from a place on; returns where to go on, None at the end.
    """
    lines = _open_lines(tx, after, limit)
    for line in lines:
        if _MATCHES[line.kind](tx, line):
            _take_up(tx, till, line, now_ms)
        elif line.at_ms <= now_ms - GRACE_MS:
            cents = line.net_cents
            raise_item(tx, ItemKind.GAP, line.ref, org=None, cents=cents, now_ms=now_ms)
    return lines[-1].place if len(lines) == limit else None


def _open_lines(tx: Transaction, after: Place = START, limit: int = _ALL) -> list[Line]:
    rows = tx.rows(
        "SELECT ref, kind, about_mark, cents, fee_cents, at FROM payment_line"
        " WHERE is_matched = 0 AND (at > ? OR (at = ? AND ref > ?)) ORDER BY at, ref LIMIT ?",
        (after[0], *after, limit),
    )
    return msgspec.convert(rows, list[Line])


def _take_up(tx: Transaction, till: Till, line: Line, now_ms: int) -> None:
    fee_cents = -line.net_cents if line.kind is MovementKind.FEE else line.fee_cents
    moves = [books.Transfer(Kind.FEE, line.ref, fee_cents * NUSD_PER_CENT)]
    if line.kind is MovementKind.PAYOUT:
        moves.append(books.Transfer(Kind.PAYOUT, line.ref, -line.cents * NUSD_PER_CENT))
    books.transfer(tx, [each for each in moves if each.amount], till.desk, now_ms)
    if line.kind is MovementKind.PAYOUT_REVERSAL:
        first = books.movement_id(Kind.PAYOUT, _payout_of(tx, line) or "")
        back = books.Reversal(Kind.CORRECTION, f"payout {line.ref}", first)
        books.reverse(tx, back, till.desk, now_ms)
    if line.kind is MovementKind.CHARGE:
        tx.execute(
            "UPDATE topup SET fee_cents = ? WHERE intent_mark = ?",
            (line.fee_cents, line.about_mark),
        )
    tx.execute("UPDATE payment_line SET is_matched = 1 WHERE ref = ?", (line.ref,))
    settle_item(tx, ItemKind.GAP, line.ref, automatic(now_ms))


def _is_charge(tx: Transaction, line: Line) -> bool:
    found = read_topups(tx, "WHERE intent_mark = ?", (line.about_mark,))
    return any(
        each.state is TopupState.PAID and each.paid_cents == line.cents for each in found
    ) and _is_fee(line.fee_cents)


def _is_refund(tx: Transaction, line: Line) -> bool:
    found = read_refunds(tx, "WHERE ref_mark = ?", (line.about_mark,))
    return any(each.sent_cents == -line.cents for each in found) and _is_fee(line.fee_cents)


def _is_refund_failure(tx: Transaction, line: Line) -> bool:
    found = read_refunds(tx, "WHERE ref_mark = ?", (line.about_mark,))
    return any(
        each.sent_cents == line.cents
        and books.moved(tx, books.movement_id(Kind.REFUND_FAILED, each.undo_key(Kind.REFUND_SENT)))
        for each in found
    ) and _is_fee(line.fee_cents)


def _is_dispute(tx: Transaction, line: Line) -> bool:
    found = read_disputes(tx, "WHERE ref_mark = ?", (line.about_mark,))
    return any(each.cents == -line.cents for each in found) and _is_fee(line.fee_cents)


def _is_dispute_reversal(tx: Transaction, line: Line) -> bool:
    found = read_disputes(tx, "WHERE ref_mark = ?", (line.about_mark,))
    return any(
        each.state is DisputeState.WON and each.cents == line.cents for each in found
    ) and _is_fee(line.fee_cents)


def _is_fee(cents: int) -> bool:
    """A fee that is given back is a stranger: a person says what it was."""
    return cents >= 0


def _is_own_fee(_: Transaction, line: Line) -> bool:
    return line.net_cents < 0


def _is_payout(_: Transaction, line: Line) -> bool:
    return line.cents < 0 and _is_fee(line.fee_cents)


def _is_payout_reversal(tx: Transaction, line: Line) -> bool:
    return _payout_of(tx, line) is not None and _is_fee(line.fee_cents)


def _payout_of(tx: Transaction, line: Line) -> str | None:
    """Return the line, taken up, of the payout that came back."""
    found = tx.row(
        "SELECT ref FROM payment_line WHERE kind = ? AND about_mark = ? AND cents = ?"
        " AND is_matched = 1",
        (MovementKind.PAYOUT.value, line.about_mark, -line.cents),
        tuple[str],
    )
    return found[0] if found else None


def _is_strange(_: Transaction, line: Line) -> bool:
    del line
    return False


_MATCHES: Final[Mapping[MovementKind, Callable[[Transaction, Line], bool]]] = {
    MovementKind.CHARGE: _is_charge,
    MovementKind.REFUND: _is_refund,
    MovementKind.REFUND_FAILURE: _is_refund_failure,
    MovementKind.DISPUTE: _is_dispute,
    MovementKind.DISPUTE_REVERSAL: _is_dispute_reversal,
    MovementKind.FEE: _is_own_fee,
    MovementKind.PAYOUT: _is_payout,
    MovementKind.PAYOUT_REVERSAL: _is_payout_reversal,
    MovementKind.OTHER: _is_strange,
}


def reconciled(tx: Transaction) -> Reconciled:
    """Compare both books as far as the company's lines are kept here."""
    seen, lines = _seen(tx), _open_lines(tx)
    strangers = [each for each in lines if each.ref not in seen]
    seen_cents = sum(each.net_cents for each in lines if each.ref in seen)
    count, company = _company(tx)
    ours = -books.balance(tx, books.OperatorBook.CLEARING) - _credited_by_hand(tx)
    gap_cents = company - ours // NUSD_PER_CENT
    gaps = [Gap(each.ref, each.kind.value, each.net_cents) for each in strangers]
    return Reconciled(
        lines=count,
        company_cents=company,
        books_cents=ours // NUSD_PER_CENT,
        gap_cents=gap_cents,
        seen_cents=seen_cents,
        unexplained_cents=gap_cents - seen_cents - sum(each.cents for each in gaps),
        gaps=(*gaps, *_payout_gaps(tx)),
    )


def _seen(tx: Transaction) -> set[str]:
    """Return the lines that a person has looked at and found in order."""
    found = tx.rows(
        "SELECT subject FROM payment_item WHERE kind = ? AND resolved_at IS NOT NULL",
        (ItemKind.GAP.value,),
        tuple[str],
    )
    return {ref for (ref,) in found}


def _company(tx: Transaction) -> tuple[int, int]:
    found = tx.row(
        "SELECT count(*), CAST(coalesce(sum(cents - fee_cents), 0) AS bigint) FROM payment_line",
        (),
        tuple[int, int],
    )
    assert found
    return found


def _credited_by_hand(tx: Transaction) -> int:
    """Return what was credited as bought without a payment: it never was at the company."""
    found = tx.row(
        "SELECT CAST(coalesce(sum(granted), 0) AS bigint) FROM lot WHERE kind = 'paid'"
        " AND NOT EXISTS (SELECT 1 FROM topup WHERE topup.lot = lot.id)",
        (),
        tuple[int],
    )
    assert found
    return found[0]


def _payout_gaps(tx: Transaction) -> list[Gap]:
    """Return payouts that are not what their lines add up to, or failed and are not back yet."""
    found = tx.rows(
        "SELECT ref, state, cents - (SELECT CAST(coalesce(sum(l.cents - l.fee_cents), 0) AS bigint)"
        " FROM payment_line AS l WHERE l.payout = payout.ref AND l.kind <> 'payout'),"
        " (SELECT count(*) FROM payment_line AS l JOIN payment_line AS back"
        " ON back.about_mark = l.about_mark AND back.kind = 'payout_reversal'"
        " WHERE l.payout = payout.ref AND l.kind = 'payout' AND back.is_matched = 1)"
        " FROM payout ORDER BY ref",
        (),
        tuple[str, str, int, int],
    )
    failed = ports.PayoutStatus.FAILED.value
    return [
        Gap(ref, "payout", off)
        for ref, state, off, back in found
        if off or (state == failed and not back)
    ]
