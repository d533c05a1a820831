"""`troth codes`: credit for whoever holds a code."""

import sys

import click

from troth.cli.client import read
from troth.cli.keys import milliseconds
from troth.cli.output import moment
from troth.cli.session import Session, with_session


@click.group()
def codes() -> None:
    """Codes that give credit. A code is shown once, when it is made; only a digest is kept."""


@codes.command()
@click.argument("usd")
@click.option("--uses", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--expires-in", default="", metavar="LENGTH", help="Such as 12h or 90d.")
@click.option("--credit-days", type=click.IntRange(min=0), default=0, help="0: it does not end.")
@click.option("--campaign", default="", help="What it belongs to; made by its name.")
@click.option("--cap-usd", default="0", help="The most that the campaign gives; 0 is no cap.")
@with_session
def create(  # noqa: PLR0913 - one parameter an option
    session: Session,
    usd: str,
    *,
    uses: int,
    expires_in: str,
    credit_days: int,
    campaign: str,
    cap_usd: str,
) -> None:
    """Make a code that gives USD, and print it, this once."""
    from troth.control.promotions import Code
    from troth.kernel.clock import SystemClock

    ends = milliseconds(expires_in, "--expires-in") if expires_in else 0
    asked: dict[str, str | int] = {
        "amount_usd": usd,
        "uses_max": uses,
        "expires_at_ms": SystemClock().now_ms() + ends if ends else 0,
        "credit_days": credit_days,
        "campaign": campaign,
        "cap_usd": cap_usd,
    }
    with session.management() as client:
        body = client.post("codes", body=asked)
    made = read(body, Code)
    session.output.document(body, {"code": made.text, "reference": made.ref})
    session.output.say("Keep the code now: it is shown this once and kept nowhere.")


@codes.command("list")
@with_session
def list_(session: Session) -> None:
    """List all codes, without their texts."""
    from troth.control.promotions import Code
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("codes")
    rows = [
        (
            each.ref,
            each.campaign,
            usd(each.amount_nusd),
            f"{each.uses} of {each.uses_max}",
            moment(each.expires_at_ms),
            moment(each.revoked_at_ms),
        )
        for each in read(body, list[Code])
    ]
    head = ("reference", "campaign", "USD", "redeemed", "expires", "revoked")
    session.output.table(body, head, rows)


@codes.command()
@click.argument("reference")
@with_session
def revoke(session: Session, reference: str) -> None:
    """End a code; what was redeemed stays."""
    from troth.control.promotions import Code

    with session.management() as client:
        body = client.post("codes", reference, "revoke")
    ended = read(body, Code)
    session.output.document(body, {"reference": ended.ref, "revoked": moment(ended.revoked_at_ms)})


@codes.command()
@click.argument("organization")
@with_session
def redeem(session: Session, organization: str) -> None:
    """Give ORGANIZATION what a code is worth; the code is read from standard input."""
    from troth.kernel.money import usd
    from troth.server.shown import Redeemed

    if sys.stdin.isatty():
        session.output.say("Code:")
    code = sys.stdin.readline()
    with session.management() as client:
        body = client.post("organizations", organization, "redeem", body={"code": code.strip()})
    found = read(body, Redeemed)
    lines = {"organization": found.organization, "credit": f"{usd(found.amount_nusd)} USD"}
    session.output.document(body, lines)
