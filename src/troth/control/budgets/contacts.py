"""Where an organization's alerts go: an address, which names a person, and is kept sealed.

It is opened to be shown to who set it and to send a mail, and is gone with the account.
"""

import re
from typing import Final, Literal

import msgspec

from troth.control.accounts import Organization
from troth.control.audit import Action, Actor, append
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, InvariantBroken
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

Language = Literal["en", "de", "fr"]
_ADDRESS: Final = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_ADDRESS_LENGTH_MAX: Final = 254


class Contact(msgspec.Struct, frozen=True):
    """Where an organization's alerts go; an empty address for nowhere."""

    organization: str
    address: str
    language: Language


def set_contact(
    transaction: Transaction,
    actor: Actor,
    owner: Organization,
    given: tuple[str, Language],
    *,
    sealer: Sealer,
) -> Contact:
    """Say where an organization's alerts go, in which language; an empty address ends it.

    Raises:
        InvalidValue: this is no address, or the account is closed.
    """
    address, language = given
    if address and (
        len(address) > _ADDRESS_LENGTH_MAX
        or not address.isascii()
        or not address.isprintable()
        or not _ADDRESS.fullmatch(address)
    ):
        raise InvalidValue("address", "give one mail address, such as billing@example.org")
    is_closed = transaction.row(
        "SELECT 1 FROM closing WHERE org = ? AND state = 'closed'", (owner.raw,)
    )
    if address and is_closed:
        raise InvalidValue("organization", "this account is closed: there is nothing to tell")
    transaction.execute("DELETE FROM alert_contact WHERE org = ?", (owner.raw,))
    if address:
        transaction.execute(
            "INSERT INTO alert_contact (org, address_sealed, is_sealed, language)"
            " VALUES (?, ?, 1, ?)",
            (owner.raw, sealer.seal(address), language),
        )
    append(transaction, actor, Action.ALERT_CONTACT, owner.ref)
    return Contact(owner.ref, address, language)


def contact(transaction: Transaction, owner: Organization, sealer: Sealer) -> Contact:
    """Return where an organization's alerts go."""
    row = transaction.row(
        "SELECT address_sealed, is_sealed, language FROM alert_contact WHERE org = ?",
        (owner.raw,),
        tuple[bytes, int, Language],
    )
    if row is None:
        return Contact(owner.ref, "", "en")
    sealed, is_sealed, language = row
    return Contact(owner.ref, opened(sealer, sealed, is_sealed), language)


def opened(sealer: Sealer, kept: bytes, is_sealed: int) -> str:
    """Return a kept address, an empty one where the key that it was sealed with is gone."""
    if not is_sealed:
        return kept.decode()
    try:
        return sealer.unseal(kept)
    except InvariantBroken:
        return ""


def forget_contact(transaction: Transaction, actor: Actor, org_raw: bytes) -> bool:
    """Forget where an organization's alerts go; False where that was not known."""
    if not transaction.execute("DELETE FROM alert_contact WHERE org = ?", (org_raw,)):
        return False
    append(transaction, actor, Action.ALERT_CONTACT, ids.text("org", org_raw))
    return True


def seal_contacts(transaction: Transaction, sealer: Sealer) -> int:
    """Seal the addresses that a build before this one kept open; return how many."""
    found = transaction.rows(
        "SELECT org, address_sealed FROM alert_contact WHERE is_sealed = 0",
        (),
        tuple[bytes, bytes],
    )
    for org, address in found:
        transaction.execute(
            "UPDATE alert_contact SET address_sealed = ?, is_sealed = 1 WHERE org = ?",
            (sealer.seal(address.decode()), org),
        )
    return len(found)


def contacts_of_closed(transaction: Transaction) -> list[bytes]:
    """Return the organizations whose account is closed and whose contact is still known."""
    found = transaction.rows(
        "SELECT org FROM alert_contact WHERE org IN"
        " (SELECT org FROM closing WHERE state = 'closed') ORDER BY org",
        (),
        tuple[bytes],
    )
    return [org for (org,) in found]
