"""A key reads itself, its credit and its receipts, as clients of OpenRouter do."""

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.journeys import crowd
from tests.journeys.patience import wait_until
from tests.journeys.raw_http import Reply, get, hello, hello_claude, post
from tests.journeys.serving import House, Key, number_at, text_at

if TYPE_CHECKING:
    from troth.gateway.exchange import Fields


def data_of(reply: Reply) -> dict[str, object]:
    assert reply.status == 200, reply.raw
    found = reply.fields["data"]
    assert isinstance(found, dict)
    return dict(found)


def test_a_generation_is_found_by_the_id_of_its_answer(house: House) -> None:
    key, other = house.key(), house.key()
    asked = [post(house.address, key.text, hello()), _claude(house, key)]
    for reply in asked:
        request = reply.headers["x-request-id"]
        receipt = house.receipt(key, request)
        for name in (text_at(reply.fields, "id"), request):
            path = f"/api/v1/generation?id={name}"
            found = data_of(get(house.address, key.text, path))
            assert found["id"] == request
            cost = found["total_cost"]
            assert isinstance(cost, float)
            assert round(cost * 1e9) == receipt["charged_nusd"]
            assert get(house.address, other.text, path).status == 404


def _claude(house: House, key: Key) -> Reply:
    reply = post(house.address, key.text, hello_claude(), "/v1/messages")
    assert reply.status == 200
    return reply


def test_credits_and_key_add_up_to_the_receipts(house: House) -> None:
    key = house.key(credit_usd="2", day_limit_usd="0.5")
    for _ in range(3):
        request = post(house.address, key.text, hello()).headers["x-request-id"]
        house.receipt(key, request)
    page = get(house.address, key.text, "/v1/receipts?limit=2")
    receipts = page.fields["data"]
    assert isinstance(receipts, list)
    assert (len(receipts), page.fields["has_more"]) == (2, True)
    rest = get(house.address, key.text, f"/v1/receipts?after={page.fields['after']}")
    more = rest.fields["data"]
    assert isinstance(more, list)
    total = sum(number_at(each, "charged_nusd") for each in [*receipts, *more])
    assert len(more) == 1
    assert total > 0
    found = get(house.address, key.text, "/v1/credits")
    assert data_of(found)["total_credits"] == 2
    assert number_at(found.fields, "x_troth", "posted_nusd") == 2 * 10**9 - total
    mine = data_of(get(house.address, key.text, "/v1/key"))
    assert (mine["limit"], mine["limit_reset"]) == (0.5, "daily")
    used = mine["usage"]
    assert isinstance(used, float)
    assert round(used * 1e9) == total


def test_a_key_may_be_kept_from_the_wallet(house: House) -> None:
    key = house.key(may_read_wallet=False)
    assert get(house.address, key.text, "/v1/credits").status == 403
    assert get(house.address, key.text, "/v1/key").status == 200


@pytest.mark.parametrize("source", ["key_budget", "project_budget", "org_budget"])
def test_a_budget_stops_with_its_owner_s_name(house: House, source: str) -> None:
    plain = house.key(credit_usd="5")
    house.manage("POST", f"/organizations/{plain.org}/projects", {"name": "lab"})
    asked: Fields = {"name": "k", "project": "lab"}
    made = house.manage("POST", f"/organizations/{plain.org}/keys", asked)
    key = Key(text_at(made, "text"), text_at(made, "ref"), plain.org)
    owner: Fields = {}
    if source == "key_budget":
        owner = {"key": key.ref}
    elif source == "project_budget":
        owner = {"project": "lab"}
    limit: Fields = {"limit_usd": "0.001", "period": "total", **owner}
    house.manage("POST", f"/organizations/{key.org}/budgets", limit)
    used = 0

    def is_stopped() -> bool:
        nonlocal used
        reply = post(house.address, key.text, hello("fill", max_tokens=10))
        if reply.status == 200:
            used += int(reply.headers["x-troth-cost-nusd"])
            return False
        assert reply.status == 402
        ours = reply.error["x_troth"]
        return text_at(ours, "limit_source") == source

    wait_until(is_stopped, 20, "the budget is used up")
    assert 0 < used <= 1_000_000
    others = post(house.address, plain.text, hello("fill", max_tokens=10))
    assert others.status == (402 if source == "org_budget" else 200)
    dropping: Fields = {"period": "total", **owner}
    house.manage("POST", f"/organizations/{key.org}/budgets/drop", dropping)
    assert post(house.address, key.text, hello("fill", max_tokens=10)).status == 200


def test_hundreds_of_callers_do_not_pass_a_budget_of_their_organization(house: House) -> None:
    key = house.key(credit_usd="5")
    limit: Fields = {"limit_usd": "0.01", "period": "month"}
    house.manage("POST", f"/organizations/{key.org}/budgets", limit)
    ask = hello("fill", max_tokens=10)
    replies = asyncio.run(
        crowd.all_at_once(300, lambda _: crowd.asked(house.address, key.text, ask))
    )
    assert {reply.status for reply in replies} == {200, 402}
    charged = sum(
        int(reply.headers["x-troth-cost-nusd"]) for reply in replies if reply.status == 200
    )
    assert 0 < charged <= 10_000_000
    assert house.posted(key) == 5 * 10**9 - charged
    listed = house.manage("GET", f"/budgets?organization={key.org}")
    assert isinstance(listed, list)
    assert [number_at(each, "used_nusd") for each in listed] == [charged]
