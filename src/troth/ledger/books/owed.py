"""Who owes what of a batch of settlements: computed in memory, written by `posting`."""

from collections.abc import Mapping, Sequence

import msgspec

from troth.kernel.errors import invariant
from troth.kernel.presence import present
from troth.ledger.books import purse as purses
from troth.ledger.books.entry import WALLET
from troth.ledger.books.lease import SELECT, Lent
from troth.ledger.shard.records import Settlement
from troth.store.transaction import Column, Transaction


class Owed(msgspec.Struct, gc=False):
    """What moves: `paid` by settlement; the rest is the operator's.

    `moved` is by purse and start of its period: what is paid, and what is no longer held because it
    was set aside in one of the `leases`. `wallets` have so much that is not lent.
    """

    leases: Mapping[bytes, Lent]
    wallets: Mapping[bytes, int]
    paid: list[int]
    moved: dict[tuple[bytes, int], tuple[int, int]]

    def move(self, purse: bytes, starts_at: int, paid: int, held: int) -> None:
        """Add to what moves in a purse."""
        period = (purse, starts_at)
        before, lent = self.moved.get(period, (0, 0))
        self.moved[period] = before + paid, lent + held


def owed(tx: Transaction, seat: bytes, settlements: Sequence[Settlement]) -> Owed:
    """Lock what a batch touches, and decide who pays each settlement."""
    touched = sorted({purse for each in settlements for purse, _ in each.purses})
    wallets = _wallets(tx, [purse for purse in touched if purse[:1] == WALLET])
    leases = _leases(tx, seat, touched)
    epochs = {purse: lent.epoch for purse, lent in leases.items()}
    debt = Owed(leases, wallets, [each.charge for each in settlements], {})
    late = []
    for place, each in enumerate(settlements):
        if each.charge and any(epochs.get(purse) != epoch for purse, epoch in each.purses):
            late.append(place)
        elif each.charge:  # else nothing moves, and nothing need ever have been lent for it
            for purse, _ in each.purses:
                debt.move(purse, leases[purse].starts_at, each.charge, each.charge)
    for place in late:  # from what those leave that were set aside
        debt.paid[place] = _from_rest(tx, debt, settlements[place])
    return debt


def _wallets(tx: Transaction, wallets: list[bytes]) -> dict[bytes, int]:
    """Lock wallets in the order of their ids; return what each has that is not lent."""
    found = tx.bulk_rows(
        "SELECT id, posted - held FROM book WHERE id IN (SELECT column1 FROM {rows} AS d)"
        " ORDER BY id {lock}",
        (Column.BLOB,),
        [(wallet,) for wallet in wallets],
        tuple[bytes, int],
    )
    invariant(len(found) == len(wallets), "a settled wallet stands")
    return dict(found)


def _leases(tx: Transaction, seat: bytes, touched: list[bytes]) -> dict[bytes, Lent]:
    found = tx.bulk_rows(
        SELECT + " JOIN {rows} AS d ON purse = d.column1 AND seat = d.column2",
        (Column.BLOB, Column.BLOB),
        [(purse, seat) for purse in touched],
        Lent,
    )
    return {each.purse: each for each in found}


def _from_rest(tx: Transaction, debt: Owed, each: Settlement) -> int:
    """A late one: paid from what is left of those purses whose lease is gone."""
    paid = each.charge
    parts = []
    for purse, epoch in each.purses:
        lent = debt.leases.get(purse)
        if lent is not None and lent.epoch == epoch:
            parts.append((purse, lent.starts_at, each.charge))
        else:
            starts_at, rest = _rest(tx, debt, purse, epoch)
            paid = min(paid, rest)
            parts.append((purse, starts_at, 0))
    for purse, starts_at, held in parts:
        debt.move(purse, starts_at, paid, held)
    return paid


def _rest(tx: Transaction, debt: Owed, purse: bytes, epoch: int) -> tuple[int, int]:
    """Return the period that a late settlement belongs to, and what this batch leaves of it."""
    starts_at, available = 0, debt.wallets.get(purse, 0)
    if purse not in debt.wallets:
        found = purses.of_epoch(tx, purse, epoch)
        period = present(found, "a settled budget has a period")
        starts_at, available = period.starts_at, period.available
    paid, held = debt.moved.get((purse, starts_at), (0, 0))
    return starts_at, max(0, available - paid + held)
