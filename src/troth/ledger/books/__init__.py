"""The ledger on the database: double entry, leases, postings, and the proof that they agree.

Every function takes an open `Transaction` and the time; none commits. Read `entry` and `lot` for
what a wallet is, `purse` and `lease` for how parts of it and of budgets are lent, `posting` for how
charges come back, `teller` for the desk's side of the protocol, `moves` for all that is no charge
(top-ups, refunds, disputes, expiry, costs), `invariants` and `verify` for the proof.
"""

from troth.ledger.books.chain import receipt_leaf as receipt_leaf
from troth.ledger.books.days import close_day as close_day
from troth.ledger.books.days import forget_guards as forget_guards
from troth.ledger.books.entry import OperatorBook as OperatorBook
from troth.ledger.books.entry import balance as balance
from troth.ledger.books.entry import open_wallet as open_wallet
from troth.ledger.books.entry import wallet_purse as wallet_purse
from troth.ledger.books.invariants import everywhere as everywhere
from troth.ledger.books.lease import is_recalled as is_recalled
from troth.ledger.books.lot import Lot as Lot
from troth.ledger.books.lot import LotKind as LotKind
from troth.ledger.books.lot import lots as lots
from troth.ledger.books.moves import Credit as Credit
from troth.ledger.books.moves import Kind as Kind
from troth.ledger.books.moves import Reversal as Reversal
from troth.ledger.books.moves import Take as Take
from troth.ledger.books.moves import Transfer as Transfer
from troth.ledger.books.moves import credit as credit
from troth.ledger.books.moves import moved as moved
from troth.ledger.books.moves import movement_id as movement_id
from troth.ledger.books.moves import reverse as reverse
from troth.ledger.books.moves import take as take
from troth.ledger.books.moves import transfer as transfer
from troth.ledger.books.posting import Posted as Posted
from troth.ledger.books.purse import Wallet as Wallet
from troth.ledger.books.purse import wallet as wallet
from troth.ledger.books.teller import Outgoing as Outgoing
from troth.ledger.books.teller import Teller as Teller
from troth.ledger.books.teller import TellerTerms as TellerTerms
from troth.ledger.books.verify import verify as verify
