"""Who an organization is on documents: in a table of its own, so that it can be erased.

A document keeps what stood on it: the law that asks for the document asks for the name.
"""

from typing import Final

import msgspec

from troth.control import accounts, audit
from troth.control.documents.shape import Party
from troth.control.documents.vat_ids import checked, is_country
from troth.control.documents.words import LANGUAGES
from troth.kernel.errors import InvalidValue
from troth.store.transaction import Transaction

LINES_MAX: Final = 6
LINE_MAX: Final = 100


class Details(msgspec.Struct, frozen=True):
    """What an organization wants on its documents; an empty language is the seller's."""

    name: str
    address: tuple[str, ...] = ()
    country: str = ""
    vat_id: str = ""
    language: str = ""


def change(
    tx: Transaction, actor: audit.Actor, owner: accounts.Organization, wanted: Details
) -> Details:
    """Keep an organization's details for documents from now on.

    Raises:
        InvalidValue: a field that cannot stand on a document, or no VAT number of the country.
    """
    details = _checked(wanted)
    tx.execute(
        "INSERT INTO party (org, name, address, country, vat_id, language, changed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET name = excluded.name,"
        " address = excluded.address, country = excluded.country, vat_id = excluded.vat_id,"
        " language = excluded.language, changed_at = excluded.changed_at",
        (
            owner.raw, details.name, msgspec.json.encode(details.address).decode(),
            details.country, details.vat_id, details.language, actor.at_ms,
        ),
    )  # fmt: skip
    audit.append(tx, actor, audit.Action.PARTY_CHANGE, owner.ref)
    return details


def _checked(wanted: Details) -> Details:
    if len(wanted.address) > LINES_MAX:
        raise InvalidValue("address", f"give at most {LINES_MAX} lines")
    if wanted.country and not is_country(wanted.country):
        raise InvalidValue("country", "give two capital letters, such as CH")
    if wanted.vat_id and not wanted.country:
        raise InvalidValue("country", "a VAT number needs its country")
    if wanted.language and wanted.language not in LANGUAGES:
        raise InvalidValue("language", f"give one of {', '.join(LANGUAGES)}")
    return Details(
        name=accounts.checked_name(wanted.name),
        address=tuple(_line(line) for line in wanted.address),
        country=wanted.country,
        vat_id=checked(wanted.country, wanted.vat_id) if wanted.vat_id else "",
        language=wanted.language,
    )


def _line(text: str) -> str:
    trimmed = text.strip()
    if not trimmed or len(trimmed) > LINE_MAX or not trimmed.isprintable():
        raise InvalidValue("address", f"each line must be 1 to {LINE_MAX} printable characters")
    return trimmed


def details(tx: Transaction, owner: accounts.Organization) -> Details:
    """Return what stands on an organization's documents: its name, where nothing was given."""
    found = tx.row(
        "SELECT name, address, country, vat_id, language FROM party WHERE org = ?",
        (owner.raw,),
        tuple[str, str, str, str, str],
    )
    if found is None:
        return Details(owner.name)
    name, address, country, vat_id, language = found
    lines = msgspec.json.decode(address, type=tuple[str, ...])
    return Details(name, lines, country, vat_id, language)


def buyer(tx: Transaction, owner: accounts.Organization) -> tuple[Party, str]:
    """Return an organization as a buyer, and the language it reads."""
    found = details(tx, owner)
    return Party(found.name, found.address, found.country, found.vat_id), found.language


def erase(tx: Transaction, actor: audit.Actor, owner: accounts.Organization) -> bool:
    """Forget an organization's details; False where there are none. Its documents stay."""
    if not tx.execute("DELETE FROM party WHERE org = ?", (owner.raw,)):
        return False
    audit.append(tx, actor, audit.Action.PARTY_ERASE, owner.ref)
    return True
