"""Stage 8. What does it cost? The upstream's count at the prices captured at admission.

The customer never pays for a failed attempt, for more than was set aside and found free, or for
what was not delivered; the rest is the operator's.
"""

from typing import Final

import msgspec

from troth.catalog.price import Sheet
from troth.gateway.estimates import LONGEST_TOKEN
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.world import World
from troth.kernel.errors import CreditsEnded
from troth.kernel.quantities import (
    NOTHING,
    InputOnly,
    OutputOnly,
    Quantities,
    Uneven,
    joined,
    tokens_in,
    tokens_out,
)
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


_DONE: Final = Outcome.DONE
_REPORTED: Final = UsageSource.REPORTED
FAILED: Final = Charge(NOTHING, UsageSource.NONE, 0, 0, Outcome.UPSTREAM_FAILED)


def settle(journey: Journey, world: World) -> Charge:
    """Return the charge of a request that was forwarded; plain calls, nothing can cancel it."""
    flight = journey.flight
    if flight is None or not _was_delivered(flight):
        left = flight is not None and flight.has_client_left
        return Charge(NOTHING, UsageSource.NONE, 0, 0, Outcome.CLIENT_LEFT) if left else FAILED
    reservation = journey.reservation
    if flight.rendering.alarms:
        world.counters.event("odd_answer")
    used, source, tokens = _count(flight, journey, world)
    outlet = flight.outlet
    called = used
    if _is_given_away(used, outlet.offering.sale):
        world.counters.event("unpriced_usage")
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


def _is_given_away(used: Quantities, sale: Sheet) -> bool:
    """Tell whether an answer brought a class that has no price and falls back on none."""
    heard, spoken = used.input_audio, used.output_audio
    return bool(
        (heard and not sale.is_priced("input_audio"))
        or (spoken and not sale.is_priced("output_audio"))
    )


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
    return Outcome.LENGTH if flight.rendering.hit_length else _DONE


def _outcome_of_cut(flight: Flight) -> Outcome:
    if isinstance(flight.error, ServiceEnded):
        return Outcome.SERVICE_ENDED
    has_ended = isinstance(flight.error, CreditsEnded)
    return Outcome.CREDITS_ENDED if has_ended else Outcome.UPSTREAM_CUT


def _count(flight: Flight, journey: Journey, world: World) -> tuple[Quantities, UsageSource, int]:
    """Return each side as the upstream counted it where that can be believed, else as we estimate.

    An estimate is never above the bound. The last of the three is how many tokens that are.
    """
    ask, reservation = journey.ask, journey.reservation
    size, told = ask.size, flight.rendering.reported
    model = flight.outlet.offering.model.name
    sent = size.text_bytes + size.tool_bytes
    given = made = None
    if told is not None:
        read, written = tokens_in(told), tokens_out(told)
        given, made = _believed(told, flight, journey, world, counts=(read, written))
        if given and made:
            if flight.is_whole and not (size.images or size.files or size.audio_bytes):
                world.ratios.learn(model, sent, read)
            tokens = read + written
            if isinstance(told, Uneven):
                world.counters.event("usage_anomaly")
                return joined(told, told), UsageSource.ANOMALY, tokens
            return told, _REPORTED, tokens
    if given is None:
        read = max(1, world.ratios.tokens(model, sent) + size.tokens)
        given = Quantities(input=min(reservation.most_input, read))
    if made is None:
        delivered = flight.rendering.delivered_bytes
        written = max(1, world.ratios.tokens(model, delivered)) if delivered else 0
        made = Quantities(output=min(reservation.max_tokens * ask.choices, written))
    return joined(given, made), UsageSource.ESTIMATED, tokens_in(given) + tokens_out(made)


def _believed(
    told: Quantities, flight: Flight, journey: Journey, world: World, *, counts: tuple[int, int]
) -> tuple[Quantities | None, Quantities | None]:
    """Return what was told as input and as output, None for a side that is absent or absurd.

    `counts` are its tokens in and out.

    Above the bound is absurd, and so are no tokens for words that were sent, or fewer tokens than
    the words that were delivered can be.
    """
    ask, reservation = journey.ask, journey.reservation
    read, written = counts
    most_out = reservation.max_tokens * ask.choices
    beyond = max(read - reservation.most_input, written - most_out)
    is_sent = ask.size.text_bytes or ask.size.tokens
    is_short = most_out and written * LONGEST_TOKEN < flight.rendering.delivered_bytes
    has_input = not isinstance(told, OutputOnly)
    has_output = not isinstance(told, InputOnly)
    given = has_input and read <= reservation.most_input and bool(read or not is_sent)
    made = has_output and written <= most_out and not is_short
    if (given, made) != (has_input, has_output):
        world.counters.event("absurd_usage")
    if beyond > 0:
        world.counters.beyond(flight.outlet.offering.model.name, beyond)
    return told if given else None, told if made else None
