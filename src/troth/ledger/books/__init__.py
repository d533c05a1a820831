"""The ledger on the database: double entry, leases, postings, and the proof that they agree.

Every function takes an open `Transaction` and the time; none commits. Read `entry` and `lot` for
what a wallet is, `lease` for how parts of it are lent, `posting` for how charges come back,
`teller` for the desk's side of the protocol, `invariants` and `verify` for the proof.
"""

from troth.ledger.books.budget import Mode, Period, Rule, set_rule
from troth.ledger.books.entry import Credit, LotKind, credit, open_wallet, wallet_purse
from troth.ledger.books.posting import Posted, WriteUsage
from troth.ledger.books.teller import Outgoing, Teller, TellerTerms
from troth.ledger.books.wallet import Wallet, wallet

__all__ = [
    "Credit",
    "LotKind",
    "Mode",
    "Outgoing",
    "Period",
    "Posted",
    "Rule",
    "Teller",
    "TellerTerms",
    "Wallet",
    "WriteUsage",
    "credit",
    "open_wallet",
    "set_rule",
    "wallet",
    "wallet_purse",
]
