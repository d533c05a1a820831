"""What is kept about those who ask: slices by noun, each entered by its front door.

Bottom to top: `audit`, `accounts`, then `keys`, `supply` and `usage`. All are synchronous functions
over a transaction that the edge opened; none commits.
"""
