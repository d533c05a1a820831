"""`troth status`: uptime as it was measured, and maintenance."""

import datetime as dt
from typing import TYPE_CHECKING

import click

from troth.cli.client import read
from troth.cli.keys import milliseconds
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.server.status_page import Maintenance


@click.group()
def status() -> None:
    """Uptime as it was measured, and maintenance as it is announced."""


@status.command()
@click.option("--days", type=click.IntRange(0, 90), default=7, show_default=True)
@with_session
def show(session: Session, *, days: int) -> int:
    """Show uptime by month and day; exit code 1 when credit for downtime waits for you."""
    from troth.kernel.money import usd
    from troth.server.shown import ShownStatus

    with session.management() as client:
        body = client.get("status")
    found = read(body, ShownStatus)
    page = found.page
    rows = [
        (
            each.name,
            each.uptime_percent,
            each.own_percent,
            str(each.down_minutes),
            str(each.maintenance_minutes),
        )
        for each in (*page.months, *page.days[:days])
    ]
    head = ("month or day", "uptime %", "own part %", "minutes down", "maintenance left out")
    session.output.table(body, head, rows)
    since = page.measured_since or "nothing was measured yet"
    session.output.say(f"{'Up' if page.is_up else 'Not up'} now; measured since: {since}.")
    for each in page.maintenance:
        kind = "cancelled" if each.is_cancelled else "emergency" if each.is_emergency else "planned"
        session.output.say(f"Maintenance {each.ref}: {each.starts_at} to {each.ends_at}, {kind}.")
    if found.owed_to:
        session.output.say(
            f"{found.month} owes {usd(found.owed_nusd)} USD to {found.owed_to}. "
            f"Next: troth credits uptime --month {found.month} --apply"
        )
    return 1 if found.owed_to else 0


@status.command()
@click.option("--start", required=True, help="In UTC, such as 2026-12-01T02:00.")
@click.option("--length", required=True, help="Such as 90m or 2h.")
@click.option("--emergency", "is_emergency", is_flag=True, help="It cannot wait for the notice.")
@with_session
def plan(session: Session, *, start: str, length: str, is_emergency: bool) -> None:
    """Announce maintenance, as long ahead as the terms say."""
    from troth.server.status_page import Maintenance

    starts_at_ms = _moment(start)
    asked: dict[str, str | int] = {
        "starts_at_ms": starts_at_ms,
        "ends_at_ms": starts_at_ms + milliseconds(length, "--length"),
        "is_emergency": is_emergency,
    }
    with session.management() as client:
        body = client.post("maintenance", body=asked)
    _print(session, body, read(body, Maintenance))


@status.command()
@click.argument("reference")
@with_session
def cancel(session: Session, reference: str) -> None:
    """Take back an announcement whose time has not come."""
    from troth.server.status_page import Maintenance

    with session.management() as client:
        body = client.post("maintenance", reference, "cancel")
    _print(session, body, read(body, Maintenance))


def _print(session: Session, body: bytes, each: "Maintenance") -> None:
    lines = {
        "maintenance": each.ref,
        "from": each.starts_at,
        "to": each.ends_at,
        "announced": each.announced_at,
        "state": "cancelled" if each.is_cancelled else "announced",
        "kind": "emergency" if each.is_emergency else "planned",
    }
    session.output.document(body, lines)


def _moment(text: str) -> int:
    try:
        at = dt.datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise click.UsageError("give --start as a time in UTC, such as 2026-12-01T02:00") from None
    if at.tzinfo is not None:
        raise click.UsageError("give --start in UTC, without an offset")
    return int(at.replace(tzinfo=dt.UTC).timestamp()) * 1_000
