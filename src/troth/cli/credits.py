"""`troth credits`: credit that the terms promise."""

import click

from troth.cli.client import read
from troth.cli.keys import milliseconds
from troth.cli.session import Session, with_session


@click.group("credits")
def owed() -> None:
    """Credit that is owed to organizations."""


@owed.command()
@click.option("--month", required=True, help="Such as 2026-10.")
@click.option("--downtime", metavar="LENGTH", help="Such as 200m or 5h; else what was measured.")
@click.option("--apply", "is_applied", is_flag=True, help="Credit it; without, only show it.")
@with_session
def uptime(session: Session, *, month: str, downtime: str | None, is_applied: bool) -> None:
    """Show what is owed for a month's downtime, and credit it once with --apply.

    The terms are [uptime] of the settings.
    """
    from troth.kernel.money import usd
    from troth.server.shown import UptimeCredits

    asked: dict[str, str | int] = {"month": month, "is_applied": is_applied}
    if downtime is not None:
        asked["downtime_ms"] = milliseconds(downtime, "--downtime")
    with session.management() as client:
        body = client.post("uptime", body=asked)
    found = read(body, UptimeCredits)
    rows = [
        (
            each.organization,
            usd(each.charged_nusd),
            f"{each.credit_percent} %",
            usd(each.amount_nusd),
            "credited" if each.is_credited else "not credited",
        )
        for each in found.owed
    ]
    session.output.say(f"Away for {-(-found.downtime_ms // 60_000)} minutes of {found.month}.")
    session.output.table(body, ("organization", "charged USD", "share", "USD", "state"), rows)
    if is_applied:
        session.output.say(f"{found.credited} credited just now.")
    else:
        session.output.say("Nothing was credited. Next: the same with --apply.")
