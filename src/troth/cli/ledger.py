"""`troth ledger`: the books."""

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session


@click.group()
def ledger() -> None:
    """The books: every movement of credit, in a chain that shows a change."""


@ledger.command()
@with_session
def verify(session: Session) -> int:
    """Recompute the books from their start; a rule that does not hold is named."""
    from troth.server.shown import Verified

    with session.management() as client:
        body = client.post("ledger", "verify")
    found = read(body, Verified)
    session.output.document(
        body,
        {
            "batches": str(found.batches),
            "charges": str(found.charges),
            "entries": str(found.entries),
            "audit entries": str(found.audit_entries),
            "books": "do not agree" if found.problems else "agree",
        },
    )
    for problem in found.problems:
        session.output.say(f"Problem: {problem}")
    if found.problems:
        session.output.say("Next: stop serving and restore the last backup that verifies.")
    return 1 if found.problems else 0
