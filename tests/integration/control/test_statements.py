"""A month: receipts, roll-ups, statement and day closes say the same to the nano-dollar."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import msgspec
import pytest

from tests.builders.money_world import USD, CountedEntropy
from tests.builders.posted_world import PostedWorld, ask
from troth.control import promotions, usage
from troth.control.audit import Actor
from troth.control.usage import Month, Receipt, Statement
from troth.control.usage.statements import Line
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.kernel.ids import IdMaker
from troth.ledger import books
from troth.ledger.books import LotKind
from troth.server.day_duties import close_days
from troth.server.office import Office

MS_OF_DAY = 86_400_000


@pytest.fixture
def world(office: Office, clock: ManualClock, tmp_path: Path) -> Iterator[PostedWorld]:
    world = PostedWorld(office.store, tmp_path)
    world.clock = clock
    world.ids = IdMaker(clock, CountedEntropy())
    yield world
    for gateway in world.gateways.values():
        gateway.journal.close()


def to_month(world: PostedWorld, name: str) -> Month:
    """Go to the first day of a month to come."""
    month = usage.month_of(name, 2**50)
    world.clock.advance(month.first * MS_OF_DAY - world.clock.now_ms())
    return month


def statement(world: PostedWorld, org: bytes, month: Month) -> Statement:
    with world.store.read() as tx:
        return usage.statement(tx, org, month)


def receipts(world: PostedWorld, org: bytes, month: Month) -> tuple[int, int]:
    """Return count and sum of an organization's single receipts that were posted in a month."""
    with world.store.read() as tx:
        rows = tx.rows(
            "SELECT charged, batch.day FROM usage JOIN batch"
            " ON batch.desk = usage.desk AND batch.n = usage.batch WHERE usage.org = ?",
            (org,),
            tuple[int, int],
        )
    charges = [charged for charged, day in rows if month.first <= day < month.end]
    return len(charges), sum(charges)


def use(world: PostedWorld, office: Office, orgs: list[bytes], seed: int) -> None:
    """Let weeks pass with requests, late postings, late closes and new credit."""
    random = Random(seed)  # noqa: S311
    gateway = world.gateway()
    for _ in range(40):
        world.clock.advance(random.randrange(2 * MS_OF_DAY))
        for _ in range(random.randrange(4)):
            ask(gateway, random.choice(orgs), random.randrange(1, 5_000))
        if random.randrange(5):
            world.pump()
        if random.randrange(2):
            close_days(office)
        if not random.randrange(10):
            world.credit(random.choice(orgs), random.randrange(1, 10_000))
    world.pump()


def check(world: PostedWorld, org: bytes, month: Month) -> Statement:
    """Hold a statement to the receipts and to the closes of its days."""
    found = statement(world, org, month)
    assert (found.requests, found.charged_nusd) == receipts(world, org, month)
    assert found.difference_nusd == 0
    closed = {day.day: day.charged_nusd for day in found.days}
    lines = dict.fromkeys(closed, 0)
    for line in found.lines:
        lines[line.day] = lines.get(line.day, 0) + line.charged_nusd
    assert {day: lines[day] for day in closed} == closed
    return found


LONG = [pytest.param(seed, marks=pytest.mark.prove) for seed in range(2, 40)]


@pytest.mark.parametrize("seed", [1, *LONG])
def test_a_month_of_random_usage_adds_up_everywhere(
    world: PostedWorld, office: Office, seed: int
) -> None:
    to_month(world, "2027-02")
    close_days(office)
    orgs = [world.organization(USD), world.organization(USD, LotKind.PROMO)]
    use(world, office, orgs, seed)
    for org in orgs:
        months = [usage.month_of(name, 2**50) for name in ("2027-02", "2027-03", "2027-04")]
        found = [check(world, org, month) for month in months]
        assert found[0].opening_nusd == 0
        assert found[0].closing_nusd == found[1].opening_nusd
        assert sum(each.charged_nusd for each in found) > 0
        running = next(each for each in found if not each.is_final)
        assert running.closing_nusd == world.wallet(org).posted


def exported(world: PostedWorld, org: bytes, days: Month) -> list[Receipt]:
    """Return all receipts of some days, a page after another."""
    found: list[Receipt] = []
    with world.store.read() as tx:
        while page := usage.posted(tx, org, days, found[-1].id if found else "", limit=7):
            found += page
    return found


def test_receipts_of_a_month_and_of_each_day_sum_to_the_statement(
    world: PostedWorld, office: Office
) -> None:
    """Begun before midnight and posted after it: a receipt is where its charge is."""
    month = to_month(world, "2027-02")
    close_days(office)
    orgs = [world.organization(USD), world.organization(USD)]
    use(world, office, orgs, seed=3)
    for org in orgs:
        lines: dict[str, int] = {}
        for line in statement(world, org, month).lines:
            lines[line.day] = lines.get(line.day, 0) + line.charged_nusd
        whole = exported(world, org, month)
        assert sum(each.charged_nusd for each in whole) == sum(lines.values()) > 0
        ids_seen = [each.id for each in whole]
        assert ids_seen == sorted(set(ids_seen))
        for number in range(1, 29):
            day = usage.days_of(f"2027-02-{number:02}", 2**50)
            found = exported(world, org, day)
            assert sum(each.charged_nusd for each in found) == lines.get(day.name, 0)


