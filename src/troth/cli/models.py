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


@models.command()
@click.argument("model")
@with_session
def show(session: Session, model: str) -> None:
    """Show a model at each of its providers: what it can do there, and its quirks."""
    import msgspec

    from troth.server.shown import ShownModel

    with session.management() as client:
        body = client.get("models")
    found = [each for each in read(body, list[ShownModel]) if each.model == model]
    if not found:
        raise click.UsageError(f"no model '{model}' is offered; 'troth models list' has all")
    rows = [
        (each.provider, name, value)
        for each in found
        for name, value in (
            ("name there", each.upstream_model),
            ("region", each.region),
            ("context, output", f"{each.context_length}, {each.max_output}"),
            ("endpoints", ", ".join(each.endpoints)),
            ("features", ", ".join(each.features)),
            ("quirks", ", ".join(each.quirks)),
            ("when cancelled", each.cancel),
            ("relayed as it came", "yes" if each.is_exact else "no"),
            *((f"USD {unit}", _short(usd)) for unit, usd in each.prices.items()),
        )
        if value
    ]
    session.output.table(msgspec.json.encode(found), ("provider", "what", "value"), rows)


def _short(usd: str) -> str:
    """Leave out the zeros at the end, but not those of whole cents."""
    whole, dot, decimals = usd.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}" if dot else usd
