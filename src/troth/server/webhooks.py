"""Webhooks of the payment company: verified, acted on, and answered when that is committed."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final

from troth.control.billing.ports import Envelope
from troth.kernel.content import Content
from troth.kernel.errors import TrothError
from troth.kernel.log import Log
from troth.kernel.payment_errors import BadSignature
from troth.server.faults import where
from troth.server.log_lines import WebhookFailed
from troth.server.office import Office
from troth.server.payments import incoming
from troth.store.transaction import Conflict, Locked

_OK: Final = 200
_BAD: Final = 400
_LATER: Final = 503
_THREADS: Final = 2
_WAITING_MAX: Final = 256
_MS: Final = 1_000


class Webhooks:
    """Takes webhooks in threads of their own: a call to the company never stops the port."""

    def __init__(
        self, office: Office, envelope: Envelope, log: Log, room: int = _WAITING_MAX
    ) -> None:
        """`room` is how many may wait; more are asked for again."""
        self._office = office
        self._envelope = envelope
        self._log = log
        self._room = BoundedSemaphore(room)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhooks")

    def submit(self, body: Content, signature: bytes) -> Future[int]:
        """Return the status to answer with, once the work is done."""
        if not self._room.acquire(blocking=False):
            later: Future[int] = Future()
            later.set_result(_LATER)
            return later
        work = self._pool.submit(self.take, body.open(), signature)
        work.add_done_callback(lambda _: self._room.release())
        return work

    def take(self, body: bytes, signature: bytes) -> int:
        """Act on a webhook; return 200, 400 for one that is not sealed, 503 to get it again."""
        now_s = self._office.clock.now_ms() // _MS
        try:
            notice = self._envelope.open(body, signature.decode("latin-1"), now_s)
            incoming.handle(self._office, notice)
        except BadSignature:
            return _BAD
        except (TrothError, Locked, Conflict) as error:
            found = where(error, error.__traceback__)
            self._log.write(WebhookFailed(found.plane, found.line))
            return _LATER
        return _OK

    def stop(self) -> None:
        """End when what has begun is done."""
        self._pool.shutdown(cancel_futures=True)


def webhooks(office: Office, log: Log) -> Webhooks | None:
    """Return what takes webhooks, None without a secret to verify them with: then no route."""
    cashier = office.cashier
    if cashier is None or cashier.envelope is None:
        return None
    return Webhooks(office, cashier.envelope, log)
