"""Reports for the operator: margins, providers' bills, and the ledger for an auditor."""

from troth.control.reports.corrections import (
    Accepted,
    Correction,
    Listed,
    Overcharge,
    Proposal,
    accept,
    listed,
    propose,
)
from troth.control.reports.costs import post_costs
from troth.control.reports.exports import (
    AMOUNT_MAX,
    DAY_MAX,
    Form,
    Told,
    form_for,
    form_of,
    known_forms,
    read_export,
)
from troth.control.reports.ledger_lines import Head, batch, batches, closes, heads, opening
from troth.control.reports.margin import WAYS, By, Margin, margins
from troth.control.reports.reconcile import Line, Reconciled, State, Whose, reconcile, was_asked

__all__ = [
    "AMOUNT_MAX",
    "DAY_MAX",
    "WAYS",
    "Accepted",
    "By",
    "Correction",
    "Form",
    "Head",
    "Line",
    "Listed",
    "Margin",
    "Overcharge",
    "Proposal",
    "Reconciled",
    "State",
    "Told",
    "Whose",
    "accept",
    "batch",
    "batches",
    "closes",
    "form_for",
    "form_of",
    "heads",
    "known_forms",
    "listed",
    "margins",
    "opening",
    "post_costs",
    "propose",
    "read_export",
    "reconcile",
    "was_asked",
]
