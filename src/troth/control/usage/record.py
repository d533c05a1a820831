"""Usage records become rows and roll-ups, in the transaction that posts their charges."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from troth.kernel import ids
from troth.kernel.errors import invariant
from troth.kernel.quantities import tokens_in, tokens_out
from troth.kernel.usage_record import Attempt, Outcome, UsageRecord
from troth.store.transaction import Row, Transaction

MS_OF_HOUR: Final = 3_600_000
HOURS_OF_DAY: Final = 24
MS_OF_DAY: Final = HOURS_OF_DAY * MS_OF_HOUR
_DELIVERED: Final = frozenset({Outcome.DONE, Outcome.LENGTH, Outcome.CLIENT_LEFT, Outcome.DRAINED})
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


_Sums = tuple[int, ...]
"""Count, tokens in, cached and out, images, milliseconds of sound, characters, charged, cost."""


_Group = tuple[int, int, bytes, bytes, str, str, str, str, str]
"""Hour begun in, day posted on, organization, key, model, provider, upstream, source, outcome.

What the requests of a batch are summed by: a batch has few of these.
"""


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
    raws = {org: _raw("org", org) for org in {each.org for each in records}}
    raws |= {key: _raw("key", key) for key in {each.key for each in records}}
    rows: list[Row] = []
    groups: defaultdict[_Group, list[_Sums]] = defaultdict(list)
    for record, place in zip(records, places, strict=True):
        org, key = raws[record.org], raws[record.key]
        rows.append(_row(record, place, (org, key)))
        group = (
            record.started_at_ms // MS_OF_HOUR,
            place.day,
            org,
            key,
            record.model_served,
            record.provider,
            record.upstream,
            str(record.usage_source),
            record.outcome,
        )
        groups[group].append(_summed(record))
    transaction.insert(_USAGE, rows)
    _roll_up(transaction, {group: _total(sums) for group, sums in groups.items()})


def _roll_up(transaction: Transaction, groups: Mapping[_Group, _Sums]) -> None:
    """Add a batch to its hours, and to its providers' days: those in which its requests began."""
    hours: dict[tuple[int, bytes, bytes, str], list[_Sums]] = {}
    days: dict[tuple[int, str, str, str, str], list[_Sums]] = {}
    for group, sums in groups.items():
        began_hour, posted_day, org, key, model, provider, upstream, source, outcome = group
        count = sums[0]
        failed = 0 if outcome in _DELIVERED else count
        cell = (_hour(began_hour, posted_day), org, key, model)
        hours.setdefault(cell, []).append((count, failed, *sums[1:]))
        day = (began_hour // HOURS_OF_DAY, provider, upstream, model, source)
        days.setdefault(day, []).append((count, sums[1], sums[3], sums[7], sums[8]))
    transaction.insert(_ROLLUP, [(*cell, *_total(added)) for cell, added in hours.items()])
    transaction.insert(_SUPPLY, [(*day, *_total(added)) for day, added in sorted(days.items())])


def _total(rows: list[_Sums]) -> _Sums:
    return tuple(map(sum, zip(*rows, strict=True)))


def _hour(began_hour: int, posted_day: int) -> int:
    first = posted_day * HOURS_OF_DAY
    return min(max(began_hour, first), first + HOURS_OF_DAY - 1)


def _raw(kind: ids.Kind, reference: str) -> bytes:
    raw = ids.raw_of(kind, reference)
    invariant(raw is not None, "a usage record names its request, organization and key")
    return raw or b""


def _summed(record: UsageRecord) -> _Sums:
    used = record.quantities
    return (
        1,
        tokens_in(used),
        used.cache_read,
        tokens_out(used),
        used.images,
        used.audio_ms,
        used.characters,
        record.charged_nusd,
        record.cost_nusd,
    )


def _row(record: UsageRecord, place: Place, owner: tuple[bytes, bytes]) -> Row:
    return (
        _raw("req", record.request),
        *owner,
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
        _ENCODER.encode(record.quantities).decode(),
        record.reserved_nusd,
        record.charged_nusd,
        record.cost_nusd,
        record.max_tokens_clamped,
        _ENCODER.encode(_attempts(record.attempts)).decode(),
        place.desk,
        place.batch,
        place.place,
    )


def _attempts(attempts: Iterable[Attempt]) -> list[ShownAttempt]:
    return [ShownAttempt(each.upstream, each.code, each.ms, each.count) for each in attempts]
