"""The ledger on the database: double entry, leases, postings, and the proof that they agree.

Every function takes an open `Transaction` and the time; none commits. Read `entry` and `lot` for
what a wallet is, `lease` for how parts of it are lent, `posting` for how charges come back,
`teller` for the desk's side of the protocol, `invariants` and `verify` for the proof.
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
    set_rule,
)
from troth.ledger.books.chain import receipt_holds, receipt_leaf, receipt_proof, receipts_root
from troth.ledger.books.days import close_day, expire
from troth.ledger.books.entry import Credit, LotKind, credit, open_wallet, wallet_purse
from troth.ledger.books.posting import Posted, WriteUsage
from troth.ledger.books.teller import Outgoing, Teller, TellerTerms
from troth.ledger.books.verify import Report, verify
from troth.ledger.books.wallet import Wallet, wallet

__all__ = [
    "Budget",
    "Credit",
    "Crossing",
    "LotKind",
    "Mode",
    "Outgoing",
    "Period",
    "Posted",
    "Report",
    "Rule",
    "Teller",
    "TellerTerms",
    "Wallet",
    "WriteUsage",
    "close_day",
    "credit",
    "crossings",
    "drop_rule",
    "expire",
    "open_wallet",
    "receipt_holds",
    "receipt_leaf",
    "receipt_proof",
    "receipts_root",
    "rule",
    "set_rule",
    "verify",
    "wallet",
    "wallet_purse",
]
