"""One byte of the stored ledger is changed, anywhere: verification says in which batch."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders.money_world import USD
from tests.builders.posted_world import PostedWorld, ask
from troth.control import promotions, usage
from troth.kernel.errors import TrothError
from troth.ledger import books
from troth.ledger.books import Credit, Kind, LotKind, Reversal, Take, close_day, verify
from troth.ledger.books.chain import MS_OF_DAY
from troth.store.engine import Store
from troth.store.sqlite import SqliteStore
from troth.store.transaction import Conflict, Transaction, Value

COLUMNS: Final = {
    "batch": "desk n prev_hash hash charges_root receipts_root entries_root count day at",
    "charge": "desk batch n dr cr lot amount count day",
    "entry": "id desk batch kind dr cr amount lot corrects day at",
    "lot": "id book kind granted spent returned expires_at created_at",
    "day_close": "day book opening paid_in charged paid_out closing hash",
    "usage": "request charged desk batch place",
    "book": "id kind posted held floor0",
    "chain": "desk n hash",
}
BYTES: Final = [(table, name) for table, names in COLUMNS.items() for name in names.split()]
SOME: Final = ((0, 0), (1, 7), (2, 15), (3, 0), (4, 7), (5, 0))
MORE: Final = 0
REFUSED: Final = "the database refuses it"


class Undone(TrothError):
    """The change is not kept."""


class Change(msgspec.Struct, frozen=True):
    """Which byte of which cell, and what it is combined with."""

    row: int
    byte: int
    mask: int


CHANGES = st.builds(Change, st.integers(0, 999), st.integers(0, 99), st.integers(1, 255))


@pytest.fixture
def world(store: Store, tmp_path: Path) -> Iterator[PostedWorld]:
    """Two wallets over three days: gifts, a refund that failed, expiry, charges, overruns."""
    world = PostedWorld(store, tmp_path)
    gateway = world.gateway()
    first, second = world.organization(USD), world.organization(USD, LotKind.PROMO)
    with store.write() as tx:
        now_ms = world.clock.now_ms()
        gift = Credit("gift", first, LotKind.SLA, 900, now_ms + 2 * MS_OF_DAY)
        bought = Credit("bought", second, LotKind.PAID, 50_000)
        assert books.credit(tx, gift, 0, now_ms)
        assert books.credit(tx, bought, 0, now_ms)
        assert books.take(tx, Take(Kind.REFUND, "r", second, bought.lot, 700), 0, now_ms) == 700
        back = Reversal(Kind.REFUND_FAILED, "r", books.movement_id(Kind.REFUND, "r"))
        assert books.reverse(tx, back, 0, now_ms) == 700
    for day in range(3):
        for org in (first, second, first):
            ask(gateway, org, 300 + day)
        world.pump()
        ask(gateway, second, 70 + day)
        world.pump()
        world.clock.advance(MS_OF_DAY)
        with store.write() as tx:
            promotions.expire(tx, 0, world.clock.now_ms())
            if day < 2:
                assert close_day(tx, world.clock.now_ms()) is not None
    unguard(store)
    yield world
    for each in world.gateways.values():
        each.journal.close()


def problems(tx: Transaction) -> list[str]:
    changed = [f"usage of batch {desk}/{n}" for desk, n in usage.unproved(tx)]
    return verify(tx).problems + changed


def changed(value: Value, change: Change) -> Value:
    """Return a value with one byte changed, or a zero byte more; what has no byte stays."""
    if change.mask == MORE:
        return value + b"\0" if isinstance(value, bytes) else value
    if isinstance(value, bytes) and value:
        at = change.byte % len(value)
        return value[:at] + bytes((value[at] ^ change.mask,)) + value[at + 1 :]
    if isinstance(value, str) and value:
        at = change.byte % len(value)
        return value[:at] + chr(1 + (ord(value[at]) + change.mask) % 126) + value[at + 1 :]
    if isinstance(value, int):
        return value ^ (change.mask % 128 or 1) << 8 * (change.byte % 8)
    return value


def unguard(store: Store) -> None:
    """Take away what guards the tables: a byte that turns on a disk asks nobody."""
    with store.write() as tx:
        if isinstance(store, SqliteStore):
            triggers = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
            for (trigger,) in tx.rows(triggers, (), tuple[str]):
                tx.execute(f"DROP TRIGGER {trigger}")
            tx.execute("PRAGMA ignore_check_constraints = ON")
            return
        for table in COLUMNS:
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        checks = (
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
        for table, check in tx.rows(checks, (), tuple[str, str]):
            tx.execute(f"ALTER TABLE {table} DROP CONSTRAINT {check}")


def after(world: PostedWorld, cell: tuple[str, str], change: Change) -> tuple[set[str], list[str]]:
    """Change a byte, verify, and undo it; return the place that should be named, and what was.

    A row that is moved to another batch is named where it was or where it is.
    """
    table, column = cell
    places, found = {""}, [REFUSED]
    key = COLUMNS[table].split()
    names = ", ".join(key)
    with suppress(Undone, Conflict), world.store.write() as tx:
        rows = tx.rows(f"SELECT {names} FROM {table} ORDER BY {names}")  # noqa: S608 - of our list
        row = rows[change.row % len(rows)]
        value = row[key.index(column)]
        new = changed(value, change)
        if new == value:
            return places, found
        honest = dict(zip(key, row, strict=True))
        places = {batch_of(tx, cell, honest), batch_of(tx, cell, {**honest, column: new})}
        if isinstance(world.store, SqliteStore):
            tx.execute("PRAGMA defer_foreign_keys = ON")
        same = " AND ".join(
            f"{name} IS NULL" if each is None else f"{name} = ?"
            for name, each in zip(key, row, strict=True)
        )
        statement = f"UPDATE {table} SET {column} = ? WHERE {same}"  # noqa: S608 - of our list
        assert tx.execute(statement, (new, *(each for each in row if each is not None))) == 1
        found = problems(tx)
        raise Undone
    return places, found


def batch_of(tx: Transaction, cell: tuple[str, str], row: dict[str, Value]) -> str:
    """Return how verification names the place of a row; what has no batch is only noticed."""
    table, column = cell
    if table == "day_close":
        return f"day {row['day']!r}"
    if table in {"batch", "charge", "entry", "usage"}:
        return f"batch {row['desk']!r}/{row['n' if table == 'batch' else 'batch']!r}"
    if table == "lot" and column not in {"spent", "returned"}:
        opened = tx.row("SELECT desk, batch FROM entry WHERE id = ?", (row["id"],), tuple[int, int])
        return "batch {}/{}".format(*opened) if opened else ""
    return ""


@pytest.mark.parametrize("count", [250, pytest.param(2_000, marks=pytest.mark.prove)])
def test_a_changed_byte_anywhere_names_its_batch(world: PostedWorld, count: int) -> None:
    with world.store.read() as tx:
        assert problems(tx) == []

    @settings(max_examples=count, deadline=None, database=None)
    @given(st.sampled_from(BYTES), CHANGES)
    def search(cell: tuple[str, str], change: Change) -> None:
        places, found = after(world, cell, change)
        is_named = any(place in problem for place in places for problem in found)
        assert is_named or found == [REFUSED], (places, found)

    search()


def test_no_column_is_left_out(world: PostedWorld) -> None:
    for cell in BYTES:
        tried = [after(world, cell, Change(row, byte, 1 + row)) for row, byte in SOME]
        assert all(found for _, found in tried), (cell, tried)
        assert any(found != [REFUSED] for _, found in tried), cell


def test_a_zero_byte_more_is_not_taken_for_what_fills_a_field(world: PostedWorld) -> None:
    for cell in BYTES:
        for row in range(8):
            places, found = after(world, cell, Change(row, 0, MORE))
            is_named = any(place in problem for place in places for problem in found)
            is_of_no_batch = cell[0] in {"book", "day_close"}
            assert is_named or found == [REFUSED] or (is_of_no_batch and found), (cell, row, found)


def test_a_name_with_a_zero_byte_more_is_named(world: PostedWorld) -> None:
    if not isinstance(world.store, SqliteStore):
        return  # PostgreSQL holds no text with a zero byte
    with suppress(Undone), world.store.write() as tx:
        tx.execute("UPDATE entry SET kind = kind || char(0) WHERE batch = 3")
        assert any("entries of batch 0/3" in problem for problem in problems(tx))
        raise Undone
