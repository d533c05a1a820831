"""Money only: leased shards in the gateway processes, double-entry books at the desk.

Read `shard` for what a gateway process may spend from memory, then `books` for what is posted.
Neither knows quantities, models, clauses or payment companies.
"""
