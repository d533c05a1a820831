"""Stage 8. What does it cost? The upstream's count at the prices captured at admission.

The customer never pays for a failed attempt, for more than was set aside and found free, or for
what was not delivered; the rest is the operator's.
"""

from typing import Final

import msgspec

from troth.gateway.estimates import estimated
from troth.gateway.exchange import Ask
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.reserve import Reservation
from troth.gateway.world import World
from troth.kernel.errors import CreditsEnded
from troth.kernel.quantities import NOTHING, Quantities, Uneven, tokens_in, tokens_out
from troth.kernel.stream_errors import ServiceEnded
from troth.kernel.usage_record import ANSWERED, Outcome, UsageSource


class Charge(msgspec.Struct, frozen=True):
    """What one request is charged and what it cost us, in nano-USD, and by whose count."""

    used: Quantities
    source: UsageSource
    charged_nusd: int
    cost_nusd: int
    outcome: Outcome
    tokens: int = 0
    overrun_nusd: int = 0


FAILED: Final = Charge(NOTHING, UsageSource.NONE, 0, 0, Outcome.UPSTREAM_FAILED)


def settle(journey: Journey, world: World) -> Charge:
    """Return the charge of a request that was forwarded; plain calls, nothing can cancel it."""
    flight = journey.flight
    if flight is None or not _was_delivered(flight):
        left = flight is not None and flight.has_client_left
        return Charge(NOTHING, UsageSource.NONE, 0, 0, Outcome.CLIENT_LEFT) if left else FAILED
    ask, reservation = journey.ask, journey.reservation
    if flight.rendering.alarms:
        world.counters.event("odd_answer")
    used, source, tokens = _count(flight, ask, reservation, world)
    outlet = flight.outlet
    called = used
    if outlet.charges_calls:
        used = msgspec.structs.replace(used, requests=1)
        called = msgspec.structs.replace(used, requests=_calls(journey))
    price = outlet.offering.sale.charge(used)
    cost = outlet.offering.cost.charge(called)
    charged = price
    if price > reservation.reserved_nusd:
        world.counters.event("above_reservation")
        charged = world.wallet.cover(journey.raw, price)
    return Charge(used, source, charged, cost, _outcome(flight), tokens, price - charged)


def _calls(journey: Journey) -> int:
    """Return how many calls were answered: a request is one, whatever we make of it upstream."""
    return max(1, sum(each.code == ANSWERED for each in journey.attempts))


def _was_delivered(flight: Flight) -> bool:
    """An answer counts when it is whole, or when the client had some of it or left during it.

    One that its upstream broke off before any content is free, though its stream had begun.
    """
    if flight.is_whole or (flight.has_begun and not flight.is_cut):
        return True
    return (flight.has_client_left or flight.is_cut) and flight.rendering.delivered_bytes > 0


def _outcome(flight: Flight) -> Outcome:
    if flight.has_client_left:
        return Outcome.DRAINED if flight.is_whole else Outcome.CLIENT_LEFT
    if flight.is_cut:
        return _outcome_of_cut(flight)
    return Outcome.LENGTH if flight.rendering.hit_length else Outcome.DONE


def _outcome_of_cut(flight: Flight) -> Outcome:
    if isinstance(flight.error, ServiceEnded):
        return Outcome.SERVICE_ENDED
    has_ended = isinstance(flight.error, CreditsEnded)
    return Outcome.CREDITS_ENDED if has_ended else Outcome.UPSTREAM_CUT


def _count(
    flight: Flight, ask: Ask, reservation: Reservation, world: World
) -> tuple[Quantities, UsageSource, int]:
    """Return the upstream's count where it can be believed, else ours, never above the bound.

    The last of the three is how many tokens that are.
    """
    most_in = reservation.most_input
    most_out = reservation.max_tokens * ask.choices
    reported = flight.rendering.reported
    sent = ask.size.text_bytes + ask.size.tool_bytes
    model = flight.outlet.offering.model.name
    if reported is not None:
        read, written = tokens_in(reported), tokens_out(reported)
        if read <= most_in and written <= most_out:
            if flight.is_whole:
                world.ratios.learn(model, sent, read)
            if isinstance(reported, Uneven):
                world.counters.event("usage_anomaly")
                return reported.evened(), UsageSource.ANOMALY, read + written
            return reported, UsageSource.REPORTED, read + written
        world.counters.event("absurd_usage")
        world.counters.beyond(model, max(read - most_in, written - most_out))
    delivered = flight.rendering.delivered_bytes
    read = min(most_in, max(1, world.ratios.tokens(model, sent) + ask.size.tokens))
    written = min(most_out, max(1, world.ratios.tokens(model, delivered)) if delivered else 0)
    return estimated(read, written), UsageSource.ESTIMATED, read + written
