"""THE REQUEST: from bytes to answer, metered and charged. Its files are the nine stages.

Read `pipeline` first, then the stages in the order it calls them. `ports` says what the stages
need of the world, `exchange` which values travel between them.
"""
