"""The ledger in a gateway process: reserve and settle in memory, journal, talk to the desk.

Read `messages` for the protocol, `records` for the journal's bytes, `journal`, then `shard`.
"""
