"""Deeds by their callers' names, kept for a day: keyed hashes, and references of what was made.

A deed is claimed in the transaction that does it: what fails is not kept and may be asked for
again, and of two who ask at once the second waits for the first. The name is hashed, for nobody
knows what a caller puts into it; the form, which tells one wish from another, is hashed as well.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from troth.kernel.payment_errors import KeyReused
from troth.kernel.sealer import Sealer
from troth.store.transaction import Transaction

KEPT_MS: Final = 24 * 3_600_000


class Once(msgspec.Struct, frozen=True):
    """A caller's name for a deed, and all that was asked for; an empty name is none."""

    key: str = ""
    form: str = ""


NEVER: Final = Once()
"""Of who gave no name: each time is another deed."""


def known(tx: Transaction, sealer: Sealer, once: Once, whose: str) -> list[str] | None:
    """Return what a deed made, if it was done; None for one that was not.

    Raises:
        KeyReused: the name was given to something else.
    """
    if not once.key:
        return None
    row = tx.row(
        "SELECT form, made FROM deed WHERE mark = ?",
        (_mark(sealer, once, whose),),
        tuple[bytes, str],
    )
    if row is None:
        return None
    if row[0] != _form(sealer, once):
        raise KeyReused("idempotency-key")
    return row[1].split()


def claim(
    tx: Transaction, sealer: Sealer, once: Once, whose: str, *, now_ms: int
) -> list[str] | None:
    """Begin a deed, and say with `note` what it made; if it was done, return that instead.

    Raises:
        KeyReused: the name was given to something else.
    """
    if once.key:
        values = (_mark(sealer, once, whose), _form(sealer, once), now_ms)
        tx.execute("DELETE FROM deed WHERE mark = ? AND at <= ?", (values[0], now_ms - KEPT_MS))
        is_new = tx.execute(
            "INSERT INTO deed (mark, form, made, at) VALUES (?, ?, '', ?) ON CONFLICT DO NOTHING",
            values,
        )
        if not is_new:
            return known(tx, sealer, once, whose)
    return None


def note(tx: Transaction, sealer: Sealer, once: Once, whose: str, *, made: Sequence[str]) -> None:
    """Keep what a deed made, in the transaction that claimed it."""
    if once.key:
        tx.execute(
            "UPDATE deed SET made = ? WHERE mark = ?",
            (" ".join(made), _mark(sealer, once, whose)),
        )


def forget(tx: Transaction, now_ms: int) -> int:
    """Drop what is older than a day; return how much."""
    return tx.execute("DELETE FROM deed WHERE at <= ?", (now_ms - KEPT_MS,))


def _mark(sealer: Sealer, once: Once, whose: str) -> bytes:
    return sealer.mark(f"deed {whose} {once.key}")


def _form(sealer: Sealer, once: Once) -> bytes:
    return sealer.mark(f"form {once.form}")
