"""Payments at the edge: here transactions are opened, and between them the company is called.

`incoming` brings money in and acts on notices, `outgoing` sends it back and closes accounts,
`balance` compares books. Every function is safe to call again after any failure.
"""