@pytest.mark.parametrize(
    "name", ["2027-02-29", "2027-02-00", "2027-02-1", "2027-02-011", "2027-02-0x", "2027-02T01"]
)
def test_what_is_no_day_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        usage.days_of(name, 2**50)
    assert refused.value.param == "day"
    with pytest.raises(InvalidValue):
        usage.days_of("2027-02-02", usage.days_of("2027-02-01", 2**50).first * MS_OF_DAY)


def test_a_statement_tells_what_came_and_went(world: PostedWorld, office: Office) -> None:
    month = to_month(world, "2027-05")
    close_days(office)
    org = world.organization(5_000)
    gateway = world.gateway()
    ask(gateway, org, 700)
    world.pump()
    world.clock.advance(40 * MS_OF_DAY)
    running = statement(world, org, month)
    assert (running.is_final, running.closing_nusd) == (False, 4_300)
    close_days(office)
    found = statement(world, org, month)
    assert (found.opening_nusd, found.credited_nusd, found.charged_nusd) == (0, 5_000, 700)
    assert (found.closing_nusd, found.is_final, found.difference_nusd) == (4_300, True, 0)
    assert [(each.kind, each.amount_nusd) for each in found.movements] == [("paid", 5_000)]
    assert len(found.days) == 31
    following = statement(world, org, usage.month_of("2027-06", 2**50))
    assert (following.opening_nusd, following.charged_nusd) == (4_300, 0)
    rows = list(csv.DictReader(usage.as_csv(found).splitlines()))
    assert [(row["kind"], row["amount_nusd"]) for row in rows] == [
        ("paid", "5000"),
        ("usage", "-700"),
    ]
    assert rows[1]["amount_usd"] == "-0.000000700"


@pytest.mark.parametrize("name", ["2026", "2026-13", "2026-00", "26-01", "2027-02", "2026-1 "])
def test_what_is_no_month_or_has_not_begun_is_refused(name: str) -> None:
    now_ms = usage.month_of("2027-01", 2**50).first * MS_OF_DAY
    with pytest.raises(InvalidValue) as caught:
        usage.month_of(name, now_ms)
    assert caught.value.param == "month"


def test_a_month_has_its_days() -> None:
    assert usage.month_of("2028-02", 2**50).length_ms == 29 * MS_OF_DAY
    december = usage.month_of("2026-12", 2**50)
    assert (usage.date_of(december.first), usage.date_of(december.end)) == (
        "2026-12-01",
        "2027-01-01",
    )


TIERS = ((95_000_000_000, 50), (99_500_000_000, 10))


@pytest.mark.parametrize(
    ("permille_away", "credit"), [(0, 0), (4, 0), (5, 0), (6, 10), (50, 10), (51, 50), (1_000, 50)]
)
def test_the_share_follows_the_terms(permille_away: int, credit: int) -> None:
    month = usage.month_of("2027-04", 2**50)
    assert promotions.percent_for(month.length_ms * permille_away // 1_000, month, TIERS) == credit


@pytest.mark.parametrize("credit", [0, 10])
def test_uptime_credit_is_given_once_for_a_closed_month(
    world: PostedWorld, office: Office, actor: Actor, *, credit: int
) -> None:
    month = to_month(world, "2027-04")
    close_days(office)
    org = world.organization(USD)
    gateway = world.gateway()
    ask(gateway, org, 1_009)
    world.pump()
    with world.store.write() as tx:
        tx.execute("INSERT INTO organization (ref, name, created_at) VALUES (?, 'a', 1)", (org,))
    downtime = month.length_ms // 100 if credit else 0
    with pytest.raises(InvalidValue, match="invalid"), world.store.read() as tx:
        promotions.owed(tx, month, downtime, TIERS)  # not over yet
    world.clock.advance(31 * MS_OF_DAY)
    close_days(office)
    amount = 1_009 * credit // 100
    for time in range(3):
        with world.store.write() as tx:
            (due,) = promotions.owed(tx, month, downtime, TIERS)
            assert (due.organization, due.charged_nusd) == (ids.text("org", org), 1_009)
            assert (due.amount_nusd, due.is_credited) == (amount, time > 0 and amount > 0)
            is_new = promotions.credit_owed(tx, actor, month, (due, downtime))
            assert is_new is (time == 0 and amount > 0)
    assert world.wallet(org).posted == USD - 1_009 + amount
    if amount:
        with world.store.read() as tx:
            kinds = [(lot.kind, lot.granted) for lot in books.lots(tx, org)]
        assert (LotKind.SLA, amount) in kinds


def test_without_terms_nothing_is_owed(world: PostedWorld) -> None:
    month = to_month(world, "2027-04")
    with world.store.read() as tx, pytest.raises(InvalidValue) as caught:
        promotions.owed(tx, month, 0, ())
    assert "uptime.credit_below_percent" in caught.value.message


def test_no_text_of_a_statement_is_a_formula() -> None:
    line = Line("2026-10-01", "key_1", "", "=1+1", 1, 0, 0, 0, 0, 0, 0, 0, 5)
    names = ["=1+1", "+1", "-1", "@cf/m", "m=1", "gpt-4o"]
    lines = [msgspec.structs.replace(line, model=name) for name in names]
    found = Statement("org_1", "2026-10", True, 0, 0, 30, 0, 0, 0, 6, [], [], lines)  # noqa: FBT003
    rows = list(csv.DictReader(io.StringIO(usage.as_csv(found))))
    assert [row["model"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@cf/m", "m=1", "gpt-4o"]
    assert [row["amount_nusd"] for row in rows] == ["-5"] * 6
