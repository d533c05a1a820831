"""SQLite and PostgreSQL behind one small interface.

Read `transaction` for what a unit of work can do, then `engine` for who opens, commits and rolls
back (only `troth.server` may). `migrations/` holds the schema as numbered SQL files per dialect,
`data_map` the data class of each column.
"""
