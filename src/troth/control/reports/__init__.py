"""Reports for the operator: the ledger as lines that an auditor can check without us."""

from troth.control.reports.ledger_lines import Head, batch, batches, closes, heads, opening

__all__ = ["Head", "batch", "batches", "closes", "heads", "opening"]
