"""Posting: a batch of settlements becomes books, lots, charges, usage, in one transaction.

A settlement whose leases still stand is paid from what was set aside for it. One that comes after
its lease ended (its seat was taken for dead) is late: it is paid from what is left, and the rest
is the operator's. A settlement the books have seen changes nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from troth.kernel import hash_tree
from troth.kernel.errors import invariant
from troth.kernel.hash_tree import EMPTY_ROOT
from troth.kernel.presence import present
from troth.ledger.books import chain, invariants, lot, seat
from troth.ledger.books.chain import Batch, ChargeRow
from troth.ledger.books.entry import WALLET, OperatorBook, open_operator_book
from troth.ledger.books.owed import Owed, owed
from troth.ledger.books.seat import Seat
from troth.ledger.shard import records
from troth.ledger.shard.messages import Ack, Posting
from troth.ledger.shard.records import Settlement
from troth.store.transaction import Column, Transaction


class Posted(msgspec.Struct, frozen=True, gc=False):
    """One settlement as it was posted: `charged` by the customer, `late` by the operator.

    `batch` and `place` find it again in the chain; `record` is the usage record's bytes.
    """

    reservation: bytes
    record: bytes
    charged: int
    overrun: int
    late: int
    day: int
    desk: int
    batch: int
    place: int


WriteUsage = Callable[[Transaction, Sequence[Posted]], None]
"""Writes usage rows and roll-ups; called inside the posting's transaction."""


def post(tx: Transaction, posting: Posting, write_usage: WriteUsage, now_ms: int) -> Ack:
    """Post what the books have not seen."""
    owner = present(seat.find(tx, posting.seat), "a posting's seat is known")
    settlements = [records.settlement(body) for body in posting.settlements]
    day = chain.today(tx, now_ms)
    fresh = _unseen(tx, settlements, day)
    if fresh:
        write_usage(tx, _post(tx, owner, fresh, (day, now_ms)))
    return Ack(posting.seat, posting.upto)


def _unseen(tx: Transaction, settlements: list[Settlement], day: int) -> list[Settlement]:
    """Remember the settlements; return those that were not known."""
    by_id = {each.reservation: each for each in settlements}
    invariant(len(by_id) == len(settlements), "I4 a reservation is settled once")
    new = tx.bulk_rows(
        "INSERT INTO seen (reservation, day) SELECT column1, column2 FROM {rows} AS d WHERE true"
        " ON CONFLICT DO NOTHING RETURNING reservation",
        (Column.BLOB, Column.INT),
        [(reservation, day) for reservation in sorted(by_id)],
        tuple[bytes],
    )
    known = {reservation for (reservation,) in new}
    return [each for each in settlements if each.reservation in known]


def _post(
    tx: Transaction, owner: Seat, fresh: list[Settlement], at: tuple[int, int]
) -> list[Posted]:
    desk = owner.desk
    debt = owed(tx, owner.id, fresh)
    _move_purses(tx, owner.id, debt)
    charges = _charges(tx, desk, debt, fresh, day=at[0])
    n, prev_hash = chain.head(tx, desk)
    tx.insert(
        "INSERT INTO charge (n, dr, cr, lot, amount, count, day, desk, batch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, desk, n + 1) for row in charges],
    )
    both = list(zip(fresh, debt.paid, strict=True))
    receipts = hash_tree.root([chain.receipt_leaf(each.reservation, paid) for each, paid in both])
    batch = Batch(
        desk, n + 1, prev_hash, chain.charges_root(charges), receipts, EMPTY_ROOT, len(fresh), *at
    )
    chain.append(tx, batch)
    invariants.touched(tx, sorted({purse for purse, _ in debt.moved}))
    return [
        Posted(
            each.reservation, each.record, paid, each.overrun, each.charge - paid, at[0],
            desk, batch.n, place,
        )
        for place, (each, paid) in enumerate(both)
    ]  # fmt: skip


def _move_purses(tx: Transaction, seat: bytes, debt: Owed) -> None:
    """Move the leases, budgets and wallets of a batch, each in the order of its ids."""
    moved = sorted(debt.moved.items())
    leases = [(purse, held, seat) for (purse, _), (_, held) in moved if held]
    touched = tx.bulk(
        "UPDATE lease SET settled = settled + d.column2 FROM {rows} AS d"
        " WHERE lease.purse = d.column1 AND lease.seat = d.column3",
        (Column.BLOB, Column.INT, Column.BLOB),
        leases,
    )
    invariant(touched == len(leases), "I3 a settled lease stands")
    budgets = [(*period, *amounts) for period, amounts in moved if period[0][:1] != WALLET]
    touched = tx.bulk(
        "UPDATE budget SET spent = spent + d.column3, held = held - d.column4 FROM {rows} AS d"
        " WHERE budget.purse = d.column1 AND budget.starts_at = d.column2",
        (Column.BLOB, Column.INT, Column.INT, Column.INT),
        budgets,
    )
    invariant(touched == len(budgets), "a settled budget stands")
    wallets = [(purse, *amounts) for (purse, _), amounts in moved if purse[:1] == WALLET]
    touched = tx.bulk(
        "UPDATE book SET posted = posted - d.column2, held = held - d.column3 FROM {rows} AS d"
        " WHERE book.id = d.column1",
        (Column.BLOB, Column.INT, Column.INT),
        wallets,
    )
    invariant(touched == len(wallets), "a charged wallet stands")


def _charges(
    tx: Transaction, desk: int, debt: Owed, fresh: list[Settlement], *, day: int
) -> list[ChargeRow]:
    """Write the operator's side; return the batch's charges: by lot, then what nobody paid."""
    revenue = OperatorBook.REVENUE.stripe(desk)
    counts = Counter(purse for each in fresh for purse, _ in each.purses)
    rows: list[ChargeRow] = []
    wanted = {
        purse: paid for (purse, _), (paid, _) in debt.moved.items() if paid and purse[:1] == WALLET
    }
    for wallet, drawn, amount in lot.draw(tx, wanted):
        rows.append((len(rows), wallet, revenue, drawn, amount, counts.pop(wallet, 0), day))
    overrun = sum(each.overrun for each in fresh)
    late = sum(each.charge for each in fresh) - sum(debt.paid)
    for book, amount in ((OperatorBook.OVERRUN, overrun), (OperatorBook.ORPHAN, late)):
        if amount:
            rows.append((len(rows), book.stripe(desk), revenue, None, amount, 0, day))
            _move(tx, book, desk, -amount)
    earned = sum(row[4] for row in rows)
    if earned:
        _move(tx, OperatorBook.REVENUE, desk, earned)
    return rows


def _move(tx: Transaction, book: OperatorBook, desk: int, amount: int) -> None:
    """Move the desk's stripe of a book, opened when it is first moved."""
    moved = "UPDATE book SET posted = posted + ? WHERE id = ?"
    if not tx.execute(moved, (amount, book.stripe(desk))):
        tx.execute(moved, (amount, open_operator_book(tx, book, desk)))
