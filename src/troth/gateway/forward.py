"""Stage 6. Call the upstream; retries and fallback stand here, before the first byte only."""

from typing import Final

from troth.catalog.offering import Offering
from troth.gateway.dialects import compose, rendering
from troth.gateway.flight import Flight
from troth.gateway.journey import Journey
from troth.gateway.outlet import Outlet
from troth.gateway.route import Choice
from troth.gateway.world import World
from troth.kernel.errors import Overloaded, RateLimited, TrothError
from troth.kernel.usage_record import ANSWERED, Attempt
from troth.providers import PROVIDER, is_retriable, refuses_us, retry_after_ms
from troth.wire import Arrival, ClientLeft

_JITTER_FROM_MS: Final = 50
_JITTER_SPAN_MS: Final = 201
_PATIENCE_MS: Final = 2_000
_REFUSED_REST_NS: Final = 60_000_000_000
_MS: Final = 1_000_000


async def forward(journey: Journey, arrival: Arrival, world: World) -> Flight:
    """Return the flight whose first valid event or whole answer is here, or whose client left.

    Raises:
        UpstreamFailed, RateLimited, BadRequest, Overloaded: the last attempt's failure, in our
        words; nothing of the answer went out, nothing is charged.
        ClientLeft: the client hung up before any answer.
    """
    last: TrothError | None = None
    for number, offering in enumerate(_plan(journey.choice, world.limits.attempts)):
        if arrival.client_left:
            raise ClientLeft
        now_ns = world.clock.monotonic_ns()
        outlet = world.outlets.of(offering)
        if not outlet.breaker.allows(now_ns):
            continue
        if last is not None and not await _may_retry(number, last, journey, world):
            break
        flight = _depart(outlet, journey, world)
        arrival.on_client_left(flight.client_left)
        await flight.ready
        _note(flight, journey, now_ns, world)
        last = flight.error
        if last is None:
            return flight
        if not is_retriable(last):
            break
    raise last if last is not None else _resting(journey.choice, world)


def _plan(choice: Choice, attempts: int) -> tuple[Offering, ...]:
    """Each candidate in turn, then the first once more."""
    candidates = choice.candidates
    return (*candidates[: attempts - 1], candidates[0]) if attempts > 1 else candidates[:1]


def _depart(outlet: Outlet, journey: Journey, world: World) -> Flight:
    """Build the upstream request from nothing and send it."""
    ask = journey.ask
    offering = outlet.offering
    max_tokens = journey.reservation.max_tokens
    request = compose(ask, outlet, max_tokens or None)
    shown = rendering(ask, offering, journey.raw)
    if not journey.attempts:
        outlet.budget.called()
    flight = journey.flight = Flight(shown, outlet, ask, max_tokens=max_tokens, limits=world.limits)
    deadlines = outlet.streamed if ask.streamed else outlet.buffered
    flight.call = world.upstreams.send(offering.upstream, request, flight, deadlines)
    return flight


async def _may_retry(number: int, last: TrothError, journey: Journey, world: World) -> bool:
    """Spend the retry budget; before the same offering again, wait as asked or with jitter."""
    candidates = journey.choice.candidates
    budget = world.outlets.of(candidates[number % len(candidates)]).budget
    if not budget.draw(world.clock.monotonic_ns()):
        return False
    if number < len(candidates):
        return True
    asked = retry_after_ms(last)
    if asked > _PATIENCE_MS:
        return False
    jitter = int.from_bytes(world.entropy(2), "big") % _JITTER_SPAN_MS
    await world.pause(asked + _JITTER_FROM_MS + jitter)
    return True


def _note(flight: Flight, journey: Journey, began_ns: int, world: World) -> None:
    """Tell breaker, counters and receipt how the attempt went."""
    flight.first_ns = now_ns = world.clock.monotonic_ns()
    outlet = flight.outlet
    error = flight.error
    code = ANSWERED if error is None else error.code
    upstream = outlet.offering.upstream.id
    journey.attempts.append(Attempt(upstream, code, (now_ns - began_ns) // _MS))
    breaker = outlet.breaker
    if error is None:
        if not flight.has_client_left:
            breaker.succeeded()
        if world.counters.refusing:
            world.counters.refusing.discard((upstream, outlet.offering.model.name))
    elif refuses_us(error):
        breaker.rests(now_ns, _REFUSED_REST_NS)
        world.counters.event("credential_refused")
        world.counters.refusing.add((upstream, outlet.offering.model.name))
    elif isinstance(error, RateLimited):
        breaker.rests(now_ns, retry_after_ms(error) * _MS, is_limited=True)
    elif is_retriable(error):
        breaker.failed(now_ns)


def _resting(choice: Choice, world: World) -> Overloaded | RateLimited:
    """Return the refusal when every offering cools down, with the soonest probe's time."""
    breakers = [world.outlets.of(one).breaker for one in choice.candidates]
    soonest_ns = min(breaker.retry_at_ns() for breaker in breakers)
    wait_ms = max(1_000, (soonest_ns - world.clock.monotonic_ns()) // _MS)
    if all(breaker.is_limited for breaker in breakers):
        return RateLimited(PROVIDER, wait_ms)
    return Overloaded(wait_ms)
