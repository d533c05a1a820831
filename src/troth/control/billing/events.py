"""Which of the company's notices were acted on: each once, however often it is delivered."""

from typing import Final

from troth.control.billing.terms import MS_OF_DAY
from troth.store.transaction import Transaction

SWEEP_DAYS: Final = 4
KEPT_MS: Final = 30 * MS_OF_DAY


def is_done(tx: Transaction, event: str) -> bool:
    """Tell whether a notice was acted on."""
    return tx.row("SELECT 1 FROM payment_event WHERE id = ?", (event,)) is not None


def note_event(tx: Transaction, event: str, now_ms: int) -> bool:
    """Note a notice in the transaction of its work; False when it was noted before."""
    touched = tx.execute(
        "INSERT INTO payment_event (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (event, now_ms)
    )
    return touched == 1


def forget_events(tx: Transaction, now_ms: int) -> int:
    """Forget notices that no sweep asks about any more; return how many."""
    return tx.execute("DELETE FROM payment_event WHERE at < ?", (now_ms - KEPT_MS,))
