"""`troth projects`: parts of an organization."""

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session


@click.group()
def projects() -> None:
    """Projects of organizations: keys belong to them, budgets are set for them."""


@projects.command()
@click.argument("organization")
@click.argument("name")
@with_session
def create(session: Session, organization: str, name: str) -> None:
    """Create a project."""
    from troth.control.accounts import Project

    with session.management() as client:
        body = client.post("organizations", organization, "projects", body={"name": name})
    made = read(body, Project)
    session.output.document(body, {"project": made.ref, "name": made.name})


@projects.command("list")
@click.argument("organization", default="")
@with_session
def list_(session: Session, organization: str) -> None:
    """List the projects of an organization, or all."""
    from troth.control.accounts import Project

    with session.management() as client:
        body = client.get("projects", organization=organization)
    rows = [
        (each.name, each.ref, moment(each.created_at_ms), each.organization)
        for each in read(body, list[Project])
    ]
    session.output.table(body, ("name", "reference", "created", "organization"), rows)
