"""`troth prices`: what is asked and paid, proposals from published lists, and their acceptance."""

from pathlib import Path

import click
import msgspec

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session

FORMATS = ("genai", "models-dev", "litellm", "openrouter")
HEAD = ("model", "provider", "class", "from tokens", "per", "asked USD", "paid USD", "since")
CHANGES = ("model", "provider", "class", "from tokens", "paid now", "then", "change", "flags")
_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def prices() -> None:
    """Prices: those in force and those to come; proposals are reviewed before they are accepted."""


@prices.command()
@click.argument("model", required=False, default="")
@click.option("--set", "price_set", default="", metavar="ID", help="A set that was once in force.")
@with_session
def show(session: Session, model: str, *, price_set: str) -> None:
    """Show what is asked and paid, now and from later moments on; of one model or of all."""
    from troth.cli.price_files import price_rows
    from troth.server.shown_prices import ShownPrices, ShownSet

    with session.management() as client:
        body = client.get("prices", "sets", price_set) if price_set else client.get("prices")
    rows: list[tuple[str, ...]] = []
    if price_set:
        for kept in read(body, list[ShownSet]):
            if model in {"", kept.model}:
                rows += price_rows((kept.model, kept.provider), kept.sale, kept.cost, price_set)
    else:
        for each in read(body, list[ShownPrices]):
            if model in {"", each.model}:
                for one in (each.now, *each.coming):
                    since = moment(one.effective_at_ms) or "the catalog"
                    rows += price_rows((each.model, each.provider), one.sale, one.cost, since)
    session.output.table(body, HEAD, rows)


@prices.command("import")
@click.option("--from", "format_", type=click.Choice(FORMATS), required=True, help="Its form.")
@click.argument("file", type=_File)
@click.option(
    "--beside",
    type=(click.Choice(FORMATS), _File),
    multiple=True,
    metavar="FORM FILE",
    help="Another list to compare with; may be given again.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Where to write the proposal.")
@with_session
def import_(
    session: Session,
    *,
    format_: str,
    file: Path,
    beside: tuple[tuple[str, Path], ...],
    output: Path | None,
) -> int:
    """Read a published price list and write a proposal. Nothing is changed.

    Exit code 1 when a row has a red flag.
    """
    from troth.catalog.importers import READERS
    from troth.catalog.propose import propose
    from troth.cli.price_files import change_rows, file_of, offered_of, quotes_of, today
    from troth.server.shown_prices import ShownPrices

    quotes = quotes_of(READERS[format_], file)
    others = [quotes_of(READERS[other], path) for other, path in beside]
    with session.management() as client:
        body = client.get("prices")
    offered = [offered_of(each) for each in read(body, list[ShownPrices])]
    proposal = propose(offered, quotes, others)
    found = file_of(proposal, f"{format_} {file.name}")
    path = output or Path(f"prices-{format_}-{today()}.json")
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if found.rows:
        path.write_bytes(text + b"\n")
    session.output.table(text, CHANGES, list(change_rows(found, offered)))
    session.output.say(
        f"{len(found.rows)} would change, {len(proposal.unchanged)} agree, "
        f"{len(proposal.unknown)} are not in the list."
    )
    if proposal.by_hour:
        session.output.say(
            f"{len(proposal.by_hour)} have prices by the hour, the first is "
            f"'{proposal.by_hour[0]}': of each class the dearest hour is taken."
        )
    if found.rows:
        session.output.say(
            f"Next: read {path}, strike out what you do not want, then "
            f"troth prices accept {path} --effective-at DATE"
        )
    return 1 if any(row.is_red for row in found.rows) else 0


@prices.command()
@click.argument("proposal", type=_File)
@with_session
def diff(session: Session, proposal: Path) -> None:
    """Show what a proposal would change of the prices that are in force now."""
    from troth.cli.price_files import change_rows, offered_of, opened
    from troth.server.shown_prices import ShownPrices

    found = opened(proposal)
    with session.management() as client:
        body = client.get("prices")
    offered = [offered_of(each) for each in read(body, list[ShownPrices])]
    session.output.table(msgspec.json.encode(found), CHANGES, list(change_rows(found, offered)))


@prices.command()
@click.argument("proposal", type=_File)
@click.option(
    "--effective-at",
    required=True,
    metavar="TIME",
    help="From when on: now, 2026-12-05 or 2026-12-05T06:00Z. A rise needs its notice.",
)
@click.option("--flagged", is_flag=True, help="Accept rows with red flags too.")
@with_session
def accept(session: Session, proposal: Path, *, effective_at: str, flagged: bool) -> None:
    """Accept all rows of a proposal, or none, to be in force from a moment on."""
    from troth.cli.price_files import form_of, moment_of, opened
    from troth.server.shown_prices import ShownVersion

    found = opened(proposal)
    red = [row.model for row in found.rows if row.is_red]
    if red and not flagged:
        raise click.UsageError(
            f"{len(red)} rows have red flags, the first is '{red[0]}'. Look at them with 'troth "
            "prices diff', strike them out, or repeat this with --flagged."
        )
    form = form_of(found, moment_of(effective_at))
    with session.management() as client:
        body = client.post("prices", "accept", body=form)
    made = read(body, list[ShownVersion])
    at_ms = made[0].effective_at_ms if made else 0
    session.output.document(body, {"accepted": str(len(made)), "in force": moment(at_ms)})


@prices.command()
@click.argument("organization")
@click.option("--until", required=True, metavar="TIME", help="2027-01-01, or now to end a pin.")
@click.option("--set", "price_set", default="", metavar="ID", help="The set; else today's.")
@with_session
def pin(session: Session, organization: str, *, until: str, price_set: str) -> None:
    """Let an organization go on at a set's prices until a time."""
    from troth.cli.price_files import moment_of
    from troth.server.shown_prices import ShownPin

    form: dict[str, str | int] = {"ends_at_ms": moment_of(until), "price_set": price_set}
    with session.management() as client:
        body = client.post("organizations", organization, "price-pin", body=form)
    made = read(body, ShownPin)
    lines = {"organization": made.organization, "price set": made.price_set}
    session.output.document(body, {**lines, "until": moment(made.ends_at_ms) or "ended"})


@prices.command()
@with_session
def pins(session: Session) -> None:
    """List the organizations that go on at an earlier set's prices."""
    from troth.server.shown_prices import ShownPin

    with session.management() as client:
        body = client.get("prices", "pins")
    rows = [
        (each.organization, each.price_set, moment(each.ends_at_ms))
        for each in read(body, list[ShownPin])
    ]
    session.output.table(body, ("organization", "price set", "until"), rows)
