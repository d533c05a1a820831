"""The desk as gateways see it: a socket, a real database, and what a gateway would send."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from troth.catalog.load import Catalog
from troth.control import accounts, keys
from troth.control.audit import Actor
from troth.control.keys import Terms as KeyTerms
from troth.gateway.ports import Question, Reading
from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.log import Log
from troth.ledger import books
from troth.ledger.books import Credit, LotKind, Teller, TellerTerms
from troth.ledger.shard import messages as money
from troth.server.desk import Desk, Terms
from troth.server.messages import (
    BUILD,
    Applied,
    Beat,
    BudgetRefused,
    CatalogPart,
    Delta,
    Down,
    DownReader,
    Found,
    Hello,
    KeyAnswer,
    KeyAsk,
    KeysPart,
    Leaving,
    ReadAnswer,
    ReadAsk,
    Up,
    Welcome,
    frame,
    opened,
)
from troth.server.metrics import Metrics
from troth.server.records import write_usage
from troth.store import engine
from troth.store.engine import Store
from troth.store.transaction import Locked, Transaction

Kind = TypeVar("Kind")

DEPLOYMENT = bytes(range(16))
CLOCK = SystemClock()
MAKER = IdMaker(CLOCK)


class Caller:
    """A gateway's end of the link, read until what is waited for comes."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._ear = DownReader()
        self._heard: list[Down] = []

    def say(self, *messages: Up) -> None:
        for message in messages:
            self._socket.sendall(frame(message))

    def hear(self, kind: type[Kind]) -> Kind:
        """Return the next message of a kind; others are passed over."""
        while True:
            while self._heard:
                message = self._heard.pop(0)
                if isinstance(message, kind):
                    return message
            data = self._socket.recv(65_536)
            assert data, "the desk has hung up"
            self._heard += self._ear.feed(data)

    def is_cut(self) -> bool:
        """Read to the end."""
        while self._socket.recv(65_536):
            pass
        return True

    def close(self) -> None:
        self._socket.close()


class Office:
    """A desk over a database with one organization and one key."""

    def __init__(self, folder: Path, name: str = "acme") -> None:
        self.path = folder / "desk.sock"
        self.database = folder / "troth.db"
        self.store = engine.open(f"sqlite:///{self.database}")
        self.lines: list[bytes] = []
        self.metrics = Metrics()
        self.org = MAKER.raw()
        self.minted = keys.mint(MAKER, system_entropy)
        actor = Actor(0, CLOCK.now_ms())
        with self.store.write() as tx:
            organization = accounts.create(tx, actor, self.org, name)
            books.open_wallet(tx, self.org, organization.ref)
            books.credit(tx, Credit(name, self.org, LotKind.PAID, 10**9), 0, actor.at_ms)
            keys.issue(tx, actor, self.minted, (organization, KeyTerms("k")))
        teller = Teller(TellerTerms(), MAKER.raw, write_usage)
        terms = Terms(DEPLOYMENT, 1, 30, Catalog({}, (), "ps"), {"u": "secret"})
        log = Log(self.lines.append, CLOCK, "control")
        self.desk = Desk(self.store, teller, terms, self.metrics, clock=CLOCK, log=log)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self.desk.serve(self._listener)

    def close(self) -> None:
        self.desk.stop()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.store.close()

    @property
    def wallet(self) -> bytes:
        return books.wallet_purse(self.org)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with closing(Office(tmp_path)) as one:
        yield one


@pytest.fixture
def caller(office: Office) -> Iterator[Caller]:
    with closing(Caller(office.path)) as one:
        yield one


def seated(caller: Caller, seat: bytes = b"") -> bytes:
    """Say hello and open a seat."""
    caller.say(Hello(BUILD, 0, seat))
    if seat:
        return seat
    caller.say(money.OpenSeat(0))
    return caller.hear(money.SeatOpened).seat


def ask(office: Office, op: int, need: int) -> money.LeaseAsk:
    return money.LeaseAsk(
        op=op, purse=office.wallet, epoch=0, offer=0, need=need, least=need, bound=need, recent=0
    )


def test_a_gateway_is_told_all_it_must_know(office: Office, caller: Caller) -> None:
    caller.say(Hello(BUILD, 0, b""))
    assert caller.hear(Welcome).deployment == DEPLOYMENT
    assert caller.hear(Beat).at_ns <= CLOCK.monotonic_ns()
    assert [held.text for held in caller.hear(CatalogPart).credentials] == ["secret"]
    first = caller.hear(KeysPart)
    row = opened(first.keys[0].row)
    assert row.public_id == office.minted.public_id
    assert row.purses == (office.wallet,)
    assert b"$2" not in bytes(first.keys[0].row)
    assert len(caller.hear(KeysPart).orgs) == 1
    assert caller.hear(KeysPart).is_last


