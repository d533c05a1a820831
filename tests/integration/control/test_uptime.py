"""Uptime: what is noted of minutes, what a month sums to, what is announced, what is owed."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.builders.posted_world import PostedWorld, ask
from troth.control import accounts, audit, availability, billing, promotions, usage
from troth.control.audit import Actor
from troth.control.availability import State, Sum, Terms
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Missing
from troth.server import uptime_credits
from troth.server.day_duties import close_days
from troth.server.handover import AlertTerms, AvailabilityTerms
from troth.server.metrics import Pulse
from troth.server.office import Office
from troth.server.status_page import StatusPage
from troth.server.uptime_meter import UptimeMeter
from troth.store import engine
from troth.store.transaction import Locked, Transaction

MINUTE = 60_000
LOOK = 20_000
HOUR = 60 * MINUTE
MS_OF_DAY = 24 * HOUR
EXCLUDED = Terms(is_maintenance_excluded=True)
COUNTS = Terms()
CHARGE = 1_000_000


class Gateways:
    """What gateways say of themselves; `is_ready` and `fails` are as somebody sets them."""

    def __init__(self) -> None:
        self.is_ready = True
        self.fails = False
        self.calls_a_look = 5
        self._beats = 0
        self._calls = (0, 0)

    def pulse(self) -> Pulse:
        self._beats += self.is_ready
        whole, failed = self._calls
        self._calls = (whole + self.calls_a_look, failed + self.calls_a_look * self.fails)
        return Pulse(self._beats, {"chat": self._calls})


class LockedStore:
    """A store that nobody can write to for a while."""

    def __init__(self, store: engine.Store) -> None:
        self.read = store.read

    def write(self) -> AbstractContextManager[Transaction]:
        raise Locked


@pytest.fixture
def world(office: Office, clock: ManualClock, tmp_path: Path) -> Iterator[PostedWorld]:
    world = PostedWorld(office.store, tmp_path)
    world.clock = clock
    yield world
    for gateway in world.gateways.values():
        gateway.journal.close()


@pytest.fixture
def gateways() -> Gateways:
    return Gateways()


def to_day(clock: ManualClock) -> int:
    """Go to the beginning of a day."""
    clock.advance(MS_OF_DAY - clock.now_ms() % MS_OF_DAY)
    return clock.now_ms() // MS_OF_DAY


def measure(meter: UptimeMeter, office: Office, clock: ManualClock, minutes: int) -> None:
    for _ in range(minutes * MINUTE // LOOK):
        meter.turn(office)
        clock.advance(LOOK)


def of_day(office: Office, day: int, terms: Terms = COUNTS, minutes: int = 1_440) -> Sum:
    """Return the sum of a day of which so many minutes are over and written."""
    now_ms = day * MS_OF_DAY + (minutes + 2) * MINUTE
    with office.store.read() as tx:
        return availability.by_day(tx, (day, day + 1), terms, now_ms)[day]


def note(office: Office, day: int, away: Sequence[int], minutes: int = 1_440) -> None:
    """Note a whole day of one endpoint, but for some minutes."""
    start = day * 1_440
    up = [(start + at, "chat", State.UP) for at in range(minutes) if at not in away]
    with office.store.write() as tx:
        availability.note(tx, up)


def test_a_minute_in_which_a_gateway_was_ready_is_up(
    office: Office, clock: ManualClock, gateways: Gateways
) -> None:
    day = to_day(clock)
    meter = UptimeMeter(gateways.pulse)
    measure(meter, office, clock, 10)
    gateways.is_ready = False
    measure(meter, office, clock, 4)
    clock.advance(MS_OF_DAY)  # nobody looks at all
    found = of_day(office, day)
    assert found.observed_ms == MS_OF_DAY
    assert found.down_ms == (1_440 - 10) * MINUTE
    assert of_day(office, day + 1).percent == "0.0000"


def test_one_look_of_three_is_enough(
    office: Office, clock: ManualClock, gateways: Gateways
) -> None:
    day = to_day(clock)
    meter = UptimeMeter(gateways.pulse)
    for _ in range(5):
        gateways.is_ready = False
        meter.turn(office)
        clock.advance(LOOK)
        meter.turn(office)
        clock.advance(LOOK)
        gateways.is_ready = True
        meter.turn(office)
        clock.advance(LOOK)
    assert MS_OF_DAY - of_day(office, day).down_ms == 5 * MINUTE


@pytest.mark.parametrize(("calls_a_look", "down"), [(5, 3), (3, 0)])
def test_calls_that_failed_upstream_count_and_few_calls_do_not(
    office: Office, clock: ManualClock, gateways: Gateways, *, calls_a_look: int, down: int
) -> None:
    day = to_day(clock)
    gateways.calls_a_look = calls_a_look
    meter = UptimeMeter(gateways.pulse)
    measure(meter, office, clock, 5)
    gateways.fails = True
    measure(meter, office, clock, 3)
    gateways.fails = False
    measure(meter, office, clock, 4)
    found = of_day(office, day, minutes=12)
    offered = office.catalog.offerings.values()
    endpoints = {name for each in offered for name in each[0].model.endpoints}
    assert found.down_ms == found.upstream_ms == down * MINUTE // len(endpoints)
    assert found.own_percent == "100.0000"


def test_nothing_is_measured_before_the_first_answer(
    office: Office, clock: ManualClock, gateways: Gateways
) -> None:
    day = to_day(clock)
    gateways.is_ready = False
    meter = UptimeMeter(gateways.pulse)
    measure(meter, office, clock, 30)
    assert msgspec.json.decode(meter.page, type=StatusPage).measured_since == ""
    gateways.is_ready = True
    measure(meter, office, clock, 15)
    found = of_day(office, day, minutes=45)
    assert (found.observed_ms, found.down_ms, found.percent) == (15 * MINUTE, 0, "100.0000")
    page = msgspec.json.decode(meter.page, type=StatusPage)
    assert page.is_up
    assert page.months[0].uptime_percent == page.days[0].uptime_percent == "100.0000"
    assert page.measured_since.endswith("T00:30:00Z")


def test_what_the_database_did_not_take_is_written_later(
    office: Office, clock: ManualClock, gateways: Gateways
) -> None:
    day = to_day(clock)
    meter = UptimeMeter(gateways.pulse)
    measure(meter, office, clock, 1)
    locked = msgspec.structs.replace(office, store=cast("engine.Store", LockedStore(office.store)))
    for _ in range(60 * MINUTE // LOOK):
        with suppress(Locked):
            meter.turn(locked)
        clock.advance(LOOK)
    assert MS_OF_DAY - of_day(office, day).down_ms == MINUTE
    measure(meter, office, clock, 1)
    assert MS_OF_DAY - of_day(office, day).down_ms == 62 * MINUTE


def test_a_process_that_is_replaced_takes_nothing_back(
    office: Office, clock: ManualClock, gateways: Gateways
) -> None:
    day = to_day(clock)
    first = UptimeMeter(gateways.pulse)
    first.turn(office)
    gateways.is_ready = False
    second = UptimeMeter(gateways.pulse)
    clock.advance(LOOK)
    second.turn(office)
    clock.advance(MINUTE)
    second.turn(office)
    assert MS_OF_DAY - of_day(office, day).down_ms == MINUTE


def test_endpoints_count_alike(office: Office, clock: ManualClock) -> None:
    day = to_day(clock)
    start = day * 1_440
    with office.store.write() as tx:
        availability.note(tx, [(start + at, "chat", State.UP) for at in range(1_440)])
        availability.note(tx, [(start + at, "messages", State.UP) for at in range(1, 1_440)])
        availability.note(tx, [(start + 7, "chat", State.UPSTREAM)])
        availability.note(tx, [(start + 7, "chat", State.UP)])
    found = of_day(office, day)
    assert (found.down_ms, found.upstream_ms) == (MINUTE, MINUTE // 2)


def announced(
    office: Office, actor: Actor, span: tuple[int, int], notice_ms: int | None = MS_OF_DAY
) -> availability.Window:
    with office.store.write() as tx:
        return availability.announce(tx, actor, office.maker.raw(), span, notice_ms=notice_ms)


def test_maintenance_that_was_announced_in_time_can_be_left_out(
    office: Office, clock: ManualClock
) -> None:
    actor = Actor(1, clock.now_ms())
    day = to_day(clock) + 2
    start = day * MS_OF_DAY
    announced(office, actor, (start + HOUR - 1, start + 2 * HOUR + 59_999))
    emergency = announced(office, actor, (start + 5 * HOUR, start + 6 * HOUR), None)
    cancelled = announced(office, actor, (start + 8 * HOUR, start + 9 * HOUR))
    with office.store.write() as tx:
        availability.cancel(tx, actor, cancelled.ref)
    away = [*range(60, 120), *range(300, 310), *range(480, 485)]
    note(office, day - 1, [])
    note(office, day, away)
    assert of_day(office, day).down_ms == 75 * MINUTE
    found = of_day(office, day, EXCLUDED)
    assert (found.down_ms, found.excluded_ms) == (15 * MINUTE, 60 * MINUTE)
    assert found.observed_ms == MS_OF_DAY - 60 * MINUTE
    assert emergency.is_emergency
    with office.store.read() as tx:
        assert len(availability.windows(tx, start)) == 3
        actions = [entry.action for entry in audit.recent(tx, 9)]
    assert actions.count("maintenance.announce") == 3
    assert actions.count("maintenance.cancel") == 1


def test_maintenance_must_be_announced_in_time_and_end(office: Office, actor: Actor) -> None:
    now = actor.at_ms
    for span, notice_ms, field in (
        ((now + MS_OF_DAY - 1, now + 2 * MS_OF_DAY), MS_OF_DAY, "starts_at_ms"),
        ((now + 2 * MS_OF_DAY, now + 2 * MS_OF_DAY), MS_OF_DAY, "ends_at_ms"),
        ((now + 2 * MS_OF_DAY, now + 10 * MS_OF_DAY), MS_OF_DAY, "ends_at_ms"),
        ((now - 2 * MS_OF_DAY, now), None, "starts_at_ms"),
    ):
        with pytest.raises(InvalidValue) as refused:
            announced(office, actor, span, notice_ms)
        assert field in refused.value.message
    made = announced(office, actor, (now + MS_OF_DAY, now + MS_OF_DAY + HOUR))
    begun = Actor(1, now + MS_OF_DAY)
    with pytest.raises(InvalidValue, match="invalid"), office.store.write() as tx:
        availability.cancel(tx, begun, made.ref)
    with office.store.write() as tx:
        availability.cancel(tx, actor, made.ref)
    for ref in (made.ref, "mnt_" + "00" * 16, "x"):
        with pytest.raises(Missing), office.store.write() as tx:
            availability.cancel(tx, actor, ref)


@pytest.mark.parametrize(("permille_away", "share"), [(4, 0), (6, 10), (60, 50)])
@pytest.mark.parametrize("is_applied", [True, False])
def test_a_measured_month_is_credited_by_the_terms_and_once(
    world: PostedWorld, office: Office, *, permille_away: int, share: int, is_applied: bool
) -> None:
    terms = AlertTerms(
        uptime=((95_000_000_000, 50), (99_500_000_000, 10)),
        availability=AvailabilityTerms(is_credit_applied=is_applied),
    )
    served = msgspec.structs.replace(office, alerts=terms)
    org, month = spent_month(world, office)
    minutes = (month.end - month.first) * 1_440
    away = minutes * permille_away // 1_000
    start = month.first * 1_440
    with office.store.write() as tx:
        marks = [(start + at, "chat", State.UP) for at in range(minutes) if not 5 <= at < 5 + away]
        availability.note(tx, marks)
    before = world.wallet(org).posted
    for _ in range(3):
        uptime_credits.credit_downtime(served)
    amount = CHARGE * share // 100
    with office.store.read() as tx:
        found = uptime_credits.due(tx, served)
    assert found is not None
    assert (found.month, found.downtime_ms) == (month, away * MINUTE)
    assert [each.amount_nusd for each in found.owed] == ([amount] if amount else [])
    assert world.wallet(org).posted - before == (amount if is_applied else 0)
    assert [each.is_credited for each in found.owed] == ([is_applied] if amount else [])


def spent_month(world: PostedWorld, office: Office) -> tuple[bytes, usage.Month]:
    """Charge an organization a million nano-dollars in a month, and go to the next."""
    from_ms = world.clock.now_ms()
    month = usage.month_at(usage.month_at(from_ms // MS_OF_DAY).end)
    world.clock.advance(month.first * MS_OF_DAY - from_ms + HOUR)
    close_days(office)
    org = world.organization(10**9)
    ask(world.gateway(), org, CHARGE)
    world.pump()
    with office.store.write() as tx:
        tx.execute("INSERT INTO organization (ref, name, created_at) VALUES (?, 'a', 1)", (org,))
    world.clock.advance((month.end - month.first) * MS_OF_DAY)
    close_days(office)
    return org, month


def test_a_month_of_which_nothing_was_measured_owes_nothing_by_itself(
    world: PostedWorld, office: Office
) -> None:
    terms = AlertTerms(
        uptime=((99_500_000_000, 10),), availability=AvailabilityTerms(is_credit_applied=True)
    )
    served = msgspec.structs.replace(office, alerts=terms)
    org, month = spent_month(world, office)
    before = world.wallet(org).posted
    uptime_credits.credit_downtime(served)
    assert world.wallet(org).posted == before
    with office.store.read() as tx, pytest.raises(InvalidValue) as refused:
        uptime_credits.downtime_of(tx, served, month)
    assert "say its downtime" in refused.value.message


def test_a_closed_account_is_owed_nothing_more(
    world: PostedWorld, office: Office, actor: Actor
) -> None:
    org, month = spent_month(world, office)
    terms = ((99_500_000_000, 10),)
    with office.store.write() as tx:
        (owed,) = promotions.owed(tx, month, 10 * HOUR, terms)
        assert owed.amount_nusd == CHARGE // 10
        billing.begin_closing(tx, actor, accounts.find(tx, ids.text("org", org)))
        assert promotions.owed(tx, month, 10 * HOUR, terms) == []
