"""Purses, from which gateways are lent: a wallet, or one period of a budget.

A budget's rule is its owner's; each of its periods is a row of its own, made when it is first asked
for. Running requests settle into the period they were admitted in.
"""

from typing import Final

import msgspec

from troth.kernel.errors import invariant
from troth.kernel.periods import Period, span
from troth.ledger.books.entry import WALLET, wallet_purse
from troth.store.transaction import Transaction

UNLIMITED: Final = 2**62
"""What an alert leaves to be lent: it never stops anybody."""
_WALLET: Final = "SELECT posted - held, held, 0, 0 FROM book WHERE id = ? {lock}"
_PERIOD: Final = (
    "SELECT CASE mode WHEN 'alert' THEN ? ELSE limit_nusd - spent - held END, held, starts_at,"
    " ends_at FROM budget WHERE purse = ? AND "
)


class Wallet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`posted` is what is owned, `held` what is lent to gateways, both in nano-USD."""

    posted: int
    held: int

    @property
    def available(self) -> int:
        """Return what is not lent."""
        return self.posted - self.held


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a purse has left to lend, what is lent, and which period of it this is.

    `ends_at` is 0 for a wallet, and for a budget without periods.
    """

    available: int
    held: int
    starts_at: int
    ends_at: int


def wallet(tx: Transaction, org: bytes) -> Wallet | None:
    """Return the wallet of an organization's sixteen bytes."""
    return tx.row("SELECT posted, held FROM book WHERE id = ?", (wallet_purse(org),), Wallet)


def stand(tx: Transaction, purse: bytes, now_ms: int) -> Standing | None:
    """Return and lock a purse as it stands; None when there is no such wallet or budget."""
    if purse[:1] == WALLET:
        return tx.row(_WALLET, (purse,), Standing)
    rule = "SELECT period, zone FROM budget_rule WHERE purse = ?"
    found = tx.row(rule, (purse,), tuple[str, str])
    if found is None:
        return None
    starts_at, ends_at = span(Period(found[0]), found[1], now_ms)
    tx.execute(
        "INSERT INTO budget (purse, starts_at, ends_at, mode, limit_nusd, first_epoch)"
        " SELECT purse, ?, ?, mode, limit_nusd, epoch + 1 FROM budget_rule WHERE purse = ?"
        " ON CONFLICT DO NOTHING",
        (starts_at, ends_at, purse),
    )
    return tx.row(_PERIOD + "starts_at = ? {lock}", (UNLIMITED, purse, starts_at), Standing)


def of_epoch(tx: Transaction, purse: bytes, epoch: int) -> Standing | None:
    """Return and lock the period of a budget whose lease had this epoch."""
    return tx.row(
        _PERIOD + "first_epoch <= ? ORDER BY first_epoch DESC, starts_at DESC LIMIT 1 {lock}",
        (UNLIMITED, purse, epoch),
        Standing,
    )


def next_epoch(tx: Transaction, purse: bytes) -> int:
    """Return an epoch that this purse never had."""
    statement = (
        "UPDATE book SET epoch = epoch + 1 WHERE id = ? RETURNING epoch"
        if purse[:1] == WALLET
        else "UPDATE budget_rule SET epoch = epoch + 1 WHERE purse = ? RETURNING epoch"
    )
    return tx.number(statement, (purse,))


def set_aside(tx: Transaction, purse: bytes, starts_at: int, amount: int) -> None:
    """Hold `amount` of a purse, below zero to free it; the purse stands."""
    if purse[:1] == WALLET:
        touched = tx.execute("UPDATE book SET held = held + ? WHERE id = ?", (amount, purse))
    else:
        touched = tx.execute(
            "UPDATE budget SET held = held + ? WHERE purse = ? AND starts_at = ?",
            (amount, purse, starts_at),
        )
    invariant(touched == 1, "a lease has a purse")
