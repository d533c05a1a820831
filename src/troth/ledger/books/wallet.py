"""What a wallet holds."""

import msgspec

from troth.ledger.books.entry import wallet_purse
from troth.store.transaction import Transaction


class Wallet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`posted` is what is owned, `held` what is lent to gateways, both in nano-USD."""

    posted: int
    held: int

    @property
    def available(self) -> int:
        """Return what is not lent."""
        return self.posted - self.held


def wallet(tx: Transaction, org: bytes) -> Wallet | None:
    """Return the wallet of an organization's sixteen bytes."""
    return tx.row("SELECT posted, held FROM book WHERE id = ?", (wallet_purse(org),), Wallet)
