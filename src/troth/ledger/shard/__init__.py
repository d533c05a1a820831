"""The ledger in a gateway process: reserve and settle in memory, journal, talk to the desk.

Read `messages` for the protocol, `records` for the journal's bytes, `journal`, `purse`, `leases`,
then `shard`; `replay` for what a killed process left behind.
"""

from troth.ledger.shard.journal import SUFFIX as JOURNAL_SUFFIX
from troth.ledger.shard.journal import Journal
from troth.ledger.shard.purse import ShardTerms, Short, ShortKind
from troth.ledger.shard.replay import OldSeat, Recovered, recover
from troth.ledger.shard.shard import Shard

__all__ = [
    "JOURNAL_SUFFIX",
    "Journal",
    "OldSeat",
    "Recovered",
    "Shard",
    "ShardTerms",
    "Short",
    "ShortKind",
    "recover",
]
