from msgspec.structs import replace

from tests.unit.server.test_link_messages import KEY
from troth.catalog.model import Model
from troth.catalog.offering import Offering, Upstream
from troth.catalog.price import PriceLine, compile_sheet
from troth.gateway.ports import OrgRow
from troth.kernel.clock import ManualClock
from troth.server.messages import CatalogPart, Delta, KeysPart, UpstreamCredential, row
from troth.server.tables import HeldCredentials, Tables

SHEET = compile_sheet("ps", [PriceLine("input", 1)])
MODEL = Model("m", "o", 0, 100, 10, frozenset({"chat"}))
UPSTREAM = Upstream("u", "openai", "openai", "http", "127.0.0.1", 1, "")
OTHER = replace(UPSTREAM, id="v")


def offering(name: str, upstream: Upstream = UPSTREAM) -> Offering:
    return Offering(replace(MODEL, name=name), upstream, name, SHEET, SHEET)


def tables() -> tuple[Tables, ManualClock]:
    clock = ManualClock()
    return Tables(clock, 30), clock


def test_a_snapshot_is_in_force_when_its_last_part_came() -> None:
    one, _ = tables()
    one.take_keys(KeysPart(7, [row(KEY)], [OrgRow("org", is_frozen=False)], is_last=False))
    assert one.find("id") is None
    one.take_keys(KeysPart(7, [], [], is_last=True))
    assert one.find("id") == KEY
    assert one.find("id") is one.find("id")
    assert one.org("org") == OrgRow("org", is_frozen=False)
    assert one.org("none") is None
    assert [one.is_whole] == [False]
    one.take_catalog(CatalogPart(7, [offering("b"), offering("a")], [], is_last=False))
    assert one.names() == ()
    credential = UpstreamCredential("u", "secret")
    one.take_catalog(CatalogPart(7, [offering("a", OTHER)], [credential], is_last=True))
    assert [one.is_whole] == [True]
    assert one.names() == ("a", "b")
    assert [each.upstream.id for each in one.of("a")] == ["u", "v"]
    assert one.of("none") == ()
    assert HeldCredentials(one).of(UPSTREAM).reveal() == "secret"
    assert HeldCredentials(one).of(OTHER).is_empty


def test_a_new_snapshot_takes_the_place_of_the_old_one_whole() -> None:
    one, _ = tables()
    one.take_keys(KeysPart(1, [row(KEY)], [], is_last=True))
    one.take_keys(KeysPart(2, [row(replace(KEY, public_id="other"))], [], is_last=False))
    one.forget_coming()
    one.take_keys(KeysPart(3, [], [], is_last=True))
    assert one.find("id") is None
    assert one.find("other") is None
    assert one.generation == 3


def test_a_delta_changes_and_drops_keys() -> None:
    one, _ = tables()
    one.take_keys(KeysPart(1, [row(KEY)], [], is_last=True))
    changed = replace(KEY, concurrency=9)
    added = replace(KEY, public_id="new")
    frozen = OrgRow("org", is_frozen=True)
    one.take_delta(Delta(2, [row(changed), row(added)], [], [frozen]))
    assert one.find("id") == changed
    assert one.find("new") == added
    assert one.org("org") == frozen
    one.take_delta(Delta(3, [], ["id", "unknown"], []))
    assert one.find("id") is None


def test_tables_are_trusted_for_a_while_after_a_beat() -> None:
    one, clock = tables()
    seen = [one.is_fresh]
    one.beat(clock.monotonic_ns())
    clock.advance(29_999)
    seen.append(one.is_fresh)
    clock.advance(2)
    seen.append(one.is_fresh)
    one.beat(clock.monotonic_ns() - 40_000_000_000)
    assert [*seen, one.is_fresh] == [False, True, False, False]


def test_prices_that_cannot_be_are_refused_and_the_old_stay() -> None:
    one, _ = tables()
    assert one.take_catalog(CatalogPart(1, [offering("a")], [], is_last=True))
    broken = replace(offering("b"), cost=replace(SHEET, tiers=()))
    assert one.take_catalog(CatalogPart(2, [broken, offering("c")], [], is_last=False))
    assert not one.take_catalog(CatalogPart(2, [], [], is_last=True))
    assert (one.names(), one.generation) == (("a",), 1)
    assert one.take_catalog(CatalogPart(3, [offering("c")], [], is_last=True))
    assert (one.names(), one.generation) == (("c",), 3)


def test_those_who_are_pinned_to_a_price_set_are_sold_at_its_prices() -> None:
    one, _ = tables()
    dear = replace(offering("a"), sale=replace(SHEET, id="ps_dear"))
    one.take_catalog(CatalogPart(1, [offering("a")], [], is_last=False, price_set="ps_old"))
    one.take_catalog(CatalogPart(1, [dear, offering("b")], [], is_last=True))
    assert one.of("a")[0].sale.id == "ps_dear"
    assert one.of("a", "ps_old")[0].sale.id == "ps"
    assert one.of("b", "ps_old") == ()
    assert one.of("a", "ps_unknown")[0].sale.id == "ps_dear"
    one.take_catalog(CatalogPart(2, [dear], [], is_last=True))
    assert one.of("a", "ps_old")[0].sale.id == "ps_dear"


def test_of_very_many_keys_those_that_came_lately_are_here() -> None:
    one, _ = tables()
    assert not one.is_worth_asking("id")
    one.take_keys(KeysPart(1, [], [], is_last=True, is_partial=True))
    assert one.find("id") is None
    assert one.is_worth_asking("id")
    one.note_unknown("id")
    assert not one.is_worth_asking("id")
    one.take_delta(Delta(1, [row(KEY)], [], [OrgRow("org", is_frozen=False)]))
    assert one.find("id") == KEY
    assert one.is_worth_asking("id")  # made after somebody had tried it
    for number in range(51_000):
        coming = replace(KEY, public_id=f"k{number}", org=f"o{number % 7}")
        orgs = [OrgRow(coming.org, is_frozen=False)]
        one.take_delta(Delta(2, [row(coming)], [], orgs))
    assert one.find("id") is None
    assert one.org("org") is None
    assert one.find("k50999") is not None
    assert one.org("o3") is not None
    assert len(one._keys) <= 50_000


def test_unknown_keys_are_remembered_within_bounds() -> None:
    one, _ = tables()
    one.take_keys(KeysPart(1, [], [], is_last=True, is_partial=True))
    for number in range(25_000):
        one.note_unknown(str(number))
    assert len(one._unknown) <= 10_000
    assert one.is_worth_asking("0")
    assert not one.is_worth_asking("15000")  # the latest ones are kept
    assert not one.is_worth_asking("24999")
