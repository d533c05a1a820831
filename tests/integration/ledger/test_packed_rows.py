"""Rows as bytes: both databases give what a struct would, in one state and to the end."""

import struct
from collections.abc import Iterator

import psycopg
import pytest

from tests.builders.money_world import USD, MoneyWorld
from tests.builders.postgres_cluster import Cluster
from troth.ledger.books import close_day, verify, wallet_purse
from troth.ledger.books.chain import CHARGE, MS_OF_DAY
from troth.store import engine
from troth.store.engine import Store
from troth.store.transaction import PLACE_MAX, Locked, Packed, Transaction, Value

CHARGES = Packed(
    "charge",
    ("desk", "batch"),
    ("n", "dr", "cr", "lot", "amount", "count", "day"),
    CHARGE.format,
)
BATCHES = "SELECT desk, n AS batch, hash FROM batch"
PLAIN = (b"w" + bytes(15) + b"\x07", b"=revenue/00", b"l" * 16, 5, 1, 20_000)
Row = tuple[int, bytes, bytes, bytes | None, int, int, int]


def write(tx: Transaction, desk: int, n: int, rows: list[Row]) -> None:
    tx.insert(
        "INSERT INTO batch (desk, n, prev_hash, charges_root, receipts_root, entries_root, count,"
        " day, at, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(desk, n, b"", b"", b"", b"", 0, 0, 0, b"hash %d" % n)],
    )
    values: list[tuple[Value, ...]] = [(desk, n, *row) for row in rows]
    tx.insert(
        "INSERT INTO charge (desk, batch, n, dr, cr, lot, amount, count, day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )


def read(tx: Transaction) -> list[tuple[tuple[int, int, bytes], bytes]]:
    return list(tx.packed(BATCHES, CHARGES, tuple[int, int, bytes]))


def packed(rows: list[Row]) -> bytes:
    return b"".join(
        CHARGE.pack(n, dr, cr, lot or b"", *figures) for n, dr, cr, lot, *figures in rows
    )


ODD: list[Row] = [
    (0, *PLAIN),
    (1, b"", b"\x00", None, 2**63 - 1, 0, -(2**63)),
    (9, bytes(range(40)), b"\\x27';--", b"short", 1, 2**62, -1),
    (PLACE_MAX, b"'" * 32, b"\xff" * 33, b"%s" + bytes(15), 256, 3, 0),
]


def test_rows_are_what_a_struct_makes_of_them(store: Store) -> None:
    beyond: list[Row] = [(PLACE_MAX + 1, *PLAIN), (-1, *PLAIN), (2**63 - 1, *PLAIN)]
    with store.write() as tx:
        write(tx, 1, 2, [(0, *PLAIN)])
        write(tx, 0, 10, [*beyond, *reversed(ODD)])
        write(tx, 0, 9, [])
        assert read(tx)[1][1] == packed(ODD)  # what is not committed yet is seen by its writer
    with store.read() as tx:
        assert read(tx) == [
            ((0, 9, b"hash 9"), b""),
            ((0, 10, b"hash 10"), packed(ODD)),
            ((1, 2, b"hash 2"), packed([(0, *PLAIN)])),
        ]


def test_nothing_is_read_of_nothing(store: Store) -> None:
    with store.read() as tx:
        assert read(tx) == []


def test_rows_without_a_head_are_not_read(store: Store) -> None:
    with store.write() as tx:
        write(tx, 0, 1, [(0, *PLAIN)])
        tx.execute("INSERT INTO charge SELECT 0, 2, n, dr, cr, lot, amount, count, day FROM charge")
    with store.read() as tx:
        assert [head for head, _ in read(tx)] == [(0, 1, b"hash 1")]


def test_a_column_for_each_field(store: Store) -> None:
    short = Packed("charge", ("desk", "batch"), ("n", "dr"), ">Iqq")
    with store.read() as tx, pytest.raises(ValueError, match="zip"):
        list(tx.packed(BATCHES, short, tuple[int, int, bytes]))


def test_who_fails_in_between_is_told_of_that_and_the_next_can_read(store: Store) -> None:
    with store.write() as tx:
        for n in range(1, 200):
            write(tx, 0, n, [(place, *PLAIN) for place in range(50)])

    def fail() -> None:
        with store.read() as tx:
            for (_, n, _), _ in tx.packed(BATCHES, CHARGES, tuple[int, int, bytes]):
                if n == 7:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as tx:
        assert len(read(tx)) == 199


def test_what_is_written_meanwhile_is_not_read(store: Store) -> None:
    with store.write() as tx:
        for n in range(1, 100):
            write(tx, 0, n, [(0, *PLAIN)])
    with store.read() as tx:
        rows = tx.packed(BATCHES, CHARGES, tuple[int, int, bytes])
        first = next(rows)
        with store.write() as writer:
            write(writer, 0, 100, [(0, *PLAIN)])
            writer.execute("UPDATE open_day SET day = 1")
        assert len([first, *rows]) == 99
        assert tx.number("SELECT count(*) FROM charge") == 99


def test_a_server_that_goes_away_in_between_is_an_error(cluster: Cluster) -> None:
    url = cluster.url("going_away")
    store = engine.open(url)

    def read_on() -> Iterator[int]:
        with store.read() as tx:
            pid = tx.number("SELECT pg_backend_pid()")
            large = (
                "SELECT g AS desk, g AS batch, decode(repeat('00', 1000), 'hex') AS hash"
                " FROM generate_series(1, 40000) AS g"
            )
            for (n, _, _), _ in tx.packed(large, CHARGES, tuple[int, int, bytes]):
                if n == 1:
                    with psycopg.connect(url) as other:
                        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
                yield n

    with pytest.raises(Locked):
        assert max(read_on()) < 40_000
    with store.read() as tx:
        assert read(tx) == []
    store.close()


def test_books_verify_as_they_stood_whatever_is_posted_closed_and_removed_meanwhile(
    world: MoneyWorld,
) -> None:
    org = world.organization(USD)
    gateway = world.gateway()
    gateway.spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    with world.store.read() as tx:
        before = verify(tx)
        gateway.spend((wallet_purse(org),), 1_000, 400)
        world.pump()
        world.clock.advance(MS_OF_DAY)
        with world.store.write() as writer:
            day = close_day(writer, world.clock.now_ms())
            assert day is not None
            assert writer.execute("DELETE FROM charge WHERE day <= ?", (day,)) == 2
        assert verify(tx) == before
    assert (before.charges, before.problems) == (1, [])
    with world.store.read() as tx:
        after = verify(tx)
    assert (after.charges, after.batches, after.problems) == (0, before.batches + 1, [])


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO charge SELECT desk, 77, n, dr, cr, lot, amount, count, day FROM charge",
        "INSERT INTO charge SELECT 3, batch, n, dr, cr, lot, amount, count, day FROM charge",
        "INSERT INTO charge SELECT desk, batch, 4294967296, dr, cr, lot, 1, count, day FROM charge",
        "INSERT INTO charge SELECT desk, batch, -1, dr, cr, lot, amount, count, day FROM charge",
    ],
)
def test_rows_in_no_place_of_the_chain_are_named(world: MoneyWorld, change: str) -> None:
    org = world.organization(USD)
    world.gateway().spend((wallet_purse(org),), 1_000, 300)
    world.pump()
    with world.store.write() as tx:
        tx.execute(change)
        places = set(tx.rows("SELECT desk, batch FROM charge", (), tuple[int, int]))
        (place,) = places - {(0, 2)} or places
        problems = verify(tx).problems
    assert problems == ["I10 rows of batch {}/{} are in no place of the chain".format(*place)]


def test_a_batch_whose_entries_are_gone_is_named(world: MoneyWorld) -> None:
    for _ in range(2):
        world.organization(USD)
    with world.store.write() as tx:
        if world.store.dialect == "sqlite":
            tx.execute("DROP TRIGGER entry_remains")
        else:
            tx.execute("SET LOCAL session_replication_role = replica")
        tx.execute("DELETE FROM entry WHERE batch = 1")
        problems = verify(tx).problems
    assert [each for each in problems if "entries of" in each] == [
        "I10 entries of batch 0/1 were changed"
    ]


def test_a_form_is_a_structs() -> None:
    assert struct.Struct(CHARGES.form).size == sum(width for _, _, width in CHARGES.fields())
