"""The ledger in a gateway process: reserve and settle in memory, journal, talk to the desk.

Read `messages` for the protocol, `records` for the journal's bytes, `journal`, `purse`, `leases`,
then `shard`; `replay` for what a killed process left behind.
"""

from troth.ledger.shard.journal import JOURNAL_SUFFIX as JOURNAL_SUFFIX
from troth.ledger.shard.journal import Journal as Journal
from troth.ledger.shard.purse import ShardTerms as ShardTerms
from troth.ledger.shard.purse import Short as Short
from troth.ledger.shard.purse import ShortKind as ShortKind
from troth.ledger.shard.replay import ASIDE_SUFFIX as ASIDE_SUFFIX
from troth.ledger.shard.replay import recover as recover
from troth.ledger.shard.shard import Shard as Shard
