"""`python -m bench.posting`: how many requests a desk posts in a second, on each database.

Batches of 200 settlements with their usage rows, as the link brings them; 20 and 1,000 wallets.
With a number as its argument it posts that many requests instead of 20,000. Beside the rate of the
whole run stands the rate of its median batch, which a busy machine disturbs less; then how fast all
of it is verified.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.harness.places import BUILD
from tests.builders.money_world import MoneyWorld
from tests.builders.postgres_cluster import running
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker, text
from troth.kernel.quantities import Quantities
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord, UsageSource, encode
from troth.ledger.books import Teller, TellerTerms, verify, wallet_purse
from troth.ledger.shard import records
from troth.ledger.shard.messages import LeaseAsk, OpenSeat, Posting
from troth.server.records import write_usage
from troth.store import engine

BATCH = 200
REQUESTS = 20_000
WALLETS = (20, 1_000)
CHARGE = 1_000
CREDIT = 10**12


class Rates(NamedTuple):
    """Requests a second on average and of the median batch, CPU us a request, rows verified."""

    mean: float
    median: float
    used: float
    verified: float


class Bench:
    """A desk with one seat that was lent much of each wallet."""

    def __init__(self, url: str, folder: Path, wallets: int) -> None:
        self.store = engine.open(url)
        self.world = MoneyWorld(self.store, folder)
        clock = self.world.clock = SystemClock()  # type: ignore[assignment]
        self.ids = self.world.ids = IdMaker(clock)
        self.teller = Teller(TellerTerms(), self.ids.raw, write_usage)
        self.orgs = [self.world.organization(CREDIT) for _ in range(wallets)]
        with self.store.write() as tx:
            self.seat = self.teller.open(tx, OpenSeat(0), clock.now_ms()).seat
            for op, org in enumerate(self.orgs, 1):
                ask = LeaseAsk(op, wallet_purse(org), 0, 0, CREDIT // 2, 1, 1, 0)
                self.teller.receive(tx, self.seat, ask, clock.now_ms())

    def postings(self, count: int) -> list[Posting]:
        """Return what a gateway would send, made beforehand."""
        return [
            Posting(
                self.seat,
                first + 1,
                first + BATCH,
                [self._settlement(first + n + 1) for n in range(BATCH)],
            )
            for first in range(0, count, BATCH)
        ]

    def _settlement(self, number: int) -> bytes:
        org = self.orgs[number % len(self.orgs)]
        raw = self.ids.raw()
        record = encode(
            UsageRecord(
                request=text("req", raw),
                org=text("org", org),
                key=text("key", org),
                endpoint="chat",
                model_asked="a-model",
                model_served="a-model",
                provider="groq",
                upstream="groq-1",
                region="us",
                price_set="a price set",
                started_at_ms=self.world.clock.now_ms(),
                first_byte_ms=100,
                latency_ms=900,
                status=200,
                outcome=Outcome.DONE,
                streamed=True,
                usage_source=UsageSource.REPORTED,
                quantities=Quantities(input=900, output=200),
                reserved_nusd=2 * CHARGE,
                charged_nusd=CHARGE,
                cost_nusd=400,
                max_tokens_clamped=0,
                attempts=(Attempt("groq-1", "ok", 900),),
            )
        )
        block = records.purse_block(((wallet_purse(org), 1),))
        size = records.SETTLE.size + len(block) + len(record)
        fields = (size, records.SETTLE_KIND, number, raw, CHARGE, 0, 2 * CHARGE, 1)
        return records.SETTLE.pack(*fields) + block + record

    def run(self, count: int) -> Rates:
        """Post all, then verify all."""
        postings = self.postings(count)
        used = time.process_time()
        took = []
        for posting in postings:
            begun = time.perf_counter()
            with self.store.write() as tx:
                self.teller.receive(tx, self.seat, posting, self.world.clock.now_ms())
            took.append(time.perf_counter() - begun)
        used = time.process_time() - used
        begun = time.perf_counter()
        with self.store.read() as tx:
            report = verify(tx)
        assert not report.problems
        checked = (report.charges + report.entries) / (time.perf_counter() - begun)
        return Rates(count / sum(took), BATCH / median(took), used / count * 1e6, checked)


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give an empty database of each kind and number of wallets; PostgreSQL writes to disk."""
    folder = BUILD / "posting"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running(fsync=True) as cluster:
        found = {f"SQLite {n}": f"sqlite:///{folder / f'{n}.db'}" for n in WALLETS}
        found |= {f"PostgreSQL {n}": cluster.url(f"posting_{n}") for n in WALLETS}
        yield found


def main() -> int:
    """Print a line for each."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    with databases() as found:
        for name, url in found.items():
            bench = Bench(url, BUILD / "posting", int(name.split()[1]))
            rates = bench.run(count)
            bench.store.close()
            sys.stdout.write(
                f"{name} wallets: {rates.mean:,.0f} requests/s (median batch {rates.median:,.0f}),"
                f" {rates.used:.1f} us CPU each; {rates.verified:,.0f} rows/s verified\n"
            )
    sys.stdout.write(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
