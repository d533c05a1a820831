"""Prices that change under a running installation: in force at once, kept for who is pinned."""

import http.client
from collections.abc import Iterator

import msgspec
import pytest

from tests.builders.installation import Installed, end, installed
from tests.journeys.patience import wait_until
from troth.cli.client import Client

FAR_MS = 4_000_000_000_000


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with installed(tmp_path_factory.mktemp("house"), gateways=2) as running:
        yield running


class Form(msgspec.Struct):
    """What is accepted, as the command line sends it."""

    rows: list[dict[str, object]]
    effective_at_ms: int = 0


def accept(house: Installed, output: str) -> None:
    lines = [
        {"unit": "input", "usd": "0"},
        {"unit": "cache_read", "usd": "0"},
        {"unit": "output", "usd": output},
    ]
    sheet = {"lines": lines}
    row: dict[str, object] = {
        "model": "simulated",
        "provider": "simulated",
        "sale": sheet,
        "cost": sheet,
    }
    client = Client(house.settings.run_folder / "control.sock")
    client.post("prices", "accept", body=Form([row]))


def shown(house: Installed, key: str, path: str = "/v1/models/simulated") -> str:
    """Return what `/v1/models` says that output costs this key, in dollars a token."""
    connection = http.client.HTTPConnection("127.0.0.1", house.api_port, timeout=20)
    connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
    answer = msgspec.json.decode(connection.getresponse().read())
    connection.close()
    one = answer["data"][0] if "data" in answer else answer
    return str(one["pricing"]["completion"])


def test_a_price_is_in_force_in_every_gateway_when_it_was_accepted(
    house: Installed,
) -> None:
    usual, kept = house.organization("usual"), house.organization("kept")
    before = [house.ask(usual).cost_nusd for _ in range(6)]
    assert len(set(before)) == 1
    house.manage("POST", "/organizations/kept/price-pin", {"ends_at_ms": FAR_MS})
    accept(house, "0.30")
    after = [house.ask(usual).cost_nusd for _ in range(6)]
    pinned = [house.ask(kept).cost_nusd for _ in range(6)]
    assert len(set(after)) == 1
    assert 0 < after[0] < before[0]
    assert pinned == before
    assert {shown(house, usual) for _ in range(6)} == {"0.0000003"}
    assert {shown(house, kept) for _ in range(6)} == {"0.0000006"}
    assert shown(house, kept, "/v1/models") == "0.0000006"
    house.manage("POST", "/organizations/kept/price-pin", {"ends_at_ms": 0})
    assert [house.ask(kept).cost_nusd for _ in range(6)] == after
    assert shown(house, kept) == "0.0000003"


def test_a_gateway_that_starts_later_sells_what_is_in_force(house: Installed) -> None:
    key = house.organization("later")
    accept(house, "0.10")
    now = house.ask(key).cost_nusd
    (first, *_) = old = house.supervisor.pids
    end(first)
    wait_until(
        lambda: first not in house.supervisor.pids and all(house.supervisor.pids),
        30,
        "the gateway is replaced",
    )
    assert house.supervisor.pids != old
    assert {house.ask(key).cost_nusd for _ in range(6)} == {now}
