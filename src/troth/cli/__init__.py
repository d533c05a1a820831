"""The command line: a client of the management API, one file a noun.

Read `main` for the commands, `session` for how one finds management, `output` for what is printed.
"""
