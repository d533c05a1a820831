"""`troth budgets`: how much may be used in a period."""

from typing import Final

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session
from troth.cli.sure import asks

_PERIODS: Final = ("day", "week", "month", "total")
_PROJECT: Final = "Of this project, by name or reference."
_KEY: Final = "Of this key, by its reference or public id."


@click.group()
def budgets() -> None:
    """Budgets of organizations, projects and keys, by day, week, month or in all.

    A period begins in the organization's time zone; weeks begin on Monday.
    """


@budgets.command("set")
@click.argument("organization")
@click.argument("usd")
@click.option("--period", type=click.Choice(_PERIODS), required=True)
@click.option("--project", default="", help=_PROJECT)
@click.option("--key", default="", help=_KEY)
@click.option("--alert", "is_alert", is_flag=True, help="Only tell; never stop a request.")
@with_session
def set_(  # noqa: PLR0913 - one parameter an option
    session: Session,
    organization: str,
    *,
    usd: str,
    period: str,
    project: str,
    key: str,
    is_alert: bool,
) -> int:
    """Set a budget of USD for ORGANIZATION, or for one project or key of it."""
    from troth.cli.changes import report

    asked: dict[str, str | int] = {
        "limit_usd": usd,
        "period": period,
        "project": project,
        "key": key,
        "mode": "alert" if is_alert else "hard",
    }
    with session.management() as client:
        return report(session, client.post("organizations", organization, "budgets", body=asked))


@budgets.command()
@click.argument("organization")
@click.option("--period", type=click.Choice(_PERIODS), required=True)
@click.option("--project", default="", help=_PROJECT)
@click.option("--key", default="", help=_KEY)
@asks("End this budget of {organization}?")
@with_session
def drop(session: Session, organization: str, *, period: str, project: str, key: str) -> int:
    """End a budget."""
    from troth.cli.changes import report

    asked: dict[str, str | int] = {"period": period, "project": project, "key": key}
    with session.management() as client:
        body = client.post("organizations", organization, "budgets", "drop", body=asked)
        return report(session, body)


@budgets.command()
@click.argument("organization", default="")
@with_session
def show(session: Session, organization: str) -> None:
    """Show the budgets of an organization, or all, with their running periods."""
    from troth.control.budgets import Budget
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("budgets", organization=organization)
    rows = [
        (
            each.owner,
            each.period,
            each.mode,
            usd(each.limit_nusd),
            usd(each.used_nusd),
            usd(each.remaining_nusd),
            moment(each.ends_at_ms),
            each.zone,
        )
        for each in read(body, list[Budget])
    ]
    head = ("of", "period", "mode", "USD", "used", "left", "ends", "time zone")
    session.output.table(body, head, rows)
