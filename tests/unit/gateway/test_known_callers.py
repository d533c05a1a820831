"""A caller is known by a head that came before; what became of its key since then still counts."""

import pytest

from tests.builders.gateway_world import MINTED, Scene, key_row, scene
from troth.gateway.authenticate import Caller, authenticate, recognize
from troth.kernel.errors import AddressNotAllowed, InvalidKey, Overloaded
from troth.wire import Head, ServerLimits
from troth.wire.known_heads import KnownHeads

pytestmark = pytest.mark.anyio

RAW = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %b\r\n"
    b"Content-Length: 5" % MINTED.text.reveal().encode()
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def read(heads: KnownHeads, peer: str = "127.0.0.1") -> Head:
    return heads.read(RAW, peer)


async def known(stage: Scene) -> KnownHeads:
    """Return a reader that remembers the caller's head."""
    heads = KnownHeads(ServerLimits())
    assert recognize(read(heads), stage.world) is None
    await authenticate(read(heads), stage.world)
    assert len(heads) == 0
    assert recognize(read(heads), stage.world) is not None
    assert len(heads) == 1
    assert read(heads).note is not None
    return heads


async def test_a_caller_is_known_by_a_head_that_came_before() -> None:
    stage = scene()
    heads = await known(stage)
    assert recognize(read(heads, "192.0.2.1"), stage.world) == Caller(key_row(), "192.0.2.1")


async def test_a_key_that_was_revoked_or_has_expired_is_refused() -> None:
    stage = scene()
    heads = await known(stage)
    row = stage.keys.row
    stage.keys.row = key_row(expires_at_ms=stage.clock.now_ms())
    with pytest.raises(InvalidKey):
        recognize(read(heads), stage.world)
    stage.keys.row = None
    with pytest.raises(InvalidKey):
        recognize(read(heads), stage.world)
    stage.keys.row = row
    assert recognize(read(heads), stage.world) is not None


async def test_addresses_are_looked_at_each_time() -> None:
    stage = scene()
    heads = await known(stage)
    stage.keys.row = key_row(networks=("192.0.2.0/24",))
    assert recognize(read(heads, "192.0.2.1"), stage.world) is not None
    with pytest.raises(AddressNotAllowed):
        recognize(read(heads, "198.51.100.1"), stage.world)


async def test_stale_tables_trust_nobody() -> None:
    stage = scene()
    heads = await known(stage)
    stage.keys.is_fresh = False
    with pytest.raises(Overloaded):
        recognize(read(heads), stage.world)


async def test_a_key_that_this_process_has_forgotten_is_verified_anew() -> None:
    stage = scene()
    heads = await known(stage)
    stage.world.verified.clear()
    assert recognize(read(heads), stage.world) is None
    assert await authenticate(read(heads), stage.world) == Caller(key_row(), "127.0.0.1")
    assert recognize(read(heads), stage.world) is not None


async def test_another_secret_under_the_same_id_is_no_match_for_what_is_remembered() -> None:
    stage = scene()
    heads = await known(stage)
    stage.world.verified[MINTED.public_id] = bytes(32)
    with pytest.raises(InvalidKey):
        recognize(read(heads), stage.world)


async def test_a_head_without_a_valid_key_is_not_remembered() -> None:
    stage = scene()
    heads = await known(stage)
    stage.keys.row = None
    fresh = KnownHeads(ServerLimits())
    with pytest.raises(InvalidKey):
        recognize(read(fresh), stage.world)
    assert (len(fresh), len(heads)) == (0, 1)
