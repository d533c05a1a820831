"""PostgreSQL dies in the middle; the gateway goes on from its leases and its journal."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.builders.money_world import USD, MoneyWorld
from tests.builders.postgres_cluster import running
from troth.kernel.errors import Misconfigured
from troth.ledger.books import verify, wallet_purse
from troth.store import engine
from troth.store.transaction import Locked


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.prove)])
def test_a_killed_database_loses_and_doubles_nothing(tmp_path: Path, kills: int) -> None:
    with running() as cluster:
        store = engine.open(cluster.url("books"))
        world = MoneyWorld(store, tmp_path)
        org = world.organization(USD)
        gateway = world.gateway()
        gateway.spend((wallet_purse(org),), 5_000_000, 10)
        spent = 10
        for number in range(1, kills + 1):
            admitted = gateway.shard.admit(world.ids.raw(), (wallet_purse(org),), 900, 1)
            assert isinstance(admitted, int)
            reservation = world.ids.raw()
            assert gateway.shard.admit(reservation, (wallet_purse(org),), 900, 1) == 900
            cluster.kill()
            gateway.shard.settle(reservation, number, b"")
            spent += number
            with pytest.raises(Locked):
                world.pump()
            cluster.start()
            gateway.shard.lost()
            with store.write() as tx:
                assert world.teller.resume(tx, gateway.seat, world.clock.now_ms()) is None
            world.pump()
            with suppress(Locked):
                world.wallet(org)  # the first to ask finds its connection gone
            assert world.wallet(org).posted == USD - spent
        with store.read() as tx:
            assert verify(tx).problems == []
        gateway.journal.close()
        store.close()


def test_a_database_that_is_away_is_told_as_busy() -> None:
    with running() as cluster:
        url = cluster.url("books")
        store = engine.open(url)
        cluster.kill()
        with pytest.raises(Locked), store.read():
            pass
        with pytest.raises(Misconfigured, match="does not answer"):
            engine.open(url)
        store.close()
        cluster.start()
