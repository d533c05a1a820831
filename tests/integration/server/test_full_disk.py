"""A disk without space: callers are told so before a provider is, nothing is lost, and it passes.

The double of a full disk is the limit of how large a file a process may make: any more is refused
by the system as it would be for want of space.
"""

import resource
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.builders.installation import Installed, standing
from tests.journeys.catalog import Row, providers
from tests.journeys.patience import Stopwatch, wait_until
from tests.journeys.raw_http import Reply, hello, hello_claude, post
from tests.journeys.serving import TwinView
from troth.proof.twin import children
from troth.server import settings as all_settings
from troth.server.settings import Flags, JournalSettings

CREDIT_NUSD = 5 * 10**9
SMALL = 16 * 1024
BACK_SECONDS = 5
MOST = 400


@pytest.fixture(scope="module")
def twin() -> Iterator[TwinView]:
    child = children.mock_provider()
    try:
        yield TwinView(child.address(20))
    finally:
        child.stop()


@pytest.fixture
def house(twin: TwinView, tmp_path: Path) -> Iterator[Installed]:
    """An installation whose journal is full after a few dozen requests."""
    rows = (Row("words", "twin", "words-3"), Row("claude", "twin-claude", "words-3"))
    config = tmp_path / "troth.toml"
    config.write_text(
        '[server]\nbind = "127.0.0.1:0"\ncontrol_bind = "127.0.0.1:0"\ngateways = 1\n'
        f'[data]\nfolder = "{tmp_path / "data"}"\n'
        + providers(twin.address)
        + "".join(row.toml() for row in rows)
    )
    found = all_settings.read(Flags(str(config)), {}).settings
    twin.forget()
    with standing(msgspec.structs.replace(found, journal=JournalSettings(SMALL))) as one:
        yield one


class Caller:
    """Asks, and remembers what each answer cost."""

    def __init__(self, house: Installed) -> None:
        self.key = house.organization("acme")
        self.costs: dict[str, int] = {}
        self._house = house
        self._address = f"http://127.0.0.1:{house.api_port}"

    def ask(self, *, is_claude: bool = False, stream: bool = False) -> Reply:
        make, path = (
            (hello_claude, "/v1/messages") if is_claude else (hello, "/v1/chat/completions")
        )
        model = "claude" if is_claude else "words"
        reply = post(self._address, self.key, make(model, stream=stream, max_tokens=20), path)
        if reply.status == 200 and not stream:
            cost = int(reply.headers["x-troth-cost-nusd"])
            self.costs[reply.headers["x-request-id"]] = cost
        return reply

    def until(self, status: int) -> Reply:
        """Ask until the answer is of this status."""
        for _ in range(MOST):
            reply = self.ask()
            if reply.status == status:
                return reply
        raise AssertionError(f"no {status} in {MOST} requests")


def fill(pid: int) -> None:
    """Let a process make no file any larger."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def free(pid: int) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)


def check_sums(house: Installed, caller: Caller, twin: TwinView) -> None:
    """Each answer was paid as it said, nothing else was, and no provider worked for nothing."""
    wait_until(lambda: house.wallet("acme").held_nusd == 0, 40, "the leases are back")
    left = house.wallet("acme")
    assert left.posted_nusd == left.available_nusd == CREDIT_NUSD - sum(caller.costs.values())
    assert len(twin.seen()) == len(caller.costs)


def test_a_full_journal_refuses_before_the_provider_and_passes(
    house: Installed, twin: TwinView
) -> None:
    caller = Caller(house)
    caller.until(200)
    gateway = house.supervisor.pids[0]
    fill(gateway)
    refused = caller.until(503)
    assert refused.error["code"] == "overloaded"
    assert refused.error["type"] == "server_error"
    assert "no space" in str(refused.error["message"])
    assert "Send it again" in str(refused.error["message"])
    assert int(refused.headers["retry-after"]) >= 1
    assert "x-should-retry" not in refused.headers
    assert caller.ask(stream=True).status == 503
    other = caller.ask(is_claude=True)
    assert (other.status, other.error["type"]) == (529, "overloaded_error")
    assert "no space" in str(other.error["message"])
    wait_until(lambda: house.get(house.api_port, "/readyz")[0] == 503, 3, "it says it is not ready")
    free(gateway)
    watch = Stopwatch()
    wait_until(lambda: caller.ask().status == 200, BACK_SECONDS, "it serves again")
    assert watch.seconds <= BACK_SECONDS
    wait_until(lambda: house.get(house.api_port, "/readyz")[0] == 200, 3, "it says it is ready")
    check_sums(house, caller, twin)


def test_a_full_database_disk_loses_nothing_and_passes(house: Installed, twin: TwinView) -> None:
    caller = Caller(house)
    caller.until(200)
    control = house.supervisor.control_pid
    fill(control)
    served = [caller.ask().status for _ in range(20)]
    assert set(served) <= {200, 503}
    wait_until(lambda: house.get(house.control_port, "/readyz")[0] == 503, 10, "it is not ready")
    with pytest.raises(AssertionError, match=r"storage_full.*disk is full"):
        house.manage("POST", "/organizations", {"name": "other"})
    free(control)
    wait_until(lambda: caller.ask().status == 200, BACK_SECONDS, "it serves again")
    wait_until(lambda: house.get(house.control_port, "/readyz")[0] == 200, BACK_SECONDS, "is ready")
    assert house.manage("POST", "/organizations", {"name": "other"}).ref
    check_sums(house, caller, twin)
    assert house.supervisor.control_pid == control
