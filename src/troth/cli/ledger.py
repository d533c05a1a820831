"""`troth ledger`: the books."""

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session


@click.group()
def ledger() -> None:
    """The books: every movement of credit, in a chain that shows a change."""


@ledger.command()
@with_session
def verify(session: Session) -> None:
    """Recompute the books from their start; a rule that does not hold is named."""
    from troth.server.shown import Verified

    with session.management() as client:
        body = client.post("ledger", "verify")
    found = read(body, Verified)
    session.output.document(
        body,
        {
            "batches": str(found.batches),
            "audit entries": str(found.audit_entries),
            "books": "agree",
        },
    )
