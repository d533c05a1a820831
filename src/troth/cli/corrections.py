"""`troth corrections`: what a provider's bill asks for, accepted by a person."""

import datetime as dt
from pathlib import Path

import click
import msgspec

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session
from troth.cli.sure import asks


@click.group()
def corrections() -> None:
    """Corrections after a provider's bill; `troth reports reconcile --propose` writes them down."""


@corrections.command()
@click.argument("proposal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--once", default="", metavar="KEY", help="For a day, the same key is done once.")
@asks("Post the corrections of {proposal}?")
@with_session
def accept(session: Session, proposal: Path, *, once: str) -> None:
    """Post all rows of a proposal, or none. Strike out rows or customers in the file first.

    The operator's cost goes up or down; customers are credited, never charged. What the books say
    otherwise by now is refused.
    """
    from troth.control.reports import Accepted, Proposal
    from troth.kernel.money import usd

    try:
        found = msgspec.json.decode(proposal.read_bytes(), type=Proposal)
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{proposal}: {error}") from None
    if not found.rows:
        raise click.UsageError(f"{proposal}: there is no row to accept")
    with session.management() as client:
        body = client.post("corrections", body=found, once=once)
    done = read(body, Accepted)
    lines = {
        "entries": str(done.entries),
        "cost USD": usd(done.cost_nusd),
        "credited USD": usd(done.credited_nusd),
    }
    session.output.document(body, lines)


@corrections.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_session
def list_(session: Session, *, limit: int) -> None:
    """List the newest corrections."""
    from troth.control.reports import Listed
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("corrections", limit=limit)
    rows = [
        (
            (dt.date(1970, 1, 1) + dt.timedelta(days=each.day)).isoformat(),
            each.upstream or each.provider,
            each.model,
            each.what,
            each.organization,
            usd(each.amount_nusd),
            moment(each.at_ms),
            each.entry,
        )
        for each in read(body, list[Listed])
    ]
    head = ("day", "provider", "model", "what", "organization", "USD", "accepted", "entry")
    session.output.table(body, head, rows)
