"""`troth config`: every setting, its value, and who set it."""

from collections.abc import Iterator
from typing import Final

import click
import msgspec

from troth.cli.session import Session, with_session
from troth.kernel.secret import Secret

_MASK: Final = "********"
_Leaf = (
    msgspec.Struct
    | Secret
    | dict[str, msgspec.Struct]
    | frozenset[str]
    | tuple[str, ...]
    | str
    | int
    | None
)


class Shown(msgspec.Struct, frozen=True):
    """A setting as it is shown; a secret is masked."""

    name: str
    value: str
    origin: str


@click.group()
def config() -> None:
    """Settings: flags, then TROTH_* variables, then troth.toml, then defaults."""


@config.command()
@with_session
def show(session: Session) -> None:
    """Show every setting, its value and where it comes from; secrets are masked."""
    from troth.kernel.closed_tables import dotted

    reading = session.reading()
    found = [
        Shown(dotted(path), value, reading.origin(path))
        for path, value in _leaves(reading.settings, ())
    ]
    rows = [(each.name, each.value, each.origin) for each in found]
    session.output.table(msgspec.json.encode(found), ("setting", "value", "from"), rows)


def _leaves(struct: msgspec.Struct, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for field in struct.__struct_fields__:
        yield from _leaf(getattr(struct, field), (*path, field))


def _leaf(value: _Leaf, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    match value:
        case Secret():
            yield path, "" if value.is_empty else _MASK
        case msgspec.Struct():
            yield from _leaves(value, path)
        case dict():
            for name, inner in value.items():
                yield from _leaf(inner, (*path, name))
        case bool():
            yield path, str(value).lower()
        case frozenset() | tuple():
            yield path, ", ".join(sorted(map(str, value)))
        case _:
            yield path, str(value)


@config.command()
@with_session
def check(session: Session) -> int:
    """Read the settings and the catalog, and say what is wrong or not served."""
    from troth.server.document_terms import document_settings, document_warnings
    from troth.server.offer import offer_of
    from troth.server.payment_settings import payment_warnings

    reading = session.reading()
    vat = document_settings(reading.settings).vat.engine
    offer = offer_of(reading.settings)
    warnings = (
        *offer.warnings,
        *payment_warnings(reading.settings.payments),
        *document_warnings(reading.settings),
    )
    body = msgspec.json.encode({"file": reading.file, "warnings": warnings})
    session.output.document(
        body,
        {
            "settings": reading.file or "no file; defaults",
            "models": str(len(offer.catalog.offerings)),
            "price set": offer.catalog.price_set,
            "payments": reading.settings.payments.kind,
            "VAT": vat or "not said",
        },
    )
    for warning in warnings:
        session.output.say(f"Warning: {warning}")
    return 1 if warnings else 0


@config.command()
@with_session
def profiles(session: Session) -> None:
    """List the installations that --profile and TROTH_PROFILE can name."""
    from troth.server.profiles import profiles as named
    from troth.server.settings import environment

    file, found = named(environment())
    rows = [(name, each.config) for name, each in sorted(found.items())]
    session.output.table(msgspec.json.encode(found), ("profile", "settings"), rows)
    if not rows:
        session.output.say(f'Next: write [NAME] and config = "..." to {file}')
