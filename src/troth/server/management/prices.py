"""Prices: what is in force, what was accepted, who is pinned to an earlier set."""

from typing import Annotated, Final

from fastapi import APIRouter, Response
from pydantic import Field

from troth.catalog.price import PriceLine, TierMode
from troth.control import accounts, supply
from troth.kernel.errors import Missing
from troth.server.duties import renew_prices
from troth.server.management.forms import Body, By, Here, answer, dollars
from troth.server.shown_prices import ShownPin, ShownSet, shown_prices, shown_sheet, shown_version

MS_OF_DAY: Final = 86_400_000
ROUTER: Final = APIRouter()
Count = Annotated[int, Field(ge=0, le=2**53)]


class Line(Body):
    """US dollars in a string for `per` units of a class, from `tier_start` on."""

    unit: str
    usd: str
    per: Count = 1_000_000
    tier_start: Count = 0
    min_quantity: Count = 0


class Prices(Body):
    """The lines of a sheet."""

    lines: list[Line]
    mode: TierMode = "whole"


class Row(Body):
    """New prices of a model at a provider, and where they stand."""

    model: str
    provider: str
    sale: Prices
    cost: Prices
    source: str = ""
    checked_on: str = ""


class Acceptance(Body):
    """All rows are accepted, or none; `effective_at_ms` of 0 means at once."""

    effective_at_ms: Count
    rows: list[Row] = Field(max_length=10_000)


class Pinning(Body):
    """Until when; `price_set` is the one in force now when it is left out."""

    ends_at_ms: Count
    price_set: str = ""


@ROUTER.get("/prices")
def list_prices(office: Here) -> Response:
    """List what is asked and paid, now and from later moments on."""
    now_ms = office.clock.now_ms()
    with office.store.read() as tx:
        versions = supply.versions(tx)
        sold = supply.sold(tx, office.catalog, now_ms)
    return answer(list(shown_prices(office.catalog, sold, versions, now_ms)))


@ROUTER.post("/prices/accept")
def accept_prices(body: Acceptance, office: Here, by: By) -> Response:
    """Keep new prices, in force from a moment on; a rise needs its notice."""
    rows = [_wanted(f"rows[{place}]", row) for place, row in enumerate(body.rows)]
    notice = supply.Notice(body.effective_at_ms or by.at_ms, office.notice_days * MS_OF_DAY)
    with office.store.write() as tx:
        made = supply.accept(tx, by, office.catalog, rows, notice=notice)
    renew_prices(office)
    return answer([shown_version(one) for one in made], 201)


def _wanted(path: str, row: Row) -> supply.Wanted:
    return supply.Wanted(
        row.model,
        row.provider,
        _list(f"{path}.sale", row.sale),
        _list(f"{path}.cost", row.cost),
        row.source,
        row.checked_on,
    )


def _list(path: str, prices: Prices) -> supply.PriceList:
    lines = tuple(
        PriceLine(
            line.unit,
            dollars(f"{path}.lines[{place}].usd", line.usd),
            line.per,
            line.tier_start,
            line.min_quantity,
        )
        for place, line in enumerate(prices.lines)
    )
    return supply.PriceList(lines, prices.mode)


@ROUTER.get("/prices/pins")
def list_pins(office: Here) -> Response:
    """List the organizations that go on at an earlier set's prices."""
    with office.store.read() as tx:
        held = supply.pins(tx, office.clock.now_ms())
    return answer([ShownPin(each.org, each.price_set, each.ends_at_ms) for each in held])


@ROUTER.get("/prices/sets/{price_set}")
def show_set(price_set: str, office: Here) -> Response:
    """Show what was asked and paid under a price set that was once in force, by model."""
    with office.store.read() as tx:
        sheets = supply.sheets_of_set(tx, price_set)
    if not sheets:
        raise Missing("price set")
    return answer(
        [
            ShownSet(model, provider, shown_sheet(sale), shown_sheet(cost))
            for (model, provider), (sale, cost) in sheets.items()
        ]
    )


@ROUTER.post("/organizations/{name:path}/price-pin")
def pin_prices(name: str, body: Pinning, office: Here, by: By) -> Response:
    """Let an organization go on at a set's prices until a time; one that is past ends its pin."""
    renew_prices(office)
    with office.store.write() as tx:
        now = supply.sold(tx, office.catalog, by.at_ms).price_set
        made = supply.pin(
            tx,
            by,
            accounts.named(tx, name),
            price_set=body.price_set or now,
            ends_at_ms=body.ends_at_ms,
        )
    renew_prices(office)
    return answer(ShownPin(made.org, made.price_set, made.ends_at_ms), 201)
