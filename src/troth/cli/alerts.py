"""`troth alerts`: who was told what."""

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session


@click.group()
def alerts() -> None:
    """Alerts of budgets (at 50, 80 and 100 percent) and of credit that will soon be used up."""


@alerts.command("list")
@click.argument("organization", default="")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_session
def list_(session: Session, organization: str, *, limit: int) -> None:
    """List the newest alerts of an organization, or of all."""
    from troth.control.budgets import Alert
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("alerts", organization=organization, limit=limit)
    rows = [
        (
            moment(each.created_at_ms),
            each.organization,
            each.subject,
            f"{each.level} % of {usd(each.limit_nusd)} USD a {each.period}"
            if each.kind == "budget"
            else f"{usd(each.used_nusd)} USD last {each.days} days",
            moment(each.sent_at_ms) or "not sent",
        )
        for each in read(body, list[Alert])
    ]
    session.output.table(body, ("time", "organization", "of", "alert", "mailed"), rows)


@alerts.command()
@click.argument("organization")
@click.argument("address", default=None, required=False)
@click.option("--language", type=click.Choice(["en", "de", "fr"]), default="en")
@click.option("--none", "is_none", is_flag=True, help="Mail nobody.")
@with_session
def contact(
    session: Session, organization: str, address: str | None, *, language: str, is_none: bool
) -> None:
    """Show or set the ADDRESS that an organization's alerts are mailed to."""
    from troth.control.budgets import Contact

    with session.management() as client:
        if address is None and not is_none:
            body = client.get("organizations", organization, "contact")
        else:
            asked: dict[str, str | int] = {"address": address or "", "language": language}
            body = client.post("organizations", organization, "contact", body=asked)
    found = read(body, Contact)
    lines = {
        "organization": found.organization,
        "address": found.address or "none",
        "language": found.language,
    }
    session.output.document(body, lines)