def test_another_build_is_turned_away(office: Office, caller: Caller) -> None:
    caller.say(Hello("another", 0, b""))
    assert caller.is_cut()
    assert b"LinkRefused" in office.lines[0]


def test_what_is_no_message_cuts_the_link_and_the_desk_goes_on(
    office: Office, caller: Caller
) -> None:
    with closing(Caller(office.path)) as odd:
        odd._socket.sendall(b"\xff\xff\xff\xffGET / HTTP/1.1\r\n")
        assert odd.is_cut()
    assert seated(caller)


def test_a_key_is_compared_with_its_hash(office: Office, caller: Caller) -> None:
    caller.say(Hello(BUILD, 0, b""))
    public_id = office.minted.public_id
    caller.say(KeyAsk(1, public_id, office.minted.text.reveal()))
    assert caller.hear(KeyAnswer) == KeyAnswer(1, is_valid=True)
    caller.say(KeyAsk(2, public_id, "sk-troth-other"))
    assert caller.hear(KeyAnswer) == KeyAnswer(2, is_valid=False)
    caller.say(KeyAsk(3, "unknown", office.minted.text.reveal()))
    assert caller.hear(KeyAnswer) == KeyAnswer(3, is_valid=False, is_known=False)


def test_the_desk_remembers_which_budgets_refused_until_it_is_asked(
    office: Office, caller: Caller
) -> None:
    before_ms = CLOCK.now_ms()
    purses = [b"k" + bytes([number]) * 16 for number in range(2)]
    seated(caller)
    caller.say(*[BudgetRefused(purse) for purse in purses], KeyAsk(1, "unknown", "x"))
    caller.hear(KeyAnswer)
    refused = office.desk.refused()
    assert sorted(refused) == purses
    assert all(before_ms <= at_ms <= CLOCK.now_ms() for at_ms in refused.values())
    assert office.desk.refused() == {}


def test_too_many_keys_at_once_are_told_to_come_back(office: Office, caller: Caller) -> None:
    caller.say(Hello(BUILD, 0, b""))
    asked = [KeyAsk(number, office.minted.public_id, "wrong") for number in range(400)]
    caller.say(*asked)
    answers = [caller.hear(KeyAnswer) for _ in asked]
    assert {answer.ask for answer in answers} == set(range(400))
    assert any(answer.is_busy for answer in answers)
    assert not any(answer.is_valid for answer in answers)


def test_a_receipt_that_is_not_there_is_missing(caller: Caller) -> None:
    question = Question(Reading.RECEIPT, "org", "key", "req_" + "0" * 32)
    caller.say(Hello(BUILD, 0, b""), ReadAsk(5, question))
    assert caller.hear(ReadAnswer) == ReadAnswer(5, Found.MISSING, b"")


class Away:
    """A database that does not answer."""

    def read(self) -> AbstractContextManager[None]:
        raise Locked


def test_a_database_that_is_away_is_told_to_who_asks(office: Office, caller: Caller) -> None:
    caller.say(Hello(BUILD, 0, b""))
    caller.hear(Welcome)
    office.desk._reads._store = Away()  # type: ignore[assignment]
    question = Question(Reading.RECEIPT, "org", "key", "req_" + "0" * 32)
    caller.say(ReadAsk(5, question), KeyAsk(6, office.minted.public_id, "any"))
    assert caller.hear(ReadAnswer) == ReadAnswer(5, Found.FAILED)
    answer = caller.hear(KeyAnswer)
    assert (answer.is_valid, answer.is_busy) == (False, True)


def test_a_lease_is_lent_and_comes_back_with_its_seat(office: Office, caller: Caller) -> None:
    seat = seated(caller)
    caller.say(ask(office, 1, 1_000))
    lease = caller.hear(money.Lease)
    assert lease.granted >= 1_000
    with office.store.read() as tx:
        wallet = books.wallet(tx, office.org)
    assert wallet is not None
    assert wallet.held == lease.granted
    caller.say(money.CloseSeat(seat, []))
    assert caller.hear(money.SeatClosed).seat == seat
    with office.store.read() as tx:
        assert books.wallet(tx, office.org) == books.Wallet(10**9, 0)


def test_a_gateway_that_lost_its_link_keeps_its_lease(office: Office) -> None:
    with closing(Caller(office.path)) as before:
        seat = seated(before)
        before.say(ask(office, 1, 1_000))
        granted = before.hear(money.Lease).granted
    with closing(Caller(office.path)) as after:
        seated(after, seat)
        after.say(ask(office, 2, 0))
        assert after.hear(money.Lease).granted == granted


