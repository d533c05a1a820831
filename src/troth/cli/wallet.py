"""`troth wallet`: credit, bought and given back."""

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session
from troth.cli.sure import asks

_ONCE = click.option(
    "--once", default="", metavar="KEY", help="For a day, the same key is done once."
)


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


@wallet.command()
@click.argument("organization")
@click.argument("usd")
@click.option("--save-card", "saves_card", is_flag=True, help="Keep the card for automatic top-up.")
@_ONCE
@with_session
def topup(session: Session, organization: str, *, usd: str, saves_card: bool, once: str) -> None:
    """Make a page on which USD of credit can be paid; credit comes when it is."""
    from troth.server.payments.incoming import Page

    asked: dict[str, str | int] = {"amount_usd": usd, "saves_card": saves_card}
    with session.management() as client:
        body = client.post("organizations", organization, "topups", body=asked, once=once)
    page = read(body, Page)
    ends = moment(page.expires_at_ms)
    session.output.document(body, {"pay here": page.url, "until": ends, "top-up": page.topup})
    session.output.say(f"Next: pay, then troth payments check {page.topup}")


@wallet.command()
@click.argument("organization")
@click.argument("usd", default="")
@click.option("--by-hand", is_flag=True, help="Pay it back another way: it waits in the queue.")
@_ONCE
@asks("Give bought credit of {organization} back to where it was paid from?")
@with_session
def refund(session: Session, organization: str, *, usd: str, by_hand: bool, once: str) -> None:
    """Give USD of bought credit back to where it was paid from; all that is unused without USD."""
    from troth.server.shown_payments import Payment

    asked: dict[str, str | int] = {"amount_usd": usd, "by_hand": by_hand}
    with session.management() as client:
        body = client.post("organizations", organization, "refunds", body=asked, once=once)
    rows = [(each.ref, each.state, each.usd, each.of) for each in read(body, list[Payment])]
    session.output.table(body, ("refund", "state", "USD", "of top-up"), rows)


@wallet.command()
@click.argument("organization")
@click.option("--below", metavar="USD", help="Top up when less than this is free,")
@click.option("--add", metavar="USD", help="by this much,")
@click.option("--month-cap", metavar="USD", help="at most this much in a calendar month (UTC).")
@click.option("--off", "is_off", is_flag=True, help="Switch it off.")
@click.option("--drop-card", "drops_card", is_flag=True, help="Switch it off, forget the card.")
@with_session
def auto(  # noqa: PLR0913 - one a flag
    session: Session,
    organization: str,
    *,
    below: str | None,
    add: str | None,
    month_cap: str | None,
    is_off: bool,
    drops_card: bool,
) -> None:
    """Show automatic top-up, or set it with --below, --add and --month-cap together."""
    amounts = (below, add, month_cap)
    if any(amounts) and not all(amounts):
        raise click.UsageError("give --below, --add and --month-cap together")
    if bool(any(amounts)) + is_off + drops_card > 1:
        raise click.UsageError("give amounts, --off or --drop-card, not two of them")
    with session.management() as client:
        if all(amounts):
            names = ("below_usd", "amount_usd", "month_cap_usd")
            asked: dict[str, str | int] = {
                name: amount or "" for name, amount in zip(names, amounts, strict=True)
            }
            body = client.post("organizations", organization, "automatic-topup", body=asked)
        elif is_off:
            body = client.post("organizations", organization, "automatic-topup", "off")
        elif drops_card:
            body = client.post("organizations", organization, "card", "drop")
        else:
            body = client.get("organizations", organization, "automatic-topup")
    _print_automatic(session, body)


def _print_automatic(session: Session, body: bytes) -> None:
    from troth.server.shown_payments import AutomaticTopup

    found = read(body, AutomaticTopup)
    session.output.document(
        body,
        {
            "organization": found.organization,
            "automatic top-up": "on" if found.is_on else "off",
            "saved card": "yes" if found.has_card else "no",
            "below": f"{found.below_usd} USD",
            "add": f"{found.amount_usd} USD",
            "month cap": f"{found.month_cap_usd} USD",
            "charged this month": f"{found.charged_usd} USD",
            "declines in a row": str(found.declines),
        },
    )


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
