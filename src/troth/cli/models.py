"""`troth models`: what is offered."""

import click

from troth.cli.client import read
from troth.cli.session import Session, with_session


@click.group()
def models() -> None:
    """Models by their public names, with the providers that serve them."""


@models.command("list")
@with_session
def list_(session: Session) -> None:
    """List what is offered, in the order to try; prices in USD per million tokens."""
    from troth.server.shown import ShownModel

    with session.management() as client:
        body = client.get("models")
    rows = [
        (
            each.model,
            each.provider,
            str(each.context_length),
            str(each.max_output),
            _short(each.prices.get("input", "")),
            _short(each.prices.get("cache_read", "")),
            _short(each.prices.get("output", "")),
        )
        for each in read(body, list[ShownModel])
    ]
    head = ("model", "provider", "context", "max output", "input", "cached", "output")
    session.output.table(body, head, rows)


def _short(usd: str) -> str:
    """Leave out the zeros at the end, but not those of whole cents."""
    whole, dot, decimals = usd.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}" if dot else usd
