"""Budgets, time zones and prices that change while requests run: every charge stays explained."""

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from tests.journeys.raw_http import get, hello, post
from tests.journeys.serving import House, Key, TwinView, number_at, running_house, text_at
from troth.gateway.exchange import Fields, Json

CALLERS, REQUESTS = 6, 25
LIMIT_NUSD = 20_000_000
"""Of the budget that is edited; never above it."""
UNTOLD = -1
"""Of a stream, whose cost comes at its end."""
ZONES = ("Asia/Tokyo", "America/New_York", "Europe/Zurich", "UTC")


@pytest.fixture
def house(twin: TwinView, tmp_path: Path) -> Iterator[House]:
    with running_house(tmp_path, twin, more="[prices]\nnotice_days = 0\n") as house:
        yield house


class Callers:
    """Threads that ask, half of them with the limited key, and what they were told."""

    def __init__(self, house: House, plain: Key, limited: Key) -> None:
        self.costs: dict[str, int] = {}
        self.refused: list[str] = []
        self._house = house
        self._keys = (plain, limited)
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def are_asking(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _ask(self, number: int) -> None:
        key = self._keys[number % 2]
        for turn in range(REQUESTS):
            ask = hello("fill", max_tokens=20, stream=turn % 3 == 0)
            reply = post(self._house.address, key.text, ask)
            with self._lock:
                if reply.status == 200:
                    cost = int(reply.headers.get("x-troth-cost-nusd", UNTOLD))
                    self.costs[reply.headers["x-request-id"]] = cost
                elif reply.status == 402:
                    self.refused.append(text_at(reply.error["x_troth"], "limit_source"))
                else:
                    self.refused.append(text_at(reply.error, "code"))


def test_edits_while_requests_run_leave_every_charge_explained(house: House) -> None:
    plain = house.key(credit_usd="5")
    made = house.manage("POST", f"/organizations/{plain.org}/keys", {"name": "limited"})
    key = Key(text_at(made, "text"), text_at(made, "ref"), plain.org)
    _budget(house, key, LIMIT_NUSD)
    callers = Callers(house, plain, key)
    random, edits = Random(7), 0  # noqa: S311
    while callers.are_asking():
        _edit(house, key, random)
        edits += 1
    assert edits > 3
    assert len(callers.costs) + len(callers.refused) == CALLERS * REQUESTS
    assert set(callers.refused) <= {"key_budget", "in_flight", "overloaded"}
    left = house.posted(plain)
    receipts = [_explained(house, request, cost) for request, cost in callers.costs.items()]
    charged = sum(number_at(each, "charged_nusd") for each in receipts)
    assert left == 5 * 10**9 - charged
    of_key = sum(
        number_at(each, "charged_nusd") for each in receipts if text_at(each, "key") == key.ref
    )
    assert 0 < of_key <= LIMIT_NUSD
    listed = house.manage("GET", f"/budgets?organization={key.org}")
    assert isinstance(listed, list)
    used = {text_at(each, "period"): number_at(each, "used_nusd") for each in listed}
    assert used["total"] == of_key
    mine = get(house.address, key.text, "/v1/key")
    assert number_at(mine.fields, "data", "x_troth", "usage_nusd") == of_key


def _budget(house: House, key: Key, nusd: int) -> None:
    for period in ("total", "day"):
        asked: Fields = {"limit_usd": f"0.{nusd:09}", "period": period, "key": key.ref}
        house.manage("POST", f"/organizations/{key.org}/budgets", asked)


def _edit(house: House, key: Key, random: Random) -> None:
    match random.randrange(3):
        case 0:
            _budget(house, key, random.randrange(0, LIMIT_NUSD + 1))
        case 1:
            zone = random.choice(ZONES)
            house.manage("POST", f"/organizations/{key.org}/zone", {"zone": zone})
        case _:
            _reprice(house, random.randrange(1, 9))


def _reprice(house: House, tenths: int) -> None:
    listed = house.manage("GET", "/prices")
    assert isinstance(listed, list)
    rows: list[Json] = []
    for each in listed:
        if text_at(each, "model") == "fill":
            lines: list[Json] = [
                {"unit": "input", "usd": f"0.{tenths}"},
                {"unit": "output", "usd": f"{tenths}.5"},
            ]
            sheet: Fields = {"lines": lines}
            provider = text_at(each, "provider")
            rows.append({"model": "fill", "provider": provider, "sale": sheet, "cost": sheet})
    assert rows
    house.manage("POST", "/prices/accept", {"effective_at_ms": 0, "rows": rows})


def _explained(house: House, request: str, cost: int) -> Json:
    """Return a receipt; its charge is what was told, and what the prices of its set come to."""
    receipt = house.manage("GET", f"/receipts/{request}")
    charged = number_at(receipt, "charged_nusd")
    assert cost in {UNTOLD, charged}
    total = number_at(receipt, "price", "total_nusd")
    assert total == charged + number_at(receipt, "price", "operator_nusd")
    return receipt
