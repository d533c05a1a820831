"""A process that does nothing but freeze receipts, until it is killed: `URL ORGANIZATION`."""

import sys
from contextlib import closing, suppress

from troth.control import documents
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.sealer import Sealer
from troth.store import engine
from troth.store.transaction import Locked

KEY = b"p" * 32


def main(url: str, organization: str) -> None:
    """Say that the database is open; once told so, freeze a receipt after the other."""
    clock = SystemClock()
    maker, sealer = IdMaker(clock), Sealer(KEY, system_entropy, "people")
    with closing(engine.open(url)) as store:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        sys.stdin.readline()
        while True:
            paid = documents.Paid(maker.new("top"), organization, 100, 0, clock.now_ms())
            with suppress(Locked), store.write() as tx:
                documents.receipt_for_topup(
                    tx, documents.Terms(), paid, clock.now_ms(), sealer=sealer
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
