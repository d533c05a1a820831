"""Both databases behave the same behind the small interface."""

from pathlib import Path
from threading import Event, Thread

import pytest

from tests.builders.postgres_cluster import Cluster
from troth.kernel.errors import Misconfigured
from troth.store import data_map, engine
from troth.store.engine import Store
from troth.store.postgres import PostgresStore
from troth.store.sqlite import SqliteStore
from troth.store.transaction import Column, Conflict, Locked, Unwritable

BOOKS = "SELECT count(*) FROM book"
INSERT = "INSERT INTO book (id, kind, org_ref, floor0) VALUES (?, ?, ?, ?)"


def books(store: Store) -> int:
    with store.read() as tx:
        found = tx.row(BOOKS, (), tuple[int])
    assert found is not None
    return found[0]


def fail_after_insert(store: Store) -> None:
    with store.write() as tx:
        tx.execute(INSERT, (b"a", "x", None, 0))
        raise RuntimeError


def insert_twice(store: Store, rows: int) -> None:
    with store.write() as tx:
        tx.insert(INSERT, [(b"same", "x", None, 0)] * rows)


def test_what_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError):
        fail_after_insert(store)
    assert books(store) == 0


@pytest.mark.parametrize("rows", [2, 40])
def test_a_broken_rule_of_the_schema_is_a_conflict(store: Store, rows: int) -> None:
    with pytest.raises(Conflict):
        insert_twice(store, rows)
    with pytest.raises(Conflict), store.write() as tx:
        tx.execute(INSERT, (b"a", "x", None, 7))
    assert books(store) == 0


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_tables_of_any_length_are_written_and_read_back(store: Store, count: int) -> None:
    ids = [number.to_bytes(4, "big") for number in range(count)]
    with store.write() as tx:
        tx.insert(INSERT, [(each, "x", None, 0) for each in ids])
        touched = tx.bulk(
            "UPDATE book SET posted = d.column2 FROM {rows} AS d WHERE book.id = d.column1",
            (Column.BLOB, Column.INT),
            [(each, 5 if number % 2 else 10**15) for number, each in enumerate(ids)],
        )
    with store.read() as tx:
        found = tx.bulk_rows(
            "SELECT id, kind FROM book JOIN {rows} AS d ON id = column1",
            (Column.BLOB,),
            [(each,) for each in ids],
            tuple[bytes, str],
        )
        streamed = list(tx.stream("SELECT id, posted FROM book ORDER BY id", (), tuple[bytes, int]))
    assert touched == count
    assert sorted(found) == [(each, "x") for each in ids]
    assert [posted for _, posted in streamed] == [
        5 if number % 2 else 10**15 for number in range(count)
    ]


def test_an_upsert_of_many_rows_adds_up(store: Store) -> None:
    upsert = INSERT + " ON CONFLICT (id) DO UPDATE SET posted = book.posted + 1"
    rows = [(number.to_bytes(4, "big"), "x", None, 0) for number in range(40)]
    for _ in range(3):
        with store.write() as tx:
            tx.insert(upsert, rows)
    with store.read() as tx:
        assert tx.row("SELECT min(posted), max(posted) FROM book", (), tuple[int, int]) == (2, 2)


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read-?only"), store.read() as tx:
        tx.execute(INSERT, (b"a", "x", None, 0))
    assert books(store) == 0


def test_a_reader_sees_one_state(store: Store) -> None:
    with store.read() as tx:
        before = tx.row(BOOKS, (), tuple[int])
        with store.write() as writer:
            writer.execute(INSERT, (b"a", "x", None, 0))
        assert tx.row(BOOKS, (), tuple[int]) == before
    assert books(store) == 1


def test_a_writer_waits_a_second_and_no_longer(store: Store) -> None:
    begun, ended = Event(), Event()

    def occupy() -> None:
        with store.write():
            begun.set()
            ended.wait(5)

    thread = Thread(target=occupy)
    thread.start()
    begun.wait(5)
    with pytest.raises(Locked), store.write():
        pass
    ended.set()
    thread.join()


def test_another_process_that_writes_is_waited_for_and_told(tmp_path: Path) -> None:
    store = engine.open(f"sqlite:///{tmp_path}/books.db")
    other = SqliteStore(tmp_path / "books.db")
    with other.write(), pytest.raises(Locked), store.write():
        pass
    other.close()
    store.close()


def test_a_disk_without_space_is_told_and_passes(quick_path: Path) -> None:
    store = SqliteStore(quick_path / "books.db")
    store.script("CREATE TABLE book (id, kind, org_ref, floor0);")
    store._writer.execute("PRAGMA max_page_count = 40")
    table = [(bytes(1_000), "x", None, number) for number in range(400)]
    for _ in range(2):
        with pytest.raises(Unwritable), store.write() as tx:
            tx.insert(INSERT, table)
        with pytest.raises(Unwritable), store.write() as tx:
            tx.execute(INSERT, (bytes(400_000), "x", None, 0))
        assert books(store) == 0
    store._writer.execute("PRAGMA max_page_count = 4000")
    with store.write() as tx:
        tx.insert(INSERT, table)
    assert books(store) == len(table)
    store.close()


@pytest.mark.parametrize("code", ["53100", "58030"], ids=["disk full", "input or output"])
def test_a_server_without_space_is_told(cluster: Cluster, code: str) -> None:
    store = PostgresStore(cluster.url(f"full_{code}"))
    with pytest.raises(Unwritable), store.write() as tx:
        tx.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")
    with store.write() as tx:
        assert tx.row("SELECT 1", (), tuple[int]) == (1,)
    store.close()


def test_opening_twice_migrates_once(url: str) -> None:
    for _ in range(2):
        store = engine.open(url)
        assert engine.migrate(store) == engine.migrations(store.dialect)[-1][0]
        store.close()


def test_a_database_of_a_newer_build_is_refused(url: str) -> None:
    store = engine.open(url)
    with store.write() as tx:
        tx.execute("INSERT INTO migration (number) VALUES (9999)")
    store.close()
    with pytest.raises(Misconfigured):
        engine.open(url)


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE seen ADD COLUMN diary text", "ALTER TABLE orphan DROP COLUMN at"]
)
def test_a_column_without_a_class_stops_the_start(url: str, statement: str) -> None:
    store = engine.open(url)
    with store.write() as tx:
        tx.execute(statement)
    store.close()
    with pytest.raises(Misconfigured):
        engine.open(url)


@pytest.mark.parametrize("url", ["mysql://somewhere/books", "books.db"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        engine.open(url)


def test_both_dialects_have_the_same_columns() -> None:
    numbers = {
        dialect: [number for number, _ in engine.migrations(dialect)]
        for dialect in ("sqlite", "postgresql")
    }
    assert numbers["sqlite"] == numbers["postgresql"]
    assert set(data_map.DATA_MAP) >= {"book", "entry", "usage"}
