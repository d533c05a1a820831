"""Stage 9. Leave only numbers behind: one usage record, journaled together with its charge."""

from typing import Final

import msgspec

from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.refuse import status_of
from troth.gateway.settle import Charge
from troth.gateway.world import World
from troth.kernel.ids import made_at_ms
from troth.kernel.usage_record import RECORD_BYTES_MAX, Attempt, Outcome, UsageRecord, encode

_MS: Final = 1_000_000
_FAILED: Final = Outcome.UPSTREAM_FAILED
_CLIENT_LEFT: Final = 499
_ROWS: Final = 4
"""Attempts that a record shows one by one: it must fit the room that the journal sets aside."""


def record(journey: Journey, charge: Charge, world: World) -> None:
    """Journal charge and record; from here a kill loses neither."""
    flight = journey.flight
    if flight is None:
        world.wallet.abort(journey.raw)
        return
    if journey.named is not None:
        journey.named.is_forwarded = True
    caller, ask, reservation = journey.caller, journey.ask, journey.reservation
    offering = flight.outlet.offering
    upstream = offering.upstream
    started_ns, attempts = journey.started_ns, journey.attempts
    status = _status(flight, charge)
    now_ns = world.clock.monotonic_ns()
    latency_ms = (now_ns - started_ns) // _MS
    first_byte_ms = ((flight.first_ns or now_ns) - started_ns) // _MS
    row = UsageRecord(
        journey.request_id,
        caller.key.org,
        caller.key.ref,
        ask.endpoint,
        ask.model,
        offering.model.name,
        upstream.provider,
        upstream.id,
        upstream.region,
        offering.sale.id,
        made_at_ms(journey.raw),
        first_byte_ms,
        latency_ms,
        status,
        charge.outcome,
        ask.streamed,
        charge.source,
        charge.used,
        reservation.reserved_nusd,
        charge.charged_nusd,
        charge.cost_nusd,
        reservation.max_tokens if reservation.is_clamped else 0,
        tuple(attempts if len(attempts) <= _ROWS else _summed(attempts)),
        caller.key.project,
    )
    kept = encode(row)
    if len(kept) > RECORD_BYTES_MAX:  # long names, and many attempts
        kept = encode(msgspec.structs.replace(row, attempts=(_in_one(attempts),)))
    world.wallet.settle(journey.raw, charge.charged_nusd, kept, overrun=charge.overrun_nusd)
    counters = world.counters
    counters.request((ask.endpoint, offering.model.name, upstream.provider, status, charge.outcome))
    counters.first_byte.add(first_byte_ms)
    counters.tokens += charge.tokens
    counters.charged_nusd += charge.charged_nusd


def _summed(attempts: list[Attempt]) -> list[Attempt]:
    """Return the first attempts, the rest in a row for each upstream and code, with their time."""
    rest: dict[tuple[str, str], list[int]] = {}
    for each in attempts[_ROWS - 1 :]:
        rest.setdefault((each.upstream, each.code), []).append(each.ms)
    summed = [Attempt(*way, sum(times), len(times)) for way, times in rest.items()]
    return attempts[: _ROWS - 1] + summed


def _in_one(attempts: list[Attempt]) -> Attempt:
    """Return the last attempt with the time and the number of all."""
    last = attempts[-1]
    return Attempt(last.upstream, last.code, sum(each.ms for each in attempts), len(attempts))


def _status(flight: Flight, charge: Charge) -> int:
    """Return the status that the client saw; 499 where it did not stay to see one."""
    if charge.outcome is _FAILED:
        return 500 if flight.error is None else status_of(flight.error)
    return _CLIENT_LEFT if flight.has_client_left else 200
