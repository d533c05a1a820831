"""The gateway's frozen tables: keys, organizations, offerings, credentials, as the desk sent them.

A snapshot is put together aside and takes the place of the old one whole. Keys stay encoded until
they first come. Of very many only those that came lately are here; the desk is asked for others.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from troth.catalog.offering import Offering, Upstream
from troth.gateway.ports import KeyRow, OrgRow
from troth.kernel.clock import Clock
from troth.kernel.secret import Secret
from troth.server.messages import CatalogPart, Delta, KeysPart, Row, opened

_NONE: Final = Secret("")
_HELD_MAX: Final = 50_000
_UNKNOWN_MAX: Final = 10_000
_ByName = dict[str, tuple[Offering, ...]]


class Tables:
    """What a gateway looks things up in. `find`, `org`, `of` and `names` are a request's."""

    def __init__(self, clock: Clock, stale_seconds: int) -> None:
        """Distrust the tables `stale_seconds` after the desk's last beat."""
        self._clock = clock
        self._stale_ns = stale_seconds * 1_000_000_000
        self._keys: dict[str, KeyRow | msgspec.Raw] = {}
        self._orgs: dict[str, OrgRow] = {}
        self._coming_keys: dict[str, KeyRow | msgspec.Raw] = {}
        self._coming_orgs: dict[str, OrgRow] = {}
        self._offerings: _ByName = {}
        self._names: tuple[str, ...] = ()
        self._pinned: dict[str, _ByName] = {}
        self._coming: dict[str, list[Offering]] = {}
        self._is_coming_sound = True
        self._credentials: dict[str, Secret] = {}
        self._is_partial = False
        self._unknown: dict[str, None] = {}
        self._has_keys = False
        self._has_catalog = False
        self._fresh_until_ns = 0
        self.beaten_ns = 0
        self.generation = 0

    def is_worth_asking(self, public_id: str) -> bool:
        """Whether the desk may know a key that is not here."""
        return self._is_partial and public_id not in self._unknown

    def note_unknown(self, public_id: str) -> None:
        """Remember, among the latest, a key that the desk does not know."""
        if len(self._unknown) >= _UNKNOWN_MAX:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[public_id] = None

    @property
    def is_whole(self) -> bool:
        """Whether a snapshot was ever complete."""
        return self._has_keys and self._has_catalog

    @property
    def is_fresh(self) -> bool:
        """Whether the desk's beat is recent enough to trust what stands here."""
        return self._clock.monotonic_ns() < self._fresh_until_ns

    def beat(self, at_ns: int) -> None:
        """The desk and its database answered at `at_ns` of the monotonic clock."""
        self.beaten_ns = max(self.beaten_ns, at_ns)
        self._fresh_until_ns = max(self._fresh_until_ns, at_ns + self._stale_ns)

    def find(self, public_id: str) -> KeyRow | None:
        """Return the row of a live key, or None."""
        found = self._keys.get(public_id)
        if found.__class__ is msgspec.Raw:
            assert isinstance(found, msgspec.Raw)
            found = self._keys[public_id] = opened(found)
        assert not isinstance(found, msgspec.Raw)
        return found

    def org(self, ref: str) -> OrgRow | None:
        """Return an organization's row, or None."""
        return self._orgs.get(ref)

    def of(self, model: str, price_set: str = "") -> Sequence[Offering]:
        """Return the offerings of a public name, in the order of preference.

        At the prices of a set that an organization is pinned to; today's where that is not known.
        """
        if price_set:
            return self._pinned.get(price_set, self._offerings).get(model, ())
        return self._offerings.get(model, ())

    def names(self) -> Sequence[str]:
        """Return all public names, sorted."""
        return self._names

    def credential(self, upstream: Upstream) -> Secret:
        """Return the operator's credential at an upstream, an empty one if it needs none."""
        return self._credentials.get(upstream.id, _NONE)

    def take_keys(self, part: KeysPart) -> None:
        """Take a part of the snapshot; the last one puts it in force."""
        _lay(self._coming_keys, part.keys)
        self._coming_orgs.update((org.ref, org) for org in part.orgs)
        if part.is_last:
            self._keys, self._coming_keys = self._coming_keys, {}
            self._orgs, self._coming_orgs = self._coming_orgs, {}
            self._is_partial = part.is_partial
            self._unknown.clear()
            self._has_keys = True
            self.generation = part.generation

    def take_catalog(self, part: CatalogPart) -> bool:
        """Take a part of the catalog; the last one puts it in force.

        False when the whole is refused because a price in it cannot be one: the old stays.
        """
        sheets = (sheet for each in part.offerings for sheet in (each.sale, each.cost))
        self._is_coming_sound &= all(sheet.is_sound for sheet in sheets)
        self._coming.setdefault(part.price_set, []).extend(part.offerings)
        for credential in part.credentials:
            self._credentials[credential.upstream] = Secret(credential.text)
        if not part.is_last:
            return True
        is_sound = self._is_coming_sound
        coming = {price_set: _by_name(found) for price_set, found in self._coming.items()}
        self._forget_offerings()
        if is_sound:
            self._offerings = coming.pop("", {})
            self._pinned = coming
            self._names = tuple(sorted(self._offerings))
            self._has_catalog = True
            self.generation = part.generation
        return is_sound

    def _forget_offerings(self) -> None:
        self._coming = {}
        self._is_coming_sound = True

    def take_delta(self, delta: Delta) -> None:
        """Put changed keys and organizations in force, and drop those that are gone."""
        _lay(self._keys, delta.keys)
        for row in delta.keys:
            self._unknown.pop(row.public_id, None)
        for public_id in delta.gone:
            self._keys.pop(public_id, None)
        self._orgs.update((org.ref, org) for org in delta.orgs)
        self.generation = delta.generation
        if self._is_partial and len(self._keys) > _HELD_MAX:
            self._let_go()

    def _let_go(self) -> None:
        """Drop the keys that came first, and organizations without a key here."""
        for public_id in list(islice(self._keys, _HELD_MAX // 10)):
            del self._keys[public_id]
        kept = {
            (opened(row) if isinstance(row, msgspec.Raw) else row).org
            for row in self._keys.values()
        }
        self._orgs = {ref: org for ref, org in self._orgs.items() if ref in kept}

    def forget_coming(self) -> None:
        """Drop a snapshot that was never finished: the link broke."""
        self._coming_keys = {}
        self._coming_orgs = {}
        self._forget_offerings()


def _by_name(offerings: Iterable[Offering]) -> _ByName:
    found: dict[str, list[Offering]] = {}
    for offering in offerings:
        found.setdefault(offering.model.name, []).append(offering)
    return {name: tuple(row) for name, row in found.items()}


def _lay(table: dict[str, KeyRow | msgspec.Raw], rows: Iterable[Row]) -> None:
    for row in rows:
        table[row.public_id] = row.row.copy()


class HeldCredentials:
    """The port of credentials over the tables."""

    __slots__ = ("_tables",)

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def of(self, upstream: Upstream) -> Secret:
        """Return the operator's credential at an upstream."""
        return self._tables.credential(upstream)
