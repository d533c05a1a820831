"""Prices that are accepted: kept, announced, in force at their moment, told to gateways."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from troth.catalog.price import PriceLine
from troth.cli.client import Client, Refused
from troth.control import accounts, audit, supply
from troth.control.audit import Actor
from troth.control.supply import Notice, PriceList, Wanted
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue, Misconfigured
from troth.kernel.quantities import Quantities
from troth.server.duties import renew_prices
from troth.server.management import application
from troth.server.management_socket import ManagementServer
from troth.server.office import Office, Told
from troth.server.shelf import Shelf, Stock, stock_of
from troth.server.shown import State
from troth.server.shown_prices import ShownPin, ShownPrices, ShownSet, ShownVersion
from troth.store.transaction import Conflict

DAY_MS = 86_400_000
MILLION = Quantities(output=1_000_000)


class Sales:
    """Gateways that note what they are given to sell."""

    def __init__(self) -> None:
        self.stocks: list[Stock] = []

    @property
    def mark(self) -> tuple[int, ...]:
        return self.stocks[-1].mark if self.stocks else ()

    def sell(self, stock: Stock) -> Told:
        self.stocks.append(stock)
        return Told()


@pytest.fixture
def sales() -> Sales:
    return Sales()


@pytest.fixture
def selling(office: Office, sales: Sales) -> Office:
    return msgspec.structs.replace(office, sales=sales)


@pytest.fixture
def client(selling: Office, tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "m.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(selling), listener)
        server.start()
        yield Client(path)
        server.stop()


def wanted(sale: int, model: str = "simulated") -> Wanted:
    base = (
        PriceLine("input", 150_000_000),
        PriceLine("cache_read", 75_000_000),
        PriceLine("output", 600_000_000),
    )
    risen = msgspec.structs.replace(base[2], amount_nusd=sale)
    asked = (*base[:2], risen)
    return Wanted(model, "simulated", PriceList(asked), PriceList(base), "a page", "2026-11-20")


def accept(office: Office, actor: Actor, rows: list[Wanted], after_ms: int = 0) -> None:
    with office.store.write() as tx:
        supply.accept(
            tx, actor, office.catalog, rows, notice=Notice(actor.at_ms + after_ms, 14 * DAY_MS)
        )


def refusal(office: Office, actor: Actor, rows: list[Wanted], after_ms: int = 0) -> str:
    with pytest.raises(InvalidValue) as refused:
        accept(office, actor, rows, after_ms)
    return refused.value.message


def asked(office: Office, at_ms: int) -> int:
    with office.store.read() as tx:
        sold = supply.sold(tx, office.catalog, at_ms)
    return sold.offerings["simulated"][0].sale.charge(MILLION)


def test_what_is_accepted_holds_from_its_moment_on(office: Office, actor: Actor) -> None:
    accept(office, actor, [wanted(500_000_000)], after_ms=1_000)
    assert asked(office, actor.at_ms + 999) == 600_000_000
    assert asked(office, actor.at_ms + 1_000) == 500_000_000
    with office.store.read() as tx:
        (kept,) = supply.versions(tx)
        entries = audit.recent(tx, 5)
    assert (kept.source, kept.checked_on, kept.created_by) == ("a page", "2026-11-20", actor.uid)
    assert [(each.action, each.subject, each.other) for each in entries] == [
        ("price.accept", "simulated", "simulated")
    ]


def test_a_rise_inside_the_notice_is_refused_and_one_beyond_is_not(
    office: Office, actor: Actor
) -> None:
    said = refusal(office, actor, [wanted(600_000_001)], after_ms=14 * DAY_MS - 1)
    assert "rows[0] raises the price of output, reasoning" in said
    accept(office, actor, [wanted(600_000_001)], after_ms=14 * DAY_MS)
    assert asked(office, actor.at_ms + 14 * DAY_MS) == 600_000_001


def test_a_rise_is_measured_by_what_was_announced(office: Office, actor: Actor) -> None:
    accept(office, actor, [wanted(400_000_000)], after_ms=DAY_MS)
    assert "raises" in refusal(office, actor, [wanted(500_000_000)], after_ms=2 * DAY_MS)
    accept(office, actor, [wanted(500_000_000)])
    assert asked(office, actor.at_ms) == 500_000_000
    assert asked(office, actor.at_ms + DAY_MS) == 400_000_000


WRONG: list[tuple[list[Wanted], str]] = [
    ([], "nothing to accept"),
    ([wanted(1, model="gone")], "no such model"),
    ([msgspec.structs.replace(wanted(1), provider="gone")], "does not offer"),
    ([wanted(1), wanted(1)], "stands here twice"),
    ([msgspec.structs.replace(wanted(1), sale=PriceList(()))], "at least one line"),
    (
        [msgspec.structs.replace(wanted(1), cost=PriceList((PriceLine("input", 1),) * 2))],
        "two prices in one tier",
    ),
    ([msgspec.structs.replace(wanted(1), source="a\nb")], "printable"),
    ([msgspec.structs.replace(wanted(1), checked_on="lately")], "must be a date"),
]


def test_what_cannot_be_accepted_is_named_and_changes_nothing(office: Office, actor: Actor) -> None:
    for rows, said in WRONG:
        assert said in refusal(office, actor, rows)
    with office.store.read() as tx:
        assert supply.versions(tx) == []
        assert audit.recent(tx, 5) == []


def test_a_moment_that_is_past_is_refused(office: Office, actor: Actor) -> None:
    assert "not be in the past" in refusal(office, actor, [wanted(1)], after_ms=-1)


def test_accepted_prices_are_never_changed(office: Office, actor: Actor) -> None:
    accept(office, actor, [wanted(5)])
    renew_prices(office)
    for sql in (
        "DELETE FROM price",
        "UPDATE price SET amount = 1",
        "DELETE FROM price_line",
        "UPDATE price_line SET amount = 1",
        "DELETE FROM price_version",
        "UPDATE price_version SET effective_at = 1",
    ):
        with pytest.raises(Conflict), office.store.write() as tx:
            tx.execute(sql)


def test_prices_come_into_force_without_a_restart(
    selling: Office, sales: Sales, clock: ManualClock, actor: Actor
) -> None:
    renew_prices(selling)
    accept(selling, actor, [wanted(500_000_000)], after_ms=1_000)
    renew_prices(selling)
    clock.advance(1_000)
    renew_prices(selling)
    renew_prices(selling)
    first, second, third = [stock.catalog.price_set for stock in sales.stocks]
    assert first == second == selling.catalog.price_set != third
    with selling.store.read() as tx:
        entries = audit.recent(tx, 5)
        assert supply.last_in_force(tx) == third
        asked = supply.sale_in_set(tx, third, ("simulated", "simulated"))
        assert supply.sale_in_set(tx, third, ("simulated", "other")) is None
    in_force = [each for each in entries if each.action == "price.set"]
    assert [each.subject for each in in_force] == [third, first]
    assert {each.uid for each in in_force} == {-1}
    assert asked is not None
    lines = asked.sheet.lines
    assert [each.amount_nusd for each in lines if each.unit == "output"] == [500_000_000]
    assert asked.since_ms == clock.now_ms()


def test_a_set_that_comes_back_is_noted_again_and_kept_once(
    selling: Office, clock: ManualClock, actor: Actor
) -> None:
    renew_prices(selling)
    accept(selling, actor, [wanted(500_000_000)])
    renew_prices(selling)
    again = [
        Wanted("simulated", "simulated", PriceList(each.sale.lines), PriceList(each.cost.lines))
        for each in selling.catalog.offerings["simulated"]
    ]
    accept(selling, actor, again, after_ms=14 * DAY_MS)
    clock.advance(14 * DAY_MS)
    renew_prices(selling)
    with selling.store.read() as tx:
        assert supply.last_in_force(tx) == selling.catalog.price_set
        assert not supply.remember(tx, selling.catalog, clock.now_ms())
        assert len([each for each in audit.recent(tx, 9) if each.action == "price.set"]) == 3


def test_a_version_that_makes_no_sheet_is_refused_and_the_old_prices_stay(
    selling: Office, sales: Sales
) -> None:
    renew_prices(selling)
    with selling.store.write() as tx:
        tx.execute(
            "INSERT INTO price_version (place, model, upstream, effective_at, source, checked_on,"
            " created_by, created_at) VALUES (1, 'simulated', 'simulated', 0, '', '', 0, 0)"
        )
    with pytest.raises(Misconfigured, match=r"accepted price 1: .* at least one line"):
        renew_prices(selling)
    assert len(sales.stocks) == 1


def test_a_pinned_organization_keeps_its_prices_until_its_time(
    selling: Office, sales: Sales, clock: ManualClock, actor: Actor
) -> None:
    renew_prices(selling)
    with selling.store.write() as tx:
        owner = accounts.create(tx, actor, selling.maker.raw(), "acme")
        old = selling.catalog.price_set
        with pytest.raises(InvalidValue):
            supply.pin(tx, actor, owner, price_set="ps_none", ends_at_ms=1)
        supply.pin(tx, actor, owner, price_set=old, ends_at_ms=actor.at_ms + 60 * DAY_MS)
    accept(selling, actor, [wanted(700_000_000)], after_ms=14 * DAY_MS)
    clock.advance(14 * DAY_MS)
    renew_prices(selling)
    stock = sales.stocks[-1]
    assert stock.pins == {owner.ref: old}
    assert stock.catalog.offerings["simulated"][0].sale.charge(MILLION) == 700_000_000
    kept = stock.pinned[old].offerings["simulated"][0]
    assert (kept.sale.charge(MILLION), kept.sale.id) == (600_000_000, old)
    with selling.store.write() as tx:
        supply.pin(tx, actor, owner, price_set=old, ends_at_ms=0)
    renew_prices(selling)
    assert (sales.stocks[-1].pins, sales.stocks[-1].pinned) == ({}, {})


def test_the_shelf_tells_what_is_new_to_gateways(office: Office, actor: Actor) -> None:
    with office.store.read() as tx:
        stock = stock_of(tx, office.catalog, actor.at_ms)
    shelf = Shelf(Stock(office.catalog), {"simulated": "secret"})
    assert (shelf.moved(stock), shelf.put(stock)) == ((), False)
    pinned = Stock(stock.catalog, {"ps_old": stock.catalog}, {"org_1": "ps_old"})
    assert (shelf.moved(pinned), shelf.put(pinned)) == (("org_1",), True)
    parts = shelf.parts(7)
    assert [(part.price_set, part.is_last) for part in parts] == [
        ("ps_old", False),
        ("", False),
        ("", True),
    ]
    assert (shelf.moved(stock), shelf.put(stock)) == (("org_1",), True)


def row(usd: str, **more: object) -> dict[str, object]:
    lines = [
        {"unit": "input", "usd": "0.15"},
        {"unit": "cache_read", "usd": "0.05"},
        {"unit": "output", "usd": usd},
    ]
    sheet = {"lines": lines}
    return {"model": "simulated", "provider": "simulated", "sale": sheet, "cost": sheet, **more}


class Form(msgspec.Struct):
    """What the command line sends."""

    effective_at_ms: int
    rows: list[dict[str, object]]


def test_management_shows_accepts_and_pins(
    client: Client, office: Office, clock: ManualClock
) -> None:
    renew_prices(office)
    made = msgspec.json.decode(
        client.post("prices", "accept", body=Form(0, [row("0.50", source="a page")])),
        type=list[ShownVersion],
    )
    assert [line.usd for line in made[0].sale.lines] == [
        "0.150000000",
        "0.050000000",
        "0.500000000",
    ]
    later = clock.now_ms() + 14 * DAY_MS
    client.post("prices", "accept", body=Form(later, [row("0.70")]))
    chat = msgspec.json.decode(client.get("prices"), type=list[ShownPrices])[0]
    assert (chat.model, chat.kind, chat.margin_nano) == ("simulated", "simulated", -1)
    assert chat.now.source == "a page"
    assert [one.effective_at_ms for one in chat.coming] == [later]
    state = msgspec.json.decode(client.get("state"), type=State)
    assert state.price_set == chat.price_set != office.catalog.price_set
    kept = msgspec.json.decode(client.get("prices", "sets", chat.price_set), type=list[ShownSet])
    assert {each.model for each in kept} == set(office.catalog.offerings)
    client.post("organizations", body={"name": "acme"})
    client.post("organizations", "acme", "price-pin", body={"ends_at_ms": later + 1})
    pins = msgspec.json.decode(client.get("prices", "pins"), type=list[ShownPin])
    assert [(each.price_set, each.ends_at_ms) for each in pins] == [(chat.price_set, later + 1)]


FORMS = [
    (Form(0, [row("0.5.0")]), r"rows\[0\]\.sale\.lines\[2\]\.usd"),
    (Form(0, [row("0.61")]), "raises the price of output"),
    (Form(-1, [row("0.50")]), "effective_at_ms"),
    (Form(0, [row("0.50", model=7)]), "rows.0.model"),
    (Form(0, [row("0.50", extra=7)]), "rows.0.extra"),
]


def test_a_bad_form_is_answered_with_its_field(client: Client) -> None:
    for form, said in FORMS:
        with pytest.raises(Refused, match=said):
            client.post("prices", "accept", body=form)


def test_a_set_that_never_was_is_missing(client: Client) -> None:
    with pytest.raises(Refused, match="There is no such price set"):
        client.get("prices", "sets", "ps_none")
