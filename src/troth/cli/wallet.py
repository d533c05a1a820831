"""`troth wallet`: credit."""

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session


@click.group()
def wallet() -> None:
    """An organization's prepaid credit, in US dollars, exact to the nano-dollar."""


@wallet.command()
@click.argument("organization")
@with_session
def show(session: Session, organization: str) -> None:
    """Show what is owned, what is lent to gateways, and what is free."""
    with session.management() as client:
        _print(session, client.get("organizations", organization, "wallet"))


@wallet.command()
@click.argument("organization")
@click.argument("usd")
@click.option("--key", default="", help="Names this movement: the same key credits once.")
@click.option("--demo", "is_demo", is_flag=True, help="Mark it as given, not paid for.")
@with_session
def credit(session: Session, organization: str, *, usd: str, key: str, is_demo: bool) -> None:
    """Put USD into an organization's wallet."""
    asked: dict[str, str | int] = {"amount_usd": usd, "key": key, "is_demo": is_demo}
    with session.management() as client:
        _print(session, client.post("organizations", organization, "credits", body=asked))


def _print(session: Session, body: bytes) -> None:
    from troth.server.shown import ShownWallet

    found = read(body, ShownWallet)
    session.output.document(
        body,
        {
            "organization": found.organization,
            "balance": f"{found.posted_usd} USD",
            "lent to gateways": f"{found.held_usd} USD",
            "free": f"{found.available_usd} USD",
        },
    )
