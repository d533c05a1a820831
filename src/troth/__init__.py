"""Troth: the LLM gateway that keeps its word, not yours.

The folders below are the planes of the system, top to bottom: cli, server, control | gateway,
ledger | providers, catalog | store | wire, policy, kernel. Imports point down, never up.
"""

__version__ = "0.1.0"
