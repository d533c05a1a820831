"""Grandfathering: organizations that go on at the prices of an earlier set until a time."""

import msgspec

from troth.catalog.load import Catalog
from troth.catalog.versions import pinned
from troth.control.accounts import Organization
from troth.control.audit import Action, Actor, append
from troth.control.supply.prices import sheets_of_set
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.store.transaction import Transaction


class Pin(msgspec.Struct, frozen=True):
    """An organization's price set until `ends_at_ms`; a pin that ended says so by its time."""

    org: str
    price_set: str
    ends_at_ms: int


def pin(
    transaction: Transaction,
    actor: Actor,
    organization: Organization,
    *,
    price_set: str,
    ends_at_ms: int,
) -> Pin:
    """Let an organization go on at a set's prices until a time; a time that is past ends its pin.

    Raises:
        InvalidValue: the set was never in force here.
    """
    if not sheets_of_set(transaction, price_set):
        raise InvalidValue("price_set", "no such price set was ever in force here")
    last = transaction.row("SELECT coalesce(max(place), 0) FROM price_pin", (), tuple[int])
    transaction.execute(
        "INSERT INTO price_pin (place, org, price_set, ends_at, created_by, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            (last[0] if last else 0) + 1,
            organization.raw,
            price_set,
            ends_at_ms,
            actor.uid,
            actor.at_ms,
        ),
    )
    append(transaction, actor, Action.PRICE_PIN, organization.ref, other=price_set)
    return Pin(organization.ref, price_set, ends_at_ms)


def pins(transaction: Transaction, now_ms: int) -> list[Pin]:
    """Return the pins that hold now, one an organization."""
    rows = transaction.rows(
        "SELECT p.org, p.price_set, p.ends_at FROM price_pin AS p WHERE p.place ="
        " (SELECT max(l.place) FROM price_pin AS l WHERE l.org = p.org) AND p.ends_at > ?"
        " ORDER BY p.place",
        (now_ms,),
        tuple[bytes, str, int],
    )
    return [Pin(ids.text("org", org), price_set, ends_at) for org, price_set, ends_at in rows]


def pinned_catalogs(
    transaction: Transaction, catalog: Catalog, held: list[Pin]
) -> dict[str, Catalog]:
    """Return what is sold under each set that is pinned, by the set's id.

    Raises:
        Misconfigured: a set's rows make no price sheet.
    """
    return {
        price_set: pinned(catalog, price_set, sheets_of_set(transaction, price_set))
        for price_set in sorted({each.price_set for each in held} - {catalog.price_set})
    }
