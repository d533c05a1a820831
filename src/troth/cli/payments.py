"""`troth payments`: what was paid and given back, what waits for a person, whether books agree."""

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session


@click.group()
def payments() -> None:
    """Payments: list, check, queue, resolve, reconcile."""


@payments.command("list")
@click.argument("organization")
@click.option("--limit", default=50, show_default=True, help="How many.")
@with_session
def list_(session: Session, organization: str, limit: int) -> None:
    """List an organization's top-ups, refunds and disputes, the newest first."""
    from troth.server.shown_payments import Payment

    with session.management() as client:
        body = client.get("organizations", organization, "payments", limit=limit)
    rows = [
        (moment(each.at_ms), each.kind, each.state, each.usd, each.ref)
        for each in read(body, list[Payment])
    ]
    session.output.table(body, ("at", "kind", "state", "USD", "reference"), rows)


@payments.command()
@click.argument("topup")
@with_session
def check(session: Session, topup: str) -> None:
    """Ask the company how a top-up stands; what is paid is credited, once."""
    from troth.server.shown_payments import Payment

    with session.management() as client:
        body = client.post("topups", topup, "check")
    found = read(body, Payment)
    session.output.document(
        body, {"top-up": found.ref, "state": found.state, "amount": f"{found.usd} USD"}
    )


@payments.command()
@with_session
def queue(session: Session) -> int:
    """List what waits for a person; the exit code is 1 while something does."""
    from troth.server.shown_payments import QueueItem

    with session.management() as client:
        body = client.get("payments", "queue")
    items = read(body, list[QueueItem])
    rows = [
        (moment(each.raised_at_ms), each.kind, each.usd, each.organization, each.subject, each.ref)
        for each in items
    ]
    head = ("since", "why", "USD", "organization", "subject", "item")
    session.output.table(body, head, rows)
    if items:
        session.output.say("Next: troth payments resolve ITEM, once it is seen to.")
    return 1 if items else 0


@payments.command()
@click.argument("item")
@with_session
def resolve(session: Session, item: str) -> None:
    """See to an item of the queue.

    A payment whose amount differed is credited as it was paid; a refund to be paid by hand is noted
    as paid; anything else is only taken off the list.
    """
    from troth.server.shown_payments import QueueItem

    with session.management() as client:
        body = client.post("payments", "queue", item, "resolve")
    found = read(body, QueueItem)
    session.output.document(
        body, {"resolved": found.ref, "why": found.kind, "subject": found.subject}
    )


@payments.command()
@with_session
def reconcile(session: Session) -> int:
    """Compare the books with the payment company's, to the cent; 1 if they differ."""
    from troth.server.shown_payments import Comparison

    with session.management() as client:
        body = client.post("payments", "reconcile")
    found = read(body, Comparison)
    lines = {
        "lines": str(found.lines),
        "at the company": f"{found.company_usd} USD",
        "in the books": f"{found.books_usd} USD",
        "difference": f"{found.gap_usd} USD",
        "seen to": f"{found.seen_usd} USD",
        "not explained": f"{found.unexplained_usd} USD",
    }
    session.output.document(body, lines)
    for each in found.gaps:
        session.output.say(f"gap: {each.kind} {each.ref} {each.usd} USD")
    return 0 if found.is_even else 1
