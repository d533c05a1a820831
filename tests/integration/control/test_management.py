"""The management API itself: who calls, what a fault says, what gateways are told."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from troth.cli.client import Client, Found, Refused, Unreachable
from troth.control import audit
from troth.server.management import application
from troth.server.management.telling import changed
from troth.server.management_socket import ManagementServer
from troth.server.office import Office, Told
from troth.server.shown import Changed, ShownKey, State
from troth.store.transaction import Locked


class Gateways:
    """Gateways that note what they are told, and answer as they are set to."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.called_back: list[bytes] = []
        self.answer = Told(confirmed=2)

    def refresh(self, public_ids: Sequence[str], orgs: Sequence[str]) -> Told:
        self.told.append((tuple(public_ids), tuple(orgs)))
        return self.answer

    def call_back(self, purse: bytes) -> None:
        self.called_back.append(purse)


@pytest.fixture
def gateways() -> Gateways:
    return Gateways()


@pytest.fixture
def client(office: Office, gateways: Gateways, tmp_path: Path) -> Iterator[Client]:
    served = msgspec.structs.replace(office, gateways=gateways)
    path = tmp_path / "m.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(served), listener)
        server.start()
        yield Client(path)
        server.stop()


def test_a_change_names_the_uid_of_its_caller(client: Client, office: Office) -> None:
    client.post("organizations", body={"name": "Ada"})
    with office.store.read() as tx:
        (entry,) = audit.recent(tx, 9)
    assert entry.uid == os.getuid()
    assert entry.at_ms == office.clock.now_ms()


def test_gateways_are_told_after_each_change(client: Client, gateways: Gateways) -> None:
    client.post("organizations", body={"name": "R&D / Lab"})
    made = msgspec.json.decode(
        client.post("organizations", "R&D / Lab", "keys", body={"name": "k"}), type=ShownKey
    )
    client.post("keys", made.ref, "revoke")
    public_id = made.prefix.removeprefix("sk-troth-")
    assert gateways.told == [
        ((), (made.organization,)),
        ((public_id,), ()),
        ((public_id,), ()),
    ]


def test_a_budget_is_told_for_each_key_that_draws_on_it_and_called_back(
    client: Client, gateways: Gateways, office: Office
) -> None:
    client.post("organizations", body={"name": "Ada"})
    client.post("organizations", "Ada", "projects", body={"name": "lab"})
    inside = msgspec.json.decode(
        client.post("organizations", "Ada", "keys", body={"name": "a", "project": "lab"}),
        type=ShownKey,
    )
    outside = msgspec.json.decode(
        client.post("organizations", "Ada", "keys", body={"name": "b"}), type=ShownKey
    )
    ids = [key.prefix.removeprefix("sk-troth-") for key in (inside, outside)]
    gateways.told.clear()
    asked: dict[str, str | int] = {"limit_usd": "5", "period": "month"}
    client.post("organizations", "Ada", "budgets", body=asked)
    client.post("organizations", "Ada", "budgets", body={**asked, "project": "lab"})
    client.post("organizations", "Ada", "budgets", body={**asked, "key": ids[1]})
    told = [set(public_ids) for public_ids, _ in gateways.told]
    assert told == [set(ids), {ids[0]}, {ids[1]}]
    assert [purse[:1] for purse in gateways.called_back] == [b"o", b"p", b"k"]
    del asked["limit_usd"]
    client.post("organizations", "Ada", "budgets", "drop", body=asked)
    with office.store.read() as tx:
        (kept, other) = tx.rows("SELECT kind FROM budget_owner ORDER BY kind", (), tuple[str])
    assert (kept, other) == (("key",), ("project",))


def test_a_budget_that_cannot_be_names_its_field(client: Client) -> None:
    client.post("organizations", body={"name": "Ada"})
    wrong: tuple[tuple[dict[str, str | int], str], ...] = (
        ({"limit_usd": "-5", "period": "month"}, "'limit_usd'"),
        ({"limit_usd": "5", "period": "year"}, "'period'"),
        ({"limit_usd": "5", "period": "month", "mode": "soft"}, "'mode'"),
        ({"limit_usd": "5"}, "'period'"),
    )
    for body, field in wrong:
        with pytest.raises(Refused) as caught:
            client.post("organizations", "Ada", "budgets", body=body)
        assert field in caught.value.message
        assert "soft" not in caught.value.message


