"""`troth receipts`: one request explained."""

from typing import TYPE_CHECKING

import click

from troth.cli.client import read
from troth.cli.output import moment
from troth.cli.session import Session, with_session

if TYPE_CHECKING:
    from troth.control.usage import Receipt


@click.group()
def receipts() -> None:
    """Receipts: what was asked and served, how much of it, at which prices, for what."""


@receipts.command("list")
@click.argument("organization")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@with_session
def list_(session: Session, organization: str, *, limit: int) -> None:
    """List an organization's newest receipts."""
    from troth.control.usage import Receipt

    with session.management() as client:
        body = client.get("organizations", organization, "receipts", limit=limit)
    rows = [
        (
            each.id,
            moment(each.started_at_ms),
            each.model_served,
            str(each.status),
            each.outcome,
            each.charged_usd,
        )
        for each in read(body, list[Receipt])
    ]
    session.output.table(body, ("receipt", "time", "model", "status", "outcome", "USD"), rows)


@receipts.command()
@click.argument("organization")
@click.option("--posted", "days", required=True, help="In a month or on a day (UTC): 2026-10-31.")
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv")
@with_session
def export(session: Session, organization: str, *, days: str, form: str) -> None:
    """Print all receipts that were posted in a month or on a day: they sum to its statement."""
    import csv
    import sys
    from functools import partial

    from troth.control.usage import Receipt, as_rows

    is_json = session.output.is_json or form == "json"
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    with session.management() as client:
        page = partial(client.get, "organizations", organization, "receipts", days)
        body, before = page(), b"["
        found = read(body, list[Receipt])
        head, *rows = as_rows(found)
        if not is_json:
            writer.writerow(head)
        while found:
            if is_json:
                click.echo(before + body.strip()[1:-1], nl=False)
            else:
                writer.writerows(rows)
            body, before = page(after=found[-1].id), b","
            found = read(body, list[Receipt])
            _, *rows = as_rows(found)
    if is_json:
        click.echo("]" if before == b"," else "[]")


@receipts.command()
@click.argument("request_id")
@with_session
def show(session: Session, request_id: str) -> None:
    """Show the receipt of a request, by the id in its `x-request-id`."""
    from troth.control.usage import Receipt
    from troth.kernel.money import usd

    with session.management() as client:
        body = client.get("receipts", request_id)
    found = read(body, Receipt)
    lines = {
        "receipt": found.id,
        "time": moment(found.started_at_ms),
        "organization": found.organization,
        "key": found.key,
        "asked": found.model_asked,
        "served": f"{found.model_served} by {found.provider}"
        + (f" in {found.region}" * bool(found.region)),
        "outcome": f"{found.outcome}, status {found.status}, {found.latency_ms} ms",
    }
    used = found.quantities
    lines |= {
        f"  {name}": str(getattr(used, name))
        for name in used.__struct_fields__
        if getattr(used, name)
    }
    lines |= _sum(found)
    lines |= {
        "counted by": found.usage_source,
        "price set": found.price_set
        + (f", in force since {moment(found.price.since_ms)}" if found.price else ""),
        "set aside": f"{found.reserved_nusd} nano-USD",
        "charged": f"{found.charged_usd} USD",
    }
    lines |= {
        f"  from {each.kind} credit {each.lot[:12]}": f"{usd(each.amount_nusd)} USD"
        for each in found.paid_from
    }
    session.output.document(body, lines | _posting(found))


def _sum(receipt: "Receipt") -> dict[str, str]:
    """Write the charge down as a sum that anybody can add up."""
    from troth.kernel.money import usd

    price = receipt.price
    if price is None:
        return {}
    lines = {}
    for each in price.lines:
        line = f"{each.counted} x {usd(each.amount_nusd)} USD / {each.per}"
        if each.counted != each.used:
            line += f", the least that is charged; used {each.used}"
        if each.priced_as != each.unit:
            line += f", priced as {each.priced_as}" if each.priced_as else ", free"
        start = f" from {each.tier_start} on" if each.tier_start else ""
        lines[f"  for {each.unit}{start}"] = line
    lines["sum"] = f"{usd(price.total_nusd)} USD, rounded down once"
    if price.operator_nusd:
        lines["borne by the operator"] = f"{usd(price.operator_nusd)} USD"
    return lines


def _posting(receipt: "Receipt") -> dict[str, str]:
    """Say where the charge stands in the books, once its proof was computed here again."""
    from troth.control.usage import holds
    from troth.kernel.ids import raw_of

    posting = receipt.posting
    if posting is None:
        return {}
    place = f"desk {posting.desk}, batch {posting.batch}, place {posting.place}"
    if posting.proof is None:
        return {"posted in": place}
    is_proved = holds(raw_of("req", receipt.id) or b"", receipt.charged_nusd, posting.proof)
    return {"posted in": f"{place}, {'proved' if is_proved else 'NOT PROVED'}"}