def test_a_link_that_ends_late_leaves_the_one_that_took_its_place(office: Office) -> None:
    with closing(Caller(office.path)) as before, closing(Caller(office.path)) as after:
        seat = seated(before)
        seated(after, seat)
        after.say(ask(office, 1, 1_000))
        granted = after.hear(money.Lease).granted
        before.close()
        while len(office.desk._attending) > 1:
            after.hear(Beat)
        after.say(ask(office, 2, 0))
        assert after.hear(money.Lease).granted == granted


def test_a_desk_takes_leave_and_cuts_off_who_does_not_hang_up(
    office: Office, caller: Caller
) -> None:
    seated(caller)
    with closing(Caller(office.path)) as mute:
        seated(mute)
        office.desk.stop()
        for each in (caller, mute):
            assert each.hear(Leaving) == Leaving()
            assert each.is_cut()


def test_a_seat_that_ended_is_told_so(caller: Caller) -> None:
    caller.say(Hello(BUILD, 0, bytes(16)))
    assert caller.hear(money.SeatClosed).seat == bytes(16)


def test_a_change_is_told_at_once_and_waited_for(office: Office, caller: Caller) -> None:
    seated(caller)
    with office.store.write() as tx:
        keys.revoke(tx, Actor(0, CLOCK.now_ms()), office.minted.public_id)
    silent = office.desk.refresh((office.minted.public_id,), ())
    assert silent.silent == (0,)
    assert silent.until_ms > CLOCK.now_ms() + 25_000
    change = caller.hear(Delta)
    assert change.gone == [office.minted.public_id]
    caller.say(Applied(change.generation + 1))
    told = office.desk.refresh((), ())
    assert (told.confirmed, told.silent, told.until_ms) == (1, (), 0)


def test_a_locked_database_cuts_the_link_and_loses_nothing(office: Office) -> None:
    with closing(Caller(office.path)) as before:
        seat = seated(before)
        with closing(sqlite3.connect(office.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            before.say(ask(office, 1, 1_000))
            assert before.is_cut()
    assert any(b"DatabaseBusy" in line for line in office.lines)
    with closing(Caller(office.path)) as after:
        seated(after, seat)
        after.say(ask(office, 2, 1_000))
        assert after.hear(money.Lease).granted >= 1_000


class Uncommitted:
    """A database that fails at a commit when it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fails = False

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        with self._store.write() as transaction:
            yield transaction
            if self.fails:
                raise Locked

    def read(self) -> AbstractContextManager[Transaction]:
        return self._store.read()


def test_a_commit_that_fails_for_one_gateway_leaves_another_waiting_and_answered(
    office: Office, caller: Caller
) -> None:
    store = Uncommitted(office.store)
    office.desk._store = store  # type: ignore[assignment]
    seated(caller)
    caller.say(ask(office, 1, 10**9))
    assert caller.hear(money.Lease).granted == 10**9
    with closing(Caller(office.path)) as other:
        seated(other)
        other.say(ask(office, 1, 500))
        assert caller.hear(money.Recall).purse == office.wallet
        store.fails = True
        caller.say(money.LeaseReturn(2, office.wallet, 1, 1_000))
        assert caller.is_cut()
        store.fails = False
        answer = other.hear(money.Lease)
    assert (answer.op, answer.is_short) == (1, True)


def test_a_desk_that_comes_late_waits_for_the_gateways_of_the_one_before(tmp_path: Path) -> None:
    with closing(Office(tmp_path)) as before, closing(Caller(before.path)) as caller:
        seat = seated(caller)
    before.path.unlink()
    with closing(sqlite3.connect(before.database)) as books_file:
        books_file.execute("UPDATE seat SET valid_until = 1")
        books_file.commit()
    with closing(Office(tmp_path, "other")) as after, closing(Caller(after.path)) as caller:
        caller.say(Hello(BUILD, 0, b""))
        for _ in range(3):
            caller.hear(Beat)  # by now it has looked after whom it knows
        caller.say(Hello(BUILD, 0, seat), ask(after, 1, 1_000))
        assert caller.hear(money.Lease).granted >= 1_000


def test_a_rule_that_does_not_hold_stops_money_work(office: Office, caller: Caller) -> None:
    seated(caller)
    caller.say(money.Posting(bytes(16), 1, 1, []))
    assert caller.is_cut()
    assert office.desk.is_broken
    assert not office.desk.is_ready