def test_a_budget_of_more_keys_than_a_message_has_room_for_is_told_in_parts(
    office: Office, gateways: Gateways
) -> None:
    gateways.answer = Told(confirmed=1, silent=(1,), until_ms=5)
    served = msgspec.structs.replace(office, gateways=gateways)
    reply = changed(served, "org_1", [str(number) for number in range(2_500)], ("org_1",))
    assert [len(ids) for ids, _ in gateways.told] == [1_000, 1_000, 500]
    assert [orgs for _, orgs in gateways.told] == [("org_1",), (), ()]
    said = msgspec.json.decode(reply.body, type=Changed)
    assert (said.is_in_force, said.confirmed, said.silent, said.until_ms) == (False, 1, (1,), 5)


def test_a_silent_gateway_is_named(client: Client, gateways: Gateways) -> None:
    client.post("organizations", body={"name": "Ada"})
    gateways.answer = Told(confirmed=1, silent=(1,), until_ms=1_800_000_030_000)
    changed = msgspec.json.decode(client.post("organizations", "Ada", "freeze"), type=Changed)
    assert not changed.is_in_force
    assert (changed.silent, changed.until_ms) == ((1,), 1_800_000_030_000)
    made = client.post("organizations", "Ada", "keys", body={"name": "k"})
    key = msgspec.json.decode(made, type=ShownKey)
    rotated = client.post("keys", key.ref, "rotate", body={"overlap_ms": 0})
    for shown in (key, msgspec.json.decode(rotated, type=ShownKey)):
        assert (shown.silent, shown.until_ms) == ((1,), 1_800_000_030_000)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "x" * 101}, "'name': give 1 to 100 printable characters"),
        ({"name": "a", "sekret": "swordfish"}, "'sekret': Extra inputs are not permitted"),
        ({"name": 7}, "'name': Input should be a valid string"),
        ({}, "'': Field required"),
    ],
)
def test_a_fault_names_the_field_and_never_the_value(
    client: Client, body: dict[str, str | int], said: str
) -> None:
    with pytest.raises(Refused) as caught:
        client.post("organizations", body=body)
    assert said in caught.value.message
    assert "swordfish" not in caught.value.message
    assert "xxx" not in caught.value.message


def test_the_state_tells_what_is_there(client: Client) -> None:
    client.post("organizations", body={"name": "Ada"})
    state = msgspec.json.decode(client.get("state"), type=State)
    assert (state.organizations, state.live_keys, state.is_serving) == (1, 0, False)
    assert "simulated" in state.models


def test_an_altered_list_of_changes_is_a_finding(client: Client, office: Office) -> None:
    client.post("organizations", body={"name": "Ada"})
    with office.store.write() as tx:
        tx.execute(
            "INSERT INTO audit_entry (n, at, uid, action, subject, other, amount, prev_hash, hash)"
            " SELECT n + 1, at, uid, action, subject, other, amount, hash, hash FROM audit_entry"
        )
    with pytest.raises(Found, match="audit entries are what they were"):
        client.post("ledger", "verify")


def test_a_busy_database_is_worth_another_try(office: Office, tmp_path: Path) -> None:
    class Busy:
        dialect = office.store.dialect

        def write(self) -> None:
            raise Locked

        read = write

    path = tmp_path / "b.sock"
    served = msgspec.structs.replace(office, store=Busy())
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.bind(str(path))
        listener.listen()
        server = ManagementServer(application(served), listener)
        server.start()
        with pytest.raises(Unreachable, match="The database is busy"):
            Client(path).get("organizations")
        server.stop()


def test_nobody_answers_on_a_socket_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="FileNotFoundError"):
        Client(tmp_path / "gone.sock").get("state")
