"""What was written to the books stays as it is: the database itself refuses to change it."""

import psycopg
import pytest

from tests.builders.money_world import USD, MoneyWorld
from troth.ledger.books import close_day, verify, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.store.sqlite import SqliteStore
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


PUT_IN_PLACE = (
    "entry",
    "charge",
    "batch",
    "day_close",
    "rollup_day",
    "correction",
    "document",
    "document_gone",
    "audit_entry",
    "price",
    "price_version",
    "price_line",
    "price_pin",
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


@pytest.mark.parametrize("table", ["entry", "charge", "batch", "day_close"])
def test_no_row_is_put_in_the_place_of_another(spent: MoneyWorld, table: str) -> None:
    same = f"INTO {table} SELECT * FROM {table}"  # noqa: S608 - of our list
    for put in (f"INSERT {same}", f"REPLACE {same}", f"INSERT OR REPLACE {same}"):
        if "REPLACE" in put and not isinstance(spent.store, SqliteStore):
            continue  # PostgreSQL knows no such statement
        with pytest.raises(REFUSED), spent.store.write() as tx:
            tx.execute(put)
    with spent.store.read() as tx:
        assert verify(tx).problems == []


def test_every_table_that_is_never_changed_is_guarded_against_it(spent: MoneyWorld) -> None:
    if isinstance(spent.store, SqliteStore):
        with spent.store.read() as tx:
            guards = "SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE ?"
            put = {name for (name,) in tx.rows(guards, ("%BEFORE INSERT%",), tuple[str])}
            changed = {name for (name,) in tx.rows(guards, ("%BEFORE UPDATE%",), tuple[str])}
        assert put == changed - {"document_series"} == set(PUT_IN_PLACE)
