"""Names that callers gave to requests, for a day: keyed hashes, and which request each stands for.

How a request ended is not written here: its row tells, or the list of orphans. So a name costs one
commit, before its request is forwarded.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from troth.kernel.usage_record import Outcome
from troth.store.transaction import Transaction

KEPT_MS: Final = 24 * 3_600_000
_ANSWERED: Final = frozenset({Outcome.DONE, Outcome.LENGTH, Outcome.DRAINED})


class Claim(msgspec.Struct, frozen=True):
    """A wish to run `request` under the name of `mark`: hashes of organization and name.

    `forms` are hashes of what is asked by the id of their keys; the one of `key` is kept.
    """

    mark: bytes
    request: bytes
    forms: Mapping[bytes, bytes]
    key: bytes


class Free(msgspec.Struct, frozen=True):
    """The name was free, and is the request's now."""


class Running(msgspec.Struct, frozen=True):
    """The name's request has not ended, as far as the books know."""


class Reused(msgspec.Struct, frozen=True):
    """The name is another request's."""


class Charged(msgspec.Struct, frozen=True):
    """The name's request was answered, and charged so many nano-USD."""

    request: bytes
    charged_nusd: int


class _Row(msgspec.Struct, frozen=True, array_like=True):
    form_key: bytes
    form: bytes
    request: bytes


def claim(tx: Transaction, wish: Claim, now_ms: int) -> Free | Running | Reused | Charged:
    """Take a name, unless its request runs, was answered, or was another one.

    A request that failed and was not charged may run again. What was hashed with a key that is
    gone cannot be compared: then only how it ended counts.
    """
    values = (wish.mark, wish.key, wish.forms[wish.key], wish.request, now_ms)
    tx.execute("DELETE FROM request_name WHERE mark = ? AND at <= ?", (wish.mark, now_ms - KEPT_MS))
    is_new = tx.execute(
        "INSERT INTO request_name (mark, form_key, form, request, at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        values,
    )
    if is_new:
        return Free()
    row = tx.row(
        "SELECT form_key, form, request FROM request_name WHERE mark = ? {lock}",
        (wish.mark,),
        _Row,
    )
    if row is None:
        return Running()  # it was given back in this moment
    if wish.forms.get(row.form_key, row.form) != row.form:
        return Reused()
    ended = _ended(tx, row.request)
    if isinstance(ended, Free):
        tx.execute(
            "UPDATE request_name SET form_key = ?, form = ?, request = ?, at = ? WHERE mark = ?",
            (*values[1:], wish.mark),
        )
    return ended


def _ended(tx: Transaction, request: bytes) -> Free | Running | Charged:
    """Return how a request ended."""
    found = tx.row(
        "SELECT charged, outcome FROM usage WHERE request = ?", (request,), tuple[int, str]
    )
    if found is not None:
        charged, outcome = found
        return Charged(request, charged) if charged or outcome in _ANSWERED else Free()
    lost = tx.number("SELECT count(*) FROM orphan WHERE reservation = ?", (request,))
    return Free() if lost else Running()


def give_back(tx: Transaction, mark: bytes, request: bytes) -> None:
    """Forget a name under which nothing was forwarded, if it still is this request's."""
    tx.execute("DELETE FROM request_name WHERE mark = ? AND request = ?", (mark, request))


def forget_names(tx: Transaction, now_ms: int) -> int:
    """Drop what is older than a day; return how much."""
    return tx.execute("DELETE FROM request_name WHERE at <= ?", (now_ms - KEPT_MS,))
