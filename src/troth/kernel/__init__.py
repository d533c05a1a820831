"""Words and numbers that every plane shares; imports nothing of ours.

Read `errors` first (the tree is drawn at the top), then `money` and `quantities`.
"""
