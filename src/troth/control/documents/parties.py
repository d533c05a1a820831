"""Who an organization is on documents: sealed, under a key of its own, so that it can be erased.

A document keeps what stood on it: the law that asks for the document asks for the name.
"""

from typing import Final

import msgspec

from troth.control import accounts, audit
from troth.control.documents.sealing import destroy_keys, seal, unseal
from troth.control.documents.shape import Party
from troth.control.documents.vat_ids import checked, is_country
from troth.control.documents.words import LANGUAGES
from troth.kernel.errors import InvalidValue
from troth.kernel.sealer import Sealer
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
    tx: Transaction,
    actor: audit.Actor,
    owner: accounts.Organization,
    wanted: Details,
    *,
    sealer: Sealer,
) -> Details:
    """Keep an organization's details for documents from now on.

    Raises:
        InvalidValue: a field that cannot stand on a document, or no VAT number of the country.
    """
    details = _checked(wanted)
    sealed = seal(tx, sealer, (owner.raw, "party"), msgspec.json.encode(details))
    tx.execute(
        "INSERT INTO party (org, details_sealed, is_sealed, changed_at) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (org) DO UPDATE SET details_sealed = excluded.details_sealed,"
        " is_sealed = 1, changed_at = excluded.changed_at",
        (owner.raw, sealed, actor.at_ms),
    )
    audit.append(tx, actor, audit.Action.PARTY_CHANGE, owner.ref)
    return details


def _checked(wanted: Details) -> Details:
    if len(wanted.address) > LINES_MAX:
        raise InvalidValue("address", f"give at most {LINES_MAX} lines")
    if wanted.country and not is_country(wanted.country):
        raise InvalidValue("country", "give two capital letters of ISO 3166, such as CH or GR")
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


def details(tx: Transaction, owner: accounts.Organization, sealer: Sealer) -> Details:
    """Return what stands on an organization's documents: its name, where nothing was given.

    Raises:
        InvariantBroken: the key is not that which it was sealed with.
    """
    kept = tx.row(
        "SELECT details_sealed, is_sealed FROM party WHERE org = ?", (owner.raw,), tuple[bytes, int]
    )
    if kept is None:
        return Details(owner.name)
    return msgspec.json.decode(unseal(tx, sealer, (owner.raw, "party"), kept), type=Details)


def buyer(tx: Transaction, owner: accounts.Organization, sealer: Sealer) -> tuple[Party, str]:
    """Return an organization as a buyer, and the language it reads."""
    found = details(tx, owner, sealer)
    return Party(found.name, found.address, found.country, found.vat_id), found.language


def erase(tx: Transaction, actor: audit.Actor, owner: accounts.Organization) -> bool:
    """Forget an organization's details, and the key they were sealed with; False without any.

    One whose account is closed loses its name too. Its documents stay sealed under a key of theirs
    for as long as the law asks for them.
    """
    is_erased = tx.execute("DELETE FROM party WHERE org = ?", (owner.raw,)) > 0
    closed = "SELECT 1 FROM closing WHERE org = ? AND state = 'closed'"
    if tx.row(closed, (owner.raw,)) is not None:
        is_erased = accounts.forget_name(tx, owner) or is_erased
    if not is_erased:
        return False
    destroy_keys(tx)
    audit.append(tx, actor, audit.Action.PARTY_ERASE, owner.ref)
    return True
