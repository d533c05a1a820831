"""`troth alerts`: who was told what."""

from typing import TYPE_CHECKING

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.control.budgets import Alert


@click.group()
def alerts() -> None:
    """Alerts of budgets (at 50, 80, 100 percent, when one refuses), credit, cards, closing."""


@alerts.command("list")
@click.argument("organization", default="")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_session
def list_(session: Session, organization: str, *, limit: int) -> None:
    """List the newest alerts of an organization, or of all."""
    from troth.control.budgets import Alert

    with session.management() as client:
        body = client.get("alerts", organization=organization, limit=limit)
    rows = [
        (
            moment(each.created_at_ms),
            each.organization,
            each.subject,
            _sentence(each),
            moment(each.sent_at_ms) or "not sent",
        )
        for each in read(body, list[Alert])
    ]
    session.output.table(body, ("time", "organization", "of", "alert", "mailed"), rows)


def _sentence(alert: "Alert") -> str:
    from troth.control.budgets import AlertKind
    from troth.kernel.money import usd

    used, limit = usd(alert.used_nusd), usd(alert.limit_nusd)
    sentences = {
        AlertKind.BUDGET: f"{alert.level} % of {limit} USD a {alert.period}",
        AlertKind.BUDGET_STOP: f"refuses requests: {used} of {limit} USD a {alert.period}",
        AlertKind.LOW_BALANCE: f"{used} USD last {alert.days} days",
        AlertKind.CREDIT_ENDS: f"{used} USD end on {moment(alert.since_ms)[:10]}",
        AlertKind.CARD_CONFIRM: f"the bank asks for the card's owner: {used} USD were not charged",
        AlertKind.AUTOMATIC_OFF: "automatic top-up was switched off",
        AlertKind.CLOSING: f"will be closed on {moment(alert.since_ms)}",
        AlertKind.CLOSED: f"closed, {used} USD paid back, {limit} USD of it still owed",
    }
    return sentences[alert.kind]


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
