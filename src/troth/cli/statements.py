"""`troth statements`: an organization's month."""

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session

_MONTH = click.option("--month", required=True, help="Such as 2026-10; months are UTC's.")
_ORG = click.option("--org", "organization", required=True, help="By name or reference.")


@click.group()
def statements() -> None:
    """Statements: what a wallet had, got, paid and has, exact to the nano-dollar."""


@statements.command()
@_MONTH
@_ORG
@with_session
def show(session: Session, *, month: str, organization: str) -> None:
    """Show the sums of a month."""
    from troth.control.usage import Statement
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("organizations", organization, "statements", month)
    found = read(body, Statement)
    lines = {
        "organization": found.organization,
        "month": found.month + ("" if found.is_final else ", not over yet"),
        "opening": f"{usd(found.opening_nusd)} USD",
        "credited": f"{usd(found.credited_nusd)} USD",
        "charged": f"{usd(found.charged_nusd)} USD in {found.requests} requests",
        "left otherwise": f"{usd(found.left_nusd)} USD",
        "closing": f"{usd(found.closing_nusd)} USD",
    }
    if found.difference_nusd:
        lines["does not add up"] = f"{usd(found.difference_nusd)} USD"
    session.output.document(body, lines)


@statements.command()
@_MONTH
@_ORG
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv")
@with_session
def export(session: Session, *, month: str, organization: str, form: str) -> None:
    """Print a month, a line a day, key and model, as CSV or JSON."""
    with session.management() as client:
        body = client.get(
            "organizations",
            organization,
            "statements",
            month,
            form="json" if session.output.is_json else form,
        )
    click.echo(body, nl=False)
