"""`troth org`: organizations."""

from shlex import quote

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session


@click.group()
def org() -> None:
    """Organizations own keys and a wallet. Name one by its name or its reference."""


def _state(frozen_at_ms: int) -> str:
    return f"frozen since {moment(frozen_at_ms)}" if frozen_at_ms else "active"


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
        (each.name, each.ref, moment(each.created_at_ms), _state(each.frozen_at_ms))
        for each in read(body, list[Organization])
    ]
    session.output.table(body, ("name", "reference", "created", "state"), rows)


@org.command()
@click.argument("organization")
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


def _change(session: Session, organization: str, what: str) -> int:
    from troth.cli.changes import report

    with session.management() as client:
        return report(session, client.post("organizations", organization, what))
