"""Who owes what of a batch of settlements: computed in memory, written by `posting`."""

from collections.abc import Sequence

import msgspec

from troth.kernel.errors import invariant
from troth.ledger.books import budget
from troth.ledger.books.entry import WALLET
from troth.ledger.books.lease import SELECT, Lent
from troth.ledger.shard.records import Settlement
from troth.store.transaction import Column, Transaction


class Owed(msgspec.Struct, gc=False):
    """What moves. `paid` by settlement; sums by purse; the rest is the operator's."""

    paid: list[int]
    settled: dict[bytes, int]
    wallets: dict[bytes, tuple[int, int]]
    """Wallet to (paid, no longer held)."""
    budgets: dict[tuple[bytes, int], tuple[int, int]]
    """Budget and start of its period to (spent, no longer held)."""
    counts: dict[bytes, int]
    purses: set[bytes]
    overrun: int
    late: int


def owed(tx: Transaction, seat: bytes, settlements: Sequence[Settlement]) -> Owed:
    """Lock what a batch touches, and decide who pays each settlement."""
    purses = {purse for each in settlements for purse, _ in each.purses}
    rests = _wallets(tx, sorted(purse for purse in purses if purse[:1] == WALLET))
    leases = _leases(tx, seat, sorted(purses))
    debt = Owed([], {}, {}, {}, {}, purses, 0, 0)
    epochs = {purse: lent.epoch for purse, lent in leases.items()}
    late = []
    for each in settlements:
        if any(epochs.get(purse) != epoch for purse, epoch in each.purses):
            late.append(len(debt.paid))
        else:
            _from_leases(debt, each, leases)
        debt.paid.append(each.charge)
        debt.overrun += each.overrun
    for index in late:
        debt.paid[index] = _from_rest(tx, debt, settlements[index], leases=leases, rests=rests)
        debt.late += settlements[index].charge - debt.paid[index]
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


def _leases(tx: Transaction, seat: bytes, purses: list[bytes]) -> dict[bytes, Lent]:
    found = tx.bulk_rows(
        SELECT + " JOIN {rows} AS d ON purse = d.column1 AND seat = d.column2",
        (Column.BLOB, Column.BLOB),
        [(purse, seat) for purse in purses],
        Lent,
    )
    return {each.purse: each for each in found}


def _from_leases(debt: Owed, each: Settlement, leases: dict[bytes, Lent]) -> None:
    """The usual case: all was set aside."""
    charge = each.charge
    for purse, _ in each.purses:
        _from_lease(debt, leases[purse], charge, charge)


def _from_lease(debt: Owed, lent: Lent, charge: int, paid: int) -> None:
    """What was set aside for `charge` is used; `paid` of it is the customer's."""
    purse = lent.purse
    debt.settled[purse] = debt.settled.get(purse, 0) + charge
    _pay(debt, purse, lent.starts_at, (paid, charge))


def _pay(debt: Owed, purse: bytes, starts_at: int, amounts: tuple[int, int]) -> None:
    paid, held = amounts
    if purse[:1] == WALLET:
        before, lent = debt.wallets.get(purse, (0, 0))
        debt.wallets[purse] = before + paid, lent + held
        debt.counts[purse] = debt.counts.get(purse, 0) + 1
        return
    period = (purse, starts_at)
    before, lent = debt.budgets.get(period, (0, 0))
    debt.budgets[period] = before + paid, lent + held


def _from_rest(
    tx: Transaction,
    debt: Owed,
    each: Settlement,
    *,
    leases: dict[bytes, Lent],
    rests: dict[bytes, int],
) -> int:
    """A late one: paid from what is left of those purses whose lease is gone."""
    standing = {
        purse: lent
        for purse, epoch in each.purses
        if (lent := leases.get(purse)) is not None and lent.epoch == epoch
    }
    gone = {purse: epoch for purse, epoch in each.purses if purse not in standing}
    periods = {
        purse: _period(tx, purse, epoch) for purse, epoch in gone.items() if purse[:1] != WALLET
    }
    paid = min([each.charge, *(rests[purse] for purse in gone if purse[:1] == WALLET)])
    for purse, period in periods.items():
        spent, held = debt.budgets.get((purse, period.starts_at), (0, 0))
        paid = min(paid, max(0, period.available - spent + held))
    for purse in gone:
        if purse in rests:
            rests[purse] -= paid
            _pay(debt, purse, 0, (paid, 0))
        else:
            _pay(debt, purse, periods[purse].starts_at, (paid, 0))
    for lent in standing.values():
        _from_lease(debt, lent, each.charge, paid)
    return paid


def _period(tx: Transaction, purse: bytes, epoch: int) -> budget.Budget:
    found = budget.of_epoch(tx, purse, epoch)
    invariant(found is not None, "a settled budget has a period")
    assert found is not None
    return found
