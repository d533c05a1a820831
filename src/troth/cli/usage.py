"""`troth usage`: sums."""

from typing import Final

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session

_GROUPINGS: Final = ("hour", "day", "organization", "key", "model")


@click.group()
def usage() -> None:
    """What was used and charged, from roll-ups by the hour."""


@usage.command()
@click.option("--by", type=click.Choice(_GROUPINGS), default="day", show_default=True)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True)
@click.option("--org", "organization", default="", help="Only this organization.")
@with_session
def show(session: Session, *, by: str, days: int, organization: str) -> None:
    """Show the sums of the last days."""
    from troth.control.usage import Total
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("usage", by=by, days=days, organization=organization)
    rows = [
        (
            _named(each.group, by),
            str(each.count),
            str(each.failed),
            str(each.tokens_in),
            str(each.tokens_cached),
            str(each.tokens_out),
            usd(each.charged_nusd),
            usd(each.cost_nusd),
        )
        for each in read(body, list[Total])
    ]
    head = (by, "requests", "failed", "tokens in", "cached", "tokens out", "charged USD")
    session.output.table(body, (*head, "cost USD"), rows)


def _named(group: int | str, by: str) -> str:
    """Return what a sum is over: a day by its date, an hour by its beginning, else its name."""
    if isinstance(group, str):
        return group
    return moment(group).partition(" ")[0] if by == "day" else moment(group)
