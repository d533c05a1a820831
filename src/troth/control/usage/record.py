"""Usage records become rows and roll-ups, in the transaction that posts their charges."""

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Final

import msgspec

from troth.kernel import ids
from troth.kernel.errors import invariant
from troth.kernel.quantities import Quantities, tokens_in, tokens_out
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord
from troth.store.transaction import Row, Transaction

MS_OF_HOUR: Final = 3_600_000
HOURS_OF_DAY: Final = 24
MS_OF_DAY: Final = HOURS_OF_DAY * MS_OF_HOUR
_DELIVERED: Final = frozenset({Outcome.DONE, Outcome.LENGTH, Outcome.CLIENT_LEFT})
_ENCODER: Final = msgspec.json.Encoder()

_USAGE: Final = """
INSERT INTO usage (request, org, api_key, project, endpoint, model_asked, model_served, provider,
  upstream, region, price_set, started_at, first_byte_ms, latency_ms, status, outcome, streamed,
  usage_source, quantities, reserved, charged, cost, clamped, attempts, desk, batch, place)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ROLLUP: Final = """
INSERT INTO rollup_hour (hour, org, api_key, model, count, failed, tokens_in, tokens_cached,
  tokens_out, images, audio_ms, characters, charged, cost)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hour, org, api_key, model) DO UPDATE SET
  count = rollup_hour.count + excluded.count,
  failed = rollup_hour.failed + excluded.failed,
  tokens_in = rollup_hour.tokens_in + excluded.tokens_in,
  tokens_cached = rollup_hour.tokens_cached + excluded.tokens_cached,
  tokens_out = rollup_hour.tokens_out + excluded.tokens_out,
  images = rollup_hour.images + excluded.images,
  audio_ms = rollup_hour.audio_ms + excluded.audio_ms,
  characters = rollup_hour.characters + excluded.characters,
  charged = rollup_hour.charged + excluded.charged,
  cost = rollup_hour.cost + excluded.cost"""


_SUPPLY: Final = """
INSERT INTO rollup_supply (day, provider, upstream, model, usage_source, count, tokens_in,
  tokens_out, charged, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (day, provider, upstream, model, usage_source) DO UPDATE SET
  count = rollup_supply.count + excluded.count,
  tokens_in = rollup_supply.tokens_in + excluded.tokens_in,
  tokens_out = rollup_supply.tokens_out + excluded.tokens_out,
  charged = rollup_supply.charged + excluded.charged,
  cost = rollup_supply.cost + excluded.cost"""


class ShownQuantities(Quantities, frozen=True, omit_defaults=True):
    """The vector as it is kept and shown: classes that were not used are left out."""


class ShownAttempt(msgspec.Struct, frozen=True):
    """An attempt, or `count` that went alike, with its names, as it is kept and shown."""

    upstream: str
    code: str
    ms: int
    count: int = 1


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a charge stands: the day it was posted on, and its place in the chain of a desk."""

    day: int
    desk: int
    batch: int
    place: int


_Cell = tuple[int, bytes, bytes, str]
_Sums = tuple[int, ...]


def write(
    transaction: Transaction, records: Sequence[UsageRecord], places: Sequence[Place] | None = None
) -> None:
    """Write the rows and roll-ups of requests that were not written before.

    An hour belongs to the day its charges were posted on: what was begun before midnight and posted
    after it counts in the new day's first hour, so that the hours of a day sum to its close.
    Without `places` each counts where it began, and is in no batch.
    """
    if not records:
        return
    if places is None:
        places = [Place(each.started_at_ms // MS_OF_DAY, 0, 0, 0) for each in records]
    both = list(zip(records, places, strict=True))
    raws = {org: _raw("org", org) for org in {each.org for each in records}}
    raws |= {key: _raw("key", key) for key in {each.key for each in records}}
    transaction.insert(_USAGE, [_row(record, place, raws) for record, place in both])
    sums: dict[_Cell, _Sums] = {}
    supplied: dict[tuple[int, str, str, str, str], _Sums] = {}
    for record, place in both:
        cell = (
            _hour(record, place.day),
            raws[record.org],
            raws[record.key],
            record.model_served,
        )
        added = _summed(record)
        before = sums.get(cell)
        sums[cell] = tuple(map(add, before, added)) if before else added
        source = _supplied(record)
        before = supplied.get(source)
        supplied[source] = tuple(map(add, before, added)) if before else added
    transaction.insert(_ROLLUP, [(*cell, *values) for cell, values in sums.items()])
    rows = [
        (*cell, each[0], each[2], each[4], each[8], each[9])
        for cell, each in sorted(supplied.items())
    ]
    transaction.insert(_SUPPLY, rows)


def _supplied(record: UsageRecord) -> tuple[int, str, str, str, str]:
    """Return where a request counts for its provider: by the day it began, as providers do."""
    return (
        record.started_at_ms // MS_OF_DAY,
        record.provider,
        record.upstream,
        record.model_served,
        record.usage_source.value,
    )


def _hour(record: UsageRecord, day: int) -> int:
    first = day * HOURS_OF_DAY
    return min(max(record.started_at_ms // MS_OF_HOUR, first), first + HOURS_OF_DAY - 1)


def _raw(kind: ids.Kind, reference: str) -> bytes:
    raw = ids.raw_of(kind, reference)
    invariant(raw is not None, "a usage record names its request, organization and key")
    return raw or b""


def _summed(record: UsageRecord) -> _Sums:
    used = record.quantities
    return (
        1,
        int(record.outcome not in _DELIVERED),
        tokens_in(used),
        used.cache_read,
        tokens_out(used),
        used.images,
        used.audio_ms,
        used.characters,
        record.charged_nusd,
        record.cost_nusd,
    )


def _row(record: UsageRecord, place: Place, raws: Mapping[str, bytes]) -> Row:
    return (
        _raw("req", record.request),
        raws[record.org],
        raws[record.key],
        record.project,
        record.endpoint,
        record.model_asked,
        record.model_served,
        record.provider,
        record.upstream,
        record.region,
        record.price_set,
        record.started_at_ms,
        record.first_byte_ms,
        record.latency_ms,
        record.status,
        str(record.outcome),
        int(record.streamed),
        str(record.usage_source),
        _ENCODER.encode(_shown(record.quantities)).decode(),
        record.reserved_nusd,
        record.charged_nusd,
        record.cost_nusd,
        record.max_tokens_clamped,
        _ENCODER.encode(_attempts(record.attempts)).decode(),
        place.desk,
        place.batch,
        place.place,
    )


def _shown(used: Quantities) -> ShownQuantities:
    return ShownQuantities(*msgspec.structs.astuple(used))


def _attempts(attempts: Iterable[Attempt]) -> list[ShownAttempt]:
    return [ShownAttempt(each.upstream, each.code, each.ms, each.count) for each in attempts]
