"""The ledger on the database: double entry, leases, postings, and the proof that they agree.

Every function takes an open `Transaction` and the time; none commits. Read `entry` and `lot` for
what a wallet is, `lease` for how parts of it are lent, `posting` for how charges come back,
`teller` for the desk's side of the protocol, `moves` for all that is no charge (top-ups, refunds,
disputes, expiry, costs), `invariants` and `verify` for the proof.
"""

from troth.ledger.books.chain import receipt_leaf
from troth.ledger.books.days import close_day, forget_guards
from troth.ledger.books.entry import OperatorBook, balance, open_wallet, wallet_purse
from troth.ledger.books.lease import is_recalled
from troth.ledger.books.lot import Lot, LotKind, lots
from troth.ledger.books.moves import (
    Credit,
    Kind,
    Reversal,
    Take,
    Transfer,
    credit,
    moved,
    movement_id,
    reverse,
    take,
    transfer,
)
from troth.ledger.books.posting import Posted
from troth.ledger.books.purse import Wallet, wallet
from troth.ledger.books.teller import Outgoing, Teller, TellerTerms
from troth.ledger.books.verify import verify

__all__ = [
    "Credit",
    "Kind",
    "Lot",
    "LotKind",
    "OperatorBook",
    "Outgoing",
    "Posted",
    "Reversal",
    "Take",
    "Teller",
    "TellerTerms",
    "Transfer",
    "Wallet",
    "balance",
    "close_day",
    "credit",
    "forget_guards",
    "is_recalled",
    "lots",
    "moved",
    "movement_id",
    "open_wallet",
    "receipt_leaf",
    "reverse",
    "take",
    "transfer",
    "verify",
    "wallet",
    "wallet_purse",
]
