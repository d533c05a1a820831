"""A key that was revoked works nowhere; what it had begun may end."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tests.journeys import crowd
from tests.journeys.patience import wait_until
from tests.journeys.raw_http import events, get, hello, post
from tests.journeys.serving import House

CONNECTIONS = 32
"""So many that every gateway process gets some."""


def statuses(house: House, text: str) -> set[int]:
    async def all_of_them() -> set[int]:
        replies = await crowd.all_at_once(
            CONNECTIONS, lambda _: crowd.asked(house.address, text, hello("words-3"))
        )
        return {reply.status for reply in replies}

    return asyncio.run(all_of_them())


def test_a_revoked_key_stops_everywhere_once_that_is_in_force(house: House) -> None:
    key = house.key()
    assert statuses(house, key.text) == {200}
    house.revoke(key)  # it answers when all gateways have said that it is in force
    assert statuses(house, key.text) == {401}
    assert get(house.address, key.text, "/v1/models").status == 401


def test_a_stream_that_had_begun_may_end(house: House) -> None:
    key = house.key()
    house.twin.forget()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, house.address, key.text, hello("drip-200", stream=True))
        wait_until(lambda: house.twin.seen("drip-200") != [], 20, "the stream has begun")
        house.revoke(key)
        reply = running.result()
    assert events(reply)[-1] == "[DONE]"
    assert post(house.address, key.text, hello()).status == 401


def test_a_new_key_works_at_once(house: House) -> None:
    for _ in range(5):
        key = house.key()
        assert statuses(house, key.text) == {200}


def test_limits_of_a_key_hold_across_processes(house: House) -> None:
    key = house.key(requests_per_minute=20)

    async def story() -> list[int]:
        replies = await crowd.all_at_once(
            100, lambda _: crowd.asked(house.address, key.text, hello("words-3"))
        )
        return [reply.status for reply in replies]

    found = asyncio.run(story())
    assert set(found) == {200, 429}
    assert 15 <= found.count(200) <= 25


def test_a_key_serves_its_own_models_only(house: House) -> None:
    key = house.key(models=["chat"])
    assert post(house.address, key.text, hello()).status == 200
    assert post(house.address, key.text, hello("words-3")).error["code"] == "model_not_found"
    listed = get(house.address, key.text, "/v1/models").fields["data"]
    assert isinstance(listed, list)
    assert [one["id"] for one in listed if isinstance(one, dict)] == ["chat"]


def test_a_key_bound_to_other_addresses_is_refused(house: House) -> None:
    key = house.key(networks=["192.0.2.0/24"])
    assert post(house.address, key.text, hello()).error["code"] == "ip_not_allowed"


def test_a_spend_limit_of_a_key_is_402(house: House) -> None:
    key = house.key(day_limit_usd="0.001")
    spent = 0

    def is_used_up() -> bool:
        # While another gateway still has a part of it, a caller is told to wait and come back.
        nonlocal spent
        reply = post(house.address, key.text, hello("fill", max_tokens=10))
        if reply.status == 200:
            spent += int(reply.headers["x-troth-cost-nusd"])
            return False
        assert reply.status == 402
        ours = reply.error["x_troth"]
        assert isinstance(ours, dict)
        return ours["limit_source"] == "key_budget"

    wait_until(is_used_up, 20, "the limit is reached")
    assert 0 < spent <= 1_000_000
