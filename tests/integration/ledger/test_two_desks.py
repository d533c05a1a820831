"""Two desks on one PostgreSQL: nothing is written into a day that the other has closed."""

from collections.abc import Iterator
from itertools import count
from threading import Thread

import pytest

from tests.builders.money_world import MoneyWorld
from tests.builders.postgres_cluster import Cluster
from troth.ledger import books
from troth.ledger.books import Kind, Transfer, chain, close_day, verify
from troth.ledger.books.chain import MS_OF_DAY
from troth.store import engine
from troth.store.engine import Store
from troth.store.transaction import Locked, Transaction

_NUMBERS = count(1)


@pytest.fixture
def desks(cluster: Cluster) -> Iterator[tuple[Store, Store]]:
    url = cluster.url(f"desks_{next(_NUMBERS)}")
    first, second = engine.open(url), engine.open(url)
    yield first, second
    first.close()
    second.close()


def move(tx: Transaction, now_ms: int) -> None:
    assert books.transfer(tx, [Transfer(Kind.FEE, f"{now_ms}", 5)], 0, now_ms) == 1


def test_a_day_is_not_closed_while_something_is_written_into_it(
    desks: tuple[Store, Store], world_of_desks: MoneyWorld
) -> None:
    world = world_of_desks
    world.organization(7)
    now_ms = world.clock.now_ms()
    with desks[0].write() as tx:
        move(tx, now_ms)
        with pytest.raises(Locked), desks[1].write() as other:
            close_day(other, now_ms + MS_OF_DAY)
    with desks[1].write() as other:
        assert close_day(other, now_ms + MS_OF_DAY) == now_ms // MS_OF_DAY
    with desks[0].read() as tx:
        assert verify(tx).problems == []


def test_a_day_that_is_closed_unlocked_is_noticed(
    desks: tuple[Store, Store], world_of_desks: MoneyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of_desks
    world.organization(7)
    now_ms = world.clock.now_ms()

    def unlocked(tx: Transaction, now_ms: int) -> int:
        found = tx.row("SELECT day FROM open_day WHERE id = 1", (), tuple[int])
        return found[0] if found else now_ms // MS_OF_DAY

    monkeypatch.setattr(chain, "today", unlocked)
    with desks[0].write() as tx:
        move(tx, now_ms)
        with desks[1].write() as other:
            assert close_day(other, now_ms + MS_OF_DAY) is not None
    with desks[0].read() as tx:
        assert any("I9" in problem for problem in verify(tx).problems)


def test_desks_that_write_to_the_same_wallets_do_not_wait_for_each_other_in_a_ring(
    desks: tuple[Store, Store], world_of_desks: MoneyWorld
) -> None:
    world = world_of_desks
    orgs = [world.organization(10_000), world.organization(10_000)]
    faults: list[str] = []

    def post(slot: int) -> None:
        own = MoneyWorld(desks[slot], world.folder / f"desk-{slot}")
        own.folder.mkdir()
        own.clock.advance(1_000_000 * (slot + 1))  # identifiers of its own
        own.teller = books.Teller(
            books.TellerTerms(desk=slot), own.ids.raw, lambda _tx, _posted: None
        )
        gateway = own.gateway(slot)
        try:
            for _ in range(15):
                for org in orgs if slot else reversed(orgs):
                    gateway.spend((books.wallet_purse(org),), 10, 3)
                own.pump()
        except Locked:
            faults.append(f"desk {slot} waited for ever")
        gateway.journal.close()

    threads = [Thread(target=post, args=(slot,)) for slot in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with desks[0].read() as tx:
        assert verify(tx).problems == []
    assert [world.wallet(org).posted for org in orgs] == [10_000 - 2 * 15 * 3] * 2


@pytest.fixture
def world_of_desks(
    desks: tuple[Store, Store], tmp_path_factory: pytest.TempPathFactory
) -> MoneyWorld:
    """What the first desk made before the second came."""
    return MoneyWorld(desks[0], tmp_path_factory.mktemp("desks"))
