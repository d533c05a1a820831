"""What customers were charged too much, where a provider's bill shows an estimate to be too high.

Only requests whose counts no provider stood behind are looked at: each gets back its share of what
the estimate was too high by, never more than was charged for it. It goes back as credit like that
which paid: bought or given, with the same end.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from troth.kernel import ids
from troth.ledger import books
from troth.ledger.books import LotKind
from troth.store.transaction import Transaction

_MS_OF_DAY: Final = 86_400_000
_TIME_BYTES: Final = 6
_ESTIMATED: Final = """
SELECT request, org, charged, cost, desk, batch, CAST(coalesce((SELECT sum(p.amount)
  FROM correction_part AS p WHERE p.request = usage.request), 0) AS bigint)
FROM usage WHERE request >= ? AND request < ? AND started_at >= ? AND started_at < ?
  AND (provider = ? OR upstream = ?) AND model_served = ? AND usage_source <> 'reported'
ORDER BY request"""
_CHARGES: Final = """
SELECT charge.lot, charge.amount, lot.kind, coalesce(lot.expires_at, 0) FROM charge
JOIN lot ON lot.id = charge.lot
WHERE charge.desk = ? AND charge.batch = ? AND charge.dr = ? ORDER BY charge.n DESC"""


class Scope(msgspec.Struct, frozen=True):
    """Whose requests: a model's at a provider or an upstream, over days since 1970."""

    provider: str
    model: str
    first: int
    last: int


class Share(msgspec.Struct, frozen=True):
    """What goes back for one request, to credit like that of the lot which paid for it.

    `ends_at_ms` is 0 for credit that does not end; a `lot` of None is not known any more.
    """

    request: bytes
    org: bytes
    lot: bytes | None
    kind: LotKind
    ends_at_ms: int
    amount: int


class _Request(msgspec.Struct, frozen=True, array_like=True, gc=False):
    id: bytes
    org: bytes
    charged: int
    cost: int
    desk: int
    batch: int
    corrected: int


class _Paid(msgspec.Struct, array_like=True):
    lot: bytes
    left: int
    kind: LotKind
    ends_at_ms: int


def shares(tx: Transaction, scope: Scope, too_high: int, now_ms: int) -> list[Share]:
    """Return what goes back where the cost of a scope's estimates was `too_high` by so much.

    Of gifts that have ended nothing does: what had not been charged would have ended with them.
    """
    requests = _requests(tx, scope)
    estimated = sum(each.cost for each in requests)
    cut = min(too_high, estimated)
    paid: dict[tuple[int, int, bytes], list[_Paid]] = {}
    found: list[Share] = []
    for each in requests if cut > 0 else ():
        wanted = min(each.charged - each.corrected, -(-each.charged * cut // estimated))
        place = (each.desk, each.batch, books.wallet_purse(each.org))
        if place not in paid:
            paid[place] = tx.rows(_CHARGES, place, _Paid)
        found += _from(each, paid[place], wanted)
    return [each for each in found if not 0 < each.ends_at_ms <= now_ms]


def _requests(tx: Transaction, scope: Scope) -> Sequence[_Request]:
    first_ms, end_ms = scope.first * _MS_OF_DAY, (scope.last + 1) * _MS_OF_DAY
    bounds = (_first_id(first_ms - _MS_OF_DAY), _first_id(end_ms + _MS_OF_DAY))
    whose = (scope.provider, scope.provider, scope.model)
    return tx.rows(_ESTIMATED, (*bounds, first_ms, end_ms, *whose), _Request)


def _first_id(at_ms: int) -> bytes:
    """Return the least id of a request that was made then: an id begins with its time."""
    return max(at_ms, 0).to_bytes(_TIME_BYTES, "big") + bytes(ids.RAW_BYTES - _TIME_BYTES)


def _from(request: _Request, paid: Iterable[_Paid], wanted: int) -> list[Share]:
    """Spread a request's share over what paid its batch, the last first: bought before given."""
    found = []
    for each in paid:
        part = min(each.left, wanted)
        if part > 0:
            each.left -= part
            wanted -= part
            found.append(Share(request.id, request.org, each.lot, each.kind, each.ends_at_ms, part))
    if wanted > 0:
        found.append(Share(request.id, request.org, None, LotKind.PAID, 0, wanted))
    return found
