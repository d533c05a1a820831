"""The end of credit whose time is over: what is left of it leaves the wallet."""

from typing import Final

from troth.ledger import books
from troth.ledger.books import Kind, LotKind, Take
from troth.store.transaction import Transaction

_LOTS_A_CALL: Final = 1_000
_BOOK_LETTERS: Final = 1


def expire(tx: Transaction, desk: int, now_ms: int) -> int:
    """Let credit end whose time is over; return how much did, in nano-USD.

    What is lent stays until its request ends: call it again and again. A call looks at a
    thousand lots.
    """
    ended = tx.rows(
        "SELECT id, book, kind, returned, granted - spent - returned FROM lot"
        " WHERE expires_at <= ? AND is_open = 1 ORDER BY book, id LIMIT ?",
        (now_ms, _LOTS_A_CALL),
        tuple[bytes, bytes, str, int, int],
    )
    gone = 0
    for lot, book, kind, returned, rest in ended:
        move = Kind.BREAKAGE if LotKind(kind) is LotKind.PAID else Kind.EXPIRY
        key = f"{lot.hex()} {returned} {now_ms}"
        gone += books.take(tx, Take(move, key, book[_BOOK_LETTERS:], lot, rest), desk, now_ms)
    return gone
