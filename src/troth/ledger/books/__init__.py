"""The ledger on the database: double entry, leases, postings, and the proof that they agree.

Every function takes an open `Transaction` and the time; none commits. Read `entry` and `lot` for
what a wallet is, `lease` for how parts of it are lent, `posting` for how charges come back,
`teller` for the desk's side of the protocol, `moves` for all that is no charge (top-ups, refunds,
disputes, expiry, costs), `invariants` and `verify` for the proof.
"""

from troth.ledger.books.budget import (
    Budget,
    Crossing,
    Mode,
    Period,
    Rule,
    crossings,
    drop_rule,
    rule,
    running,
    set_rule,
    span,
)
from troth.ledger.books.chain import receipt_holds, receipt_leaf, receipt_proof, receipts_root
from troth.ledger.books.days import GUARDED_DAYS, close_day, forget, forget_guards
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
    expire,
    moved,
    movement_id,
    reverse,
    take,
    transfer,
)
from troth.ledger.books.posting import Posted, WriteUsage
from troth.ledger.books.teller import Outgoing, Teller, TellerTerms
from troth.ledger.books.verify import Report, verify
from troth.ledger.books.wallet import Wallet, wallet

__all__ = [
    "GUARDED_DAYS",
    "Budget",
    "Credit",
    "Crossing",
    "Kind",
    "Lot",
    "LotKind",
    "Mode",
    "OperatorBook",
    "Outgoing",
    "Period",
    "Posted",
    "Report",
    "Reversal",
    "Rule",
    "Take",
    "Teller",
    "TellerTerms",
    "Transfer",
    "Wallet",
    "WriteUsage",
    "balance",
    "close_day",
    "credit",
    "crossings",
    "drop_rule",
    "expire",
    "forget",
    "forget_guards",
    "is_recalled",
    "lots",
    "moved",
    "movement_id",
    "open_wallet",
    "receipt_holds",
    "receipt_leaf",
    "receipt_proof",
    "receipts_root",
    "reverse",
    "rule",
    "running",
    "set_rule",
    "span",
    "take",
    "transfer",
    "verify",
    "wallet",
    "wallet_purse",
]
