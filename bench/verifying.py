"""`python -m bench.verifying`: how long the books of a million charges take to verify.

Batches of 200 charges over 1,000 wallets, on each database, as a desk posts them, each charge that
of one request; with a number as its argument, about so many. All is written straight into the
tables, with the roots that make it honest, for to post a million takes minutes. The databases take
turns; CPU is this process's, and for PostgreSQL that of the server's process which answered.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench.harness.places import BUILD
from tests.builders.money_world import MoneyWorld
from tests.builders.postgres_cluster import running
from troth.control import usage
from troth.kernel import hash_tree
from troth.ledger.books import chain, receipt_leaf, verify, wallet_purse
from troth.ledger.books.chain import ChargeRow
from troth.ledger.books.entry import OperatorBook, open_operator_book
from troth.store import engine
from troth.store.engine import Store
from troth.store.transaction import Column, Transaction

CHARGES: Final = 1_000_000
BATCH: Final = 200
WALLETS: Final = 1_000
AT_ONCE: Final = 100
CREDIT: Final = 10**12
ROUNDS: Final = 3
_REQUEST: Final = {
    "sqlite": "CAST(printf('%08d%08d', batch, n) AS BLOB)",
    "postgresql": "convert_to(lpad(batch::text, 8, '0') || lpad(n::text, 8, '0'), 'UTF8')",
}
_USAGE: Final = """
INSERT INTO usage (request, org, api_key, project, endpoint, model_asked, model_served, provider,
  upstream, region, price_set, started_at, first_byte_ms, latency_ms, status, outcome, streamed,
  usage_source, quantities, reserved, charged, cost, clamped, attempts, desk, batch, place)
SELECT {request}, dr, dr, '', 'chat', 'a-model', 'a-model', 'groq', 'groq-1', 'us',
  'the digest of a price set in letters', 1, 100, 900, 200, 'done', 1, 'reported',
  '{{"input":900,"output":200}}', amount, amount, 400, 0,
  '[{{"upstream":"groq-1","code":"ok","ms":900}}]', desk, batch, n
FROM charge"""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Took(NamedTuple):
    """Seconds of the wall, of this process, of the server's."""

    wall: float
    here: float
    there: float


def fill(store: Store, world: MoneyWorld, charges: int) -> None:
    """Write batches of charges that hold whatever is asked of them."""
    orgs = [world.organization(CREDIT) for _ in range(WALLETS)]
    purses = [wallet_purse(org) for org in orgs]
    revenue = OperatorBook.REVENUE.stripe(0)
    with store.write() as tx:
        open_operator_book(tx, OperatorBook.REVENUE, 0)
        lots = dict(tx.rows("SELECT book, id FROM lot", (), tuple[bytes, bytes]))
        at = tx.number("SELECT day FROM open_day"), world.clock.now_ms()
        spent = dict.fromkeys(purses, 0)
        for start in range(0, charges // BATCH, AT_ONCE):
            rows: list[tuple[int, int, ChargeRow]] = []
            for number in range(start, min(start + AT_ONCE, charges // BATCH)):
                batch: list[ChargeRow] = []
                for n in range(BATCH):
                    wallet = purses[(number * BATCH + n) % WALLETS]
                    batch.append((n, wallet, revenue, lots[wallet], 1_000 + n, 1, at[0]))
                    spent[wallet] += 1_000 + n
                place = _append(tx, batch, at)
                rows += [(0, place, row) for row in batch]
            _write(tx, rows)
        _settle(tx, revenue, lots, spent)
        tx.execute(_USAGE.format(request=_REQUEST[store.dialect]))


def _append(tx: Transaction, batch: list[ChargeRow], at: tuple[int, int]) -> int:
    """Write the header of a batch; return its number."""
    last, prev_hash = chain.head(tx, 0)
    leaves = [receipt_leaf(b"%08d%08d" % (last + 1, row[0]), row[4]) for row in batch]
    header = chain.Batch(
        desk=0,
        n=last + 1,
        prev_hash=prev_hash,
        charges_root=chain.charges_root(batch),
        receipts_root=hash_tree.root(leaves),
        entries_root=hash_tree.EMPTY_ROOT,
        count=BATCH,
        day=at[0],
        at=at[1],
    )
    chain.append(tx, header)
    return header.n


def _write(tx: Transaction, rows: list[tuple[int, int, ChargeRow]]) -> None:
    tx.insert(
        "INSERT INTO charge (desk, batch, n, dr, cr, lot, amount, count, day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(desk, place, *row) for desk, place, row in rows],
    )


def _settle(
    tx: Transaction, revenue: bytes, lots: dict[bytes, bytes], spent: dict[bytes, int]
) -> None:
    """Bring books and lots to what the charges say."""
    types = (Column.BLOB, Column.INT)
    tx.bulk(
        "UPDATE book SET posted = posted - d.column2 FROM {rows} AS d WHERE id = d.column1",
        types,
        list(spent.items()),
    )
    tx.bulk(
        "UPDATE lot SET spent = spent + d.column2 FROM {rows} AS d WHERE id = d.column1",
        types,
        [(lots[wallet], amount) for wallet, amount in spent.items()],
    )
    earned = "UPDATE book SET posted = posted + ? WHERE id = ?"
    tx.execute(earned, (sum(spent.values()), revenue))


def timed(store: Store, work: Callable[[Transaction], None]) -> Took:
    """Do work in a reading transaction."""
    with store.read() as tx:
        server = tx.number("SELECT pg_backend_pid()") if store.dialect == "postgresql" else 0
        there = _used(server)
        begun, here = time.perf_counter(), time.process_time()
        work(tx)
        wall = time.perf_counter() - begun
        return Took(wall, time.process_time() - here, _used(server) - there)


def _used(pid: int) -> float:
    """Return the CPU seconds of another process."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _books(tx: Transaction) -> None:
    assert not verify(tx).problems


def _receipts(tx: Transaction) -> None:
    assert not usage.unproved(tx)


WORK: Final = {"charges": _books, "receipts": _receipts}


@contextmanager
def filled(charges: int) -> Iterator[dict[str, Store]]:
    """Give a database of each kind with so many charges; PostgreSQL as it comes, with its disk."""
    folder = BUILD / "verifying"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running(fsync=True) as cluster:
        urls = {"SQLite": f"sqlite:///{folder}/books.db", "PostgreSQL": cluster.url("verifying")}
        stores = {name: engine.open(url) for name, url in urls.items()}
        for store in stores.values():
            fill(store, MoneyWorld(store, folder), charges)
        yield stores
        for store in stores.values():
            store.close()


def main() -> int:
    """Print a line for each time a database is verified."""
    charges = int(sys.argv[1]) if len(sys.argv) > 1 else CHARGES
    with filled(charges) as stores:
        for _ in range(ROUNDS):
            for name, store in stores.items():
                for what, work in WORK.items():
                    took = timed(store, work)
                    sys.stdout.write(
                        f"{name}: {charges:,} {what} in {took.wall:.2f} s; CPU {took.here:.2f} s"
                        f" here, {took.there:.2f} s there; load {os.getloadavg()[0]:.1f}\n"
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
