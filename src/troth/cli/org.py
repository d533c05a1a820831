"""`troth org`: organizations."""

from shlex import quote
from typing import TYPE_CHECKING

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session
from troth.cli.sure import asks

if TYPE_CHECKING:
    from troth.control.accounts import Organization


@click.group()
def org() -> None:
    """Organizations own keys and a wallet. Name one by its name or its reference."""


def _state(found: "Organization") -> str:
    if found.closed_at_ms:
        return f"closed since {moment(found.closed_at_ms)}"
    return f"frozen since {moment(found.frozen_at_ms)}" if found.frozen_at_ms else "active"


@org.command()
@click.argument("name")
@with_session
def create(session: Session, name: str) -> None:
    """Create an organization with an empty wallet."""
    from troth.control.accounts import Organization

    with session.management() as client:
        body = client.post("organizations", body={"name": name})
    made = read(body, Organization)
    session.output.document(body, {"organization": made.ref, "name": made.name})
    session.output.say(f"Next: troth wallet credit {quote(made.name)} 5")


@org.command("list")
@with_session
def list_(session: Session) -> None:
    """List all organizations."""
    from troth.control.accounts import Organization

    with session.management() as client:
        body = client.get("organizations")
    rows = [
        (each.name, each.ref, moment(each.created_at_ms), _state(each))
        for each in read(body, list[Organization])
    ]
    session.output.table(body, ("name", "reference", "created", "state"), rows)


@org.command()
@click.argument("organization")
@asks("Refuse every request of {organization} from now on?")
@with_session
def freeze(session: Session, organization: str) -> int:
    """Stop an organization's requests; keys and credit stay."""
    return _change(session, organization, "freeze")


@org.command()
@click.argument("organization")
@with_session
def thaw(session: Session, organization: str) -> int:
    """Let an organization make requests again."""
    return _change(session, organization, "thaw")


@org.command()
@click.argument("organization")
@click.argument("zone")
@with_session
def zone(session: Session, organization: str, zone: str) -> None:
    """Set the time zone in which the periods of its budgets begin, such as Europe/Zurich."""
    from troth.control.accounts import Organization

    with session.management() as client:
        body = client.post("organizations", organization, "zone", body={"zone": zone})
    moved = read(body, Organization)
    session.output.document(body, {"organization": moved.ref, "time zone": moved.zone})


@org.command()
@click.argument("organization")
@click.option("--on", "moment_", default="", metavar="TIME", help="Later, such as 2027-01-31.")
@click.option("--keep", "is_kept", is_flag=True, help="Do not close what was to be closed later.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@with_session
def close(
    session: Session, organization: str, *, moment_: str, is_kept: bool, is_sure: bool
) -> int:
    """Close an account for good: keys end, unused bought credit is refunded.

    Run it again to see how far it is; the exit code is 1 until the account is closed. With --on
    the organization's contact is told 30, 7 and 1 days before.
    """
    if moment_ and is_kept:
        raise click.UsageError("give --on or --keep, not both")
    if moment_ or is_kept:
        return _plan(session, organization, moment_)
    if not is_sure:
        click.confirm(f"Close {organization} for good, and refund what is unused?", abort=True)
    with session.management() as client:
        return _show_closing(session, client.post("organizations", organization, "close"))


def _plan(session: Session, organization: str, moment_: str) -> int:
    from troth.cli.price_files import moment_of

    asked: dict[str, str | int] = {"closes_at_ms": moment_of(moment_) if moment_ else 0}
    with session.management() as client:
        _show_closing(
            session, client.post("organizations", organization, "close", "plan", body=asked)
        )
    return 0


def _show_closing(session: Session, body: bytes) -> int:
    from troth.server.shown_payments import ClosedAccount

    found = read(body, ClosedAccount)
    session.output.document(
        body,
        {
            "organization": found.organization,
            "state": found.state or "open",
            **({} if found.state else {"closes on": moment(found.closes_at_ms) or "no day"}),
            "bought": f"{found.bought_usd} USD",
            "given": f"{found.given_usd} USD",
            "charged": f"{found.charged_usd} USD",
            "refunded": f"{found.refunded_usd} USD",
            "disputed": f"{found.disputed_usd} USD",
            "ended": f"{found.ended_usd} USD",
            "balance": f"{found.balance_usd} USD",
            "to pay by hand": f"{found.owed_usd} USD",
        },
    )
    return 0 if found.state == "closed" else 1


def _change(session: Session, organization: str, what: str) -> int:
    from troth.cli.changes import report

    with session.management() as client:
        return report(session, client.post("organizations", organization, what))
