"""Stage 1. Whose request is it? Judged by the head alone, before a byte of the body is asked for.

A key is found by its public id and checked by a keyed digest held in memory; the desk verifies it
once for each process, on its first use.
"""

from hashlib import blake2b
from hmac import compare_digest
from typing import Final
from urllib.parse import unquote

import msgspec

from troth.gateway.addresses import is_inside, peer_of
from troth.gateway.ports import KeyRow
from troth.gateway.world import World
from troth.kernel.api_keys import LENGTH, PREFIX, PUBLIC_ID_LENGTH, public_id_of
from troth.kernel.errors import AddressNotAllowed, AmbiguousKey, InvalidKey, Overloaded
from troth.kernel.secret import Secret
from troth.wire import Head, Note

_ID_AT: Final = len(PREFIX)
_ID_END: Final = _ID_AT + PUBLIC_ID_LENGTH
_BEARER: Final = b"bearer "
_PREFIX: Final = PREFIX.encode()
_VERIFIED_MAX: Final = 100_000
_QUERY_NAMES: Final = frozenset(
    {"api_key", "api-key", "apikey", "key", "access_token", "x-api-key"}
)


class Caller(msgspec.Struct, frozen=True):
    """Who asks, from where."""

    key: KeyRow
    peer: str


def recognize(head: Head, world: World) -> Caller | None:
    """Return the caller, or None when the desk must be asked: `authenticate` the key then.

    Raises:
        InvalidKey: no key, a key in the query, or one that is unknown, expired or revoked.
        AmbiguousKey: two different keys.
        AddressNotAllowed: the key's list of addresses does not have the caller's.
        Overloaded: the tables are stale.
    """
    note = head.note or _noted(credential_of(head), world)
    public_id, digest = note
    keys = world.keys
    if not keys.is_fresh:
        raise Overloaded
    known = world.verified.get(public_id)
    if known is None:
        return None
    if not compare_digest(known, digest):
        raise InvalidKey
    row = keys.find(public_id)
    if row is None and keys.is_worth_asking(public_id):
        return None
    caller = _live(row, head, world)
    if head.likeness is not None:
        head.likeness.keep(head, note)
    return caller


async def authenticate(head: Head, world: World) -> Caller:
    """Return the caller; waits only on a key's first use in this process.

    Raises:
        InvalidKey, AmbiguousKey, AddressNotAllowed: as `recognize` does.
        Overloaded: the tables are stale, or the desk does not answer.
    """
    caller = recognize(head, world)
    if caller is not None:
        return caller
    given = credential_of(head.whole())
    public_id, digest = _noted(given, world)
    peer = peer_of(head, world.proxies)
    row = await _first_use(given, world.keys.find(public_id), peer, world)
    if len(world.verified) >= _VERIFIED_MAX:
        del world.verified[next(iter(world.verified))]
    world.verified[public_id] = digest
    return _live(row, head, world)


def _noted(given: bytes, world: World) -> Note:
    """Return what is remembered of a key: its public id, and a digest of the whole."""
    public_id = given[_ID_AT:_ID_END].decode("ascii", "replace")
    return public_id, blake2b(given, key=world.digest_key, digest_size=32).digest()


def _live(row: KeyRow | None, head: Head, world: World) -> Caller:
    if row is None or (row.expires_at_ms and row.expires_at_ms <= world.clock.now_ms()):
        raise InvalidKey
    if not row.networks:
        return Caller(row, head.peer)
    peer = peer_of(head, world.proxies)
    if not is_inside(peer, row.networks):
        raise AddressNotAllowed
    return Caller(row, peer)


def credential_of(head: Head) -> bytes:
    """Return the key that the head carries.

    Raises:
        InvalidKey: there is none, it is not of our form, or it stands in the query.
        AmbiguousKey: two headers carry different keys.
    """
    headers = head.headers
    bearer = headers.get(b"authorization")
    plain = headers.get(b"x-api-key")
    if bearer is not None:
        if bearer[:7].lower() != _BEARER:
            raise InvalidKey
        bearer = bearer[7:].strip()
        if plain is not None and plain != bearer:
            raise AmbiguousKey
    given = plain if bearer is None else bearer
    if head.query and _names_a_key(head.query):
        raise InvalidKey
    if given is None or len(given) != LENGTH or not given.startswith(_PREFIX):
        raise InvalidKey
    return given


def _names_a_key(query: str) -> bool:
    """Tell whether a parameter of the query is one that keys are put into."""
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return any(unquote(name).lower() in _QUERY_NAMES for name in names)


async def _first_use(given: bytes, row: KeyRow | None, peer: str, world: World) -> KeyRow:
    """Let the desk compare the key with its hash; a mistyped or unknown one never gets there."""
    text = given.decode("ascii", "replace")
    public_id = public_id_of(text)
    if public_id is None or (row is None and not world.keys.is_worth_asking(public_id)):
        raise InvalidKey
    if not await world.keys.verify(public_id, Secret(text), peer):
        raise InvalidKey
    found = world.keys.find(public_id)
    if found is None:
        raise InvalidKey
    return found
