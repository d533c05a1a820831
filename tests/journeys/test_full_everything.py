"""A machine whose disk is full to the last byte: journals, database and log at once."""

import os
import resource
import signal

from tests.journeys.patience import wait_until
from tests.journeys.raw_http import Reply, hello, post
from tests.journeys.serving import House, children_of, command_line
from tests.journeys.test_killed_gateway import told_cost

CREDIT_NUSD = 10**9
ASK = hello("words-3", max_tokens=20)
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
FULL = (0, resource.RLIM_INFINITY)


def limit(house: House, size: tuple[int, int]) -> None:
    """Set how large a file may become, for the supervisor and for whom it starts."""
    supervisor = house.pids()[0]
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, size)
    for pid in children_of(supervisor):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, size)


def control_pid(house: House) -> int:
    return next(
        pid for pid in children_of(house.pids()[0]) if b"control_process" in command_line(pid)
    )


def kill(house: House, pid: int) -> None:
    """Kill a child, and wait until another was started in its place."""
    before = set(children_of(house.pids()[0]))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: bool(set(children_of(house.pids()[0])) - before), 20, "it is replaced")


def test_a_full_disk_ends_nothing_for_good(own_house: House) -> None:
    house = own_house
    key = house.key(credit_usd="1")
    replies: list[Reply] = []

    def asked() -> int:
        replies.append(post(house.address, key.text, ASK))
        return replies[-1].status

    assert [asked() for _ in range(4)] == [200] * 4
    limit(house, FULL)
    assert {asked() for _ in range(20)} <= {200, 503}
    kill(house, house.gateway_pids()[0])
    assert asked() in {200, 503}
    kill(house, control_pid(house))
    os.kill(house.pids()[0], signal.SIGHUP)
    assert asked() in {200, 503}
    limit(house, UNLIMITED)
    wait_until(lambda: len(house.gateway_pids()) == 2, 20, "both gateways are back")
    wait_until(lambda: asked() == 200, 20, "it serves again")
    wallet = house.settled(key, within=60)
    receipts = house.receipts(key)
    told = {
        reply.headers["x-request-id"]: cost
        for reply in replies
        if (cost := told_cost(reply)) is not None
    }
    assert receipts == told
    assert wallet.posted_nusd == wallet.available_nusd == CREDIT_NUSD - sum(told.values())
