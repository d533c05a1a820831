"""A gateway's seat as the desk sees it: borrows parts of wallets, and posts what was charged."""

from collections.abc import Callable
from itertools import count

from troth.ledger.books import Teller, TellerTerms, wallet_purse
from troth.ledger.shard.messages import Lease, LeaseAsk, LeaseReturn, OpenSeat, Posting
from troth.ledger.shard.records import EPOCH, SETTLE, SETTLE_KIND
from troth.store.engine import Store

_LARGE = 2**40  # against it every wallet is small, and is lent exactly what is asked


class SpendingSeat:
    """One seat at a teller of its own; nothing of it is in any journal."""

    def __init__(
        self, store: Store, new_id: Callable[[], bytes], now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._now_ms = now_ms
        self._numbers = count(1)
        self._lent: dict[bytes, Lease] = {}
        self.teller = Teller(TellerTerms(), new_id, lambda *_: None)
        with store.write() as tx:
            self.seat = self.teller.open(tx, OpenSeat(0), now_ms()).seat

    def borrow(self, org: bytes, amount: int) -> int:
        """Borrow from a wallet; return how much there is on loan now, at most what it had."""
        purse, before = wallet_purse(org), self._lent.get(org)
        ask = LeaseAsk(
            op=next(self._numbers),
            purse=purse,
            epoch=before.epoch if before else 0,
            offer=0,
            need=amount,
            least=amount,
            bound=_LARGE,
            recent=0,
        )
        with self._store.write() as tx:
            sent = self.teller.receive(tx, self.seat, ask, self._now_ms())
        answers = [message for _, message in sent if isinstance(message, Lease)]
        self._lent[org] = answers[-1]
        return answers[-1].granted

    def charge(self, org: bytes, amount: int) -> None:
        """Post one charge against what was borrowed."""
        purses = EPOCH.pack(wallet_purse(org), self._lent[org].epoch)
        number, size = next(self._numbers), SETTLE.size + len(purses)
        body = SETTLE.pack(size, SETTLE_KIND, number, self._new_id(), amount, 0, amount, 1) + purses
        posting = Posting(self.seat, number, number, [body])
        with self._store.write() as tx:
            self.teller.receive(tx, self.seat, posting, self._now_ms())

    def give_back(self, org: bytes, amount: int) -> None:
        """Return what was not needed."""
        lease = self._lent[org]
        message = LeaseReturn(next(self._numbers), lease.purse, lease.epoch, amount)
        with self._store.write() as tx:
            self.teller.receive(tx, self.seat, message, self._now_ms())

    def spend(self, org: bytes, amount: int) -> None:
        """Borrow and charge the same amount."""
        self.borrow(org, amount)
        self.charge(org, amount)
