"""What was written to the books stays as it is: the database itself refuses to change it."""

import psycopg
import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.ledger.books import close_day, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.store.transaction import Conflict

REFUSED = (Conflict, psycopg.errors.InsufficientPrivilege)
CHANGES = (
    "UPDATE entry SET amount = amount + 1",
    "UPDATE entry SET dr = cr",
    "DELETE FROM entry",
    "UPDATE charge SET amount = amount + 1",
    "DELETE FROM charge WHERE day = (SELECT max(day) FROM charge)",
    "UPDATE batch SET hash = prev_hash",
    "DELETE FROM batch",
    "UPDATE day_close SET closing = closing + 1",
    "DELETE FROM day_close",
    "UPDATE book SET posted = held - 1 WHERE kind = 'wallet'",
    "UPDATE book SET held = posted + 1 WHERE kind = 'wallet'",
    "UPDATE lot SET spent = granted + 1",
    "UPDATE lease SET settled = granted + 1",
)


@pytest.fixture
def spent(world: MoneyWorld) -> MoneyWorld:
    """A wallet that was charged today and on a day that is closed."""
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    world.clock.advance(MS_OF_DAY)
    gateway.shard.beat(world.clock.monotonic_ns())
    with world.store.write() as tx:
        assert close_day(tx, world.clock.now_ms()) is not None
    gateway.spend((wallet_purse(org),), 1_000, 200)
    world.pump()
    return world


@pytest.mark.parametrize("change", CHANGES)
def test_no_row_of_the_books_is_changed_or_removed(spent: MoneyWorld, change: str) -> None:
    with pytest.raises(REFUSED), spent.store.write() as tx:
        assert tx.execute(change) > 0
    with spent.store.read() as tx:
        assert verify(tx).problems == []
