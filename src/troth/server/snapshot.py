"""What gateways must know, read from the control slices and cut into messages.

Plain functions over an open transaction: who sends them, and to whom, is the desk's business.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from troth.catalog.load import Catalog
from troth.control import accounts, budgets, keys, supply
from troth.control.accounts import Organization
from troth.control.keys import Key
from troth.gateway.ports import KeyRow, OrgRow
from troth.kernel.errors import Missing
from troth.kernel.ids import raw_of
from troth.ledger.books import wallet_purse
from troth.server.messages import CatalogPart, Delta, KeysPart, UpstreamCredential, row
from troth.store.transaction import Transaction

KEYS_MAX: Final = 50_000
"""Keys that gateways are told of before they come; with more they ask for each."""
_KEYS_A_PART: Final = 1_000
_OFFERINGS_A_PART: Final = 100

Item = TypeVar("Item")


Budgets = Mapping[bytes, Sequence[bytes]]
"""The purses of owners by their sixteen bytes."""


def key_row(key: Key, purses: Budgets) -> KeyRow:
    """Return a key as gateways know it.

    Its requests draw on its wallet, then on the budgets of organization, project and key.
    """
    terms = key.terms
    org = bytes.fromhex(key.org.partition("_")[2])
    project = raw_of("prj", terms.project)
    owners = (org, key.raw) if project is None else (org, project, key.raw)
    limits = [purse for owner in owners for purse in purses.get(owner, ())]
    return KeyRow(
        public_id=key.public_id,
        ref=key.ref,
        org=key.org,
        project=terms.project,
        purses=(wallet_purse(org), *limits),
        models=frozenset(terms.models),
        networks=terms.networks,
        expires_at_ms=terms.expires_at_ms,
        requests_per_minute=terms.requests_per_minute,
        tokens_per_minute=terms.tokens_per_minute,
        concurrency=terms.concurrency,
        may_read_wallet=terms.may_read_wallet,
        rate_slot=max(0, key.rate_slot),
    )


def org_row(organization: Organization, price_set: str = "") -> OrgRow:
    """Return an organization as gateways know it; `price_set` is the one it is pinned to."""
    return OrgRow(organization.ref, organization.frozen_at_ms > 0, price_set)


def _pins(transaction: Transaction, now_ms: int) -> dict[str, str]:
    return {pin.org: pin.price_set for pin in supply.pins(transaction, now_ms)}


def key_parts(transaction: Transaction, generation: int, now_ms: int) -> list[KeysPart]:
    """Return all live keys and all organizations; of very many only that they are many."""
    if keys.are_more_than(transaction, KEYS_MAX):
        return [KeysPart(generation, [], [], is_last=True, is_partial=True)]
    purses = budgets.purses(transaction)
    rows = [row(key_row(key, purses)) for key in keys.live(transaction, now_ms)]
    pins = _pins(transaction, now_ms)
    orgs = [org_row(each, pins.get(each.ref, "")) for each in accounts.on_list(transaction)]
    parts = [KeysPart(generation, part, [], is_last=False) for part in _cut(rows, _KEYS_A_PART)]
    parts += [KeysPart(generation, [], part, is_last=False) for part in _cut(orgs, _KEYS_A_PART)]
    return [*parts, KeysPart(generation, [], [], is_last=True)]


def catalog_parts(
    catalog: Catalog, credentials: Mapping[str, str], generation: int
) -> list[CatalogPart]:
    """Return all offerings and the operator's credentials."""
    offerings = [offering for row in catalog.offerings.values() for offering in row]
    held = [UpstreamCredential(upstream, text) for upstream, text in credentials.items()]
    parts = [
        CatalogPart(generation, part, [], is_last=False)
        for part in _cut(offerings, _OFFERINGS_A_PART)
    ]
    return [*parts, CatalogPart(generation, [], held, is_last=True)]


def pinned_parts(catalog: Catalog, price_set: str, generation: int) -> list[CatalogPart]:
    """Return all offerings as they are sold to those who are pinned to a price set."""
    offerings = [offering for row in catalog.offerings.values() for offering in row]
    return [
        CatalogPart(generation, part, [], is_last=False, price_set=price_set)
        for part in _cut(offerings, _OFFERINGS_A_PART)
    ]


def delta(
    transaction: Transaction,
    public_ids: Sequence[str],
    orgs: Sequence[str],
    *,
    generation: int,
    now_ms: int,
) -> Delta:
    """Return how the named keys and organizations stand now."""
    rows = []
    gone = []
    purses: dict[bytes, Budgets] = {}
    for public_id in public_ids:
        key = _key(transaction, public_id)
        if key is None or not _is_live(key, now_ms):
            gone.append(public_id)
        else:
            org = bytes.fromhex(key.org.partition("_")[2])
            if org not in purses:
                purses[org] = budgets.purses(transaction, org)
            rows.append(row(key_row(key, purses[org])))
    pins = _pins(transaction, now_ms) if orgs else {}
    changed = [org_row(accounts.find(transaction, ref), pins.get(ref, "")) for ref in orgs]
    return Delta(generation, rows, gone, changed)


def introduction(
    transaction: Transaction, public_id: str, *, generation: int, now_ms: int
) -> Delta:
    """Return how one key and its organization stand, for a gateway that was not told of it."""
    key = _key(transaction, public_id)
    orgs = () if key is None else (key.org,)
    return delta(transaction, (public_id,), orgs, generation=generation, now_ms=now_ms)


def _key(transaction: Transaction, public_id: str) -> Key | None:
    try:
        return keys.find(transaction, public_id)
    except Missing:
        return None


def _is_live(key: Key, now_ms: int) -> bool:
    ends_at_ms = key.terms.expires_at_ms
    return not key.revoked_at_ms and (not ends_at_ms or ends_at_ms > now_ms)


def _cut(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
