"""The shipped teller and shards, driven step by step as the model says, and read in its terms."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.builders.money_world import GatewayProcess, MoneyWorld
from tests.simulation import lease_state as f
from tests.simulation.lease_payments import PAYMENT
from tests.simulation.lease_state import State, World
from tests.simulation.lease_world import Step
from troth.control.budgets import Mode, Rule, set_rule
from troth.kernel.periods import Period
from troth.ledger import books
from troth.ledger.books import LotKind, OperatorBook, Outgoing, wallet_purse
from troth.ledger.books.chain import MS_OF_DAY
from troth.ledger.shard import Short
from troth.ledger.shard.messages import (
    CloseSeat,
    Lease,
    LeaseAsk,
    LeaseReturn,
    Orphan,
    Posting,
    Recall,
    Returned,
)
from troth.ledger.shard.purse import Purse
from troth.store.engine import Store

KEY_BUDGET: Final = b"k" + bytes(16)
SMALL_WALLET: Final = 50
"""A usual reservation so big that each wallet of the model is small: it lends what is asked."""
FAR_MS: Final = 10**15


class Shipped:
    """A world of the model, built of what is shipped. Messages wait here for their step."""

    def __init__(self, world: World, store: Store, folder: Path) -> None:
        self.model = world
        self.money = MoneyWorld(store, folder)
        self.org = self.money.organization(world.bought)
        self.purses = [wallet_purse(self.org), KEY_BUDGET][: len(world.purses)]
        now_ms = self.money.clock.now_ms()
        self._first_day = now_ms // MS_OF_DAY
        if world.gift:
            gift = books.Credit("gift", self.org, LotKind.PROMO, world.gift, FAR_MS)
            with store.write() as tx:
                books.credit(tx, gift, 0, now_ms)
        if world.limit:
            with store.write() as tx:
                rule = Rule(KEY_BUDGET, Period.DAY, "UTC", Mode.HARD, world.limit)
                set_rule(tx, rule, now_ms)
        self.seats = {
            seat: self.money.gateway(slot) for slot, seat in enumerate(f.SEATS[: world.seats])
        }
        self.up: dict[int, LeaseAsk | LeaseReturn] = {}
        self.old: dict[int, LeaseAsk | LeaseReturn] = {}
        self.down: dict[int, Lease | Returned] = {}
        self.owed: dict[int, Posting] = {}
        self.steps: dict[str, Callable[[int, tuple[int, ...]], None]] = {
            "ask": self.ask, "give": self.give, "take": self.take, "take old": self.take_old,
            "time out": self.time_out, "hear": self.hear, "admit": self.admit,
            "extend": self.extend, "settle": self.settle, "abort": self.abort, "post": self.post,
            "break link": self.break_link, "kill": self.kill, "close": self.close,
            "start": self.start, "reclaim": self.reclaim, "restart desk": self.restart,
            "pay": self.pay, "credit": self.credit, "turn": self.turn,
        }  # fmt: skip

    def do(self, step: Step) -> None:
        """Do what a step of the model says."""
        self.steps[step.name](step.place, step.how)

    def purse(self, at: int) -> Purse:
        """Return a process's purse, as it holds it."""
        process = self.seats[f.SEAT_OF[at]]
        return process.shard._leases.purse(self.purses[f.PURSE_OF[at]])

    # --- messages

    def ask(self, at: int, how: tuple[int, ...]) -> None:
        shard = self.seats[f.SEAT_OF[at]].shard
        purse = self.purse(at)
        if how[0]:
            shard._leases.note_need(purse, how[0], how[0])
            purse.bound = SMALL_WALLET
        wanting = shard._leases._wanting
        kept = {key: each for key, each in wanting.items() if each is not purse}
        shard._leases._wanting = {purse.id: purse}
        (self.up[at],) = shard.wanted()
        shard._leases._wanting = kept

    def give(self, at: int, _how: tuple[int, ...]) -> None:
        shard = self.seats[f.SEAT_OF[at]].shard
        purse = self.purse(at)
        giving = {key: each for key, each in shard._leases._giving.items() if each is not purse}
        shard._leases._giving = {purse.id: purse}
        (self.up[at],) = shard.idle()
        shard._leases._giving = giving

    def take(self, at: int, _how: tuple[int, ...]) -> None:
        self.send(self.tell(at, self.up.pop(at)))

    def take_old(self, at: int, _how: tuple[int, ...]) -> None:
        own = self.seats[f.SEAT_OF[at]].seat
        self.send([each for each in self.tell(at, self.old.pop(at)) if each[0] != own])

    def tell(self, at: int, message: LeaseAsk | LeaseReturn) -> list[Outgoing]:
        seat = self.seats[f.SEAT_OF[at]].seat
        with self.money.store.write() as tx:
            return self.money.teller.receive(tx, seat, message, self.money.clock.now_ms())

    def send(self, sent: Sequence[Outgoing]) -> None:
        for seat, message in sent:
            for place, process in self.seats.items():
                if process.seat != seat or isinstance(message, Recall):
                    if process.seat == seat:
                        process.shard.apply(message)
                elif isinstance(message, Lease | Returned):
                    self.down[f.lease(place, self.purses.index(message.purse))] = message

    def time_out(self, at: int, _how: tuple[int, ...]) -> None:
        purse = self.purses[f.PURSE_OF[at]]
        teller = self.money.teller
        with self.money.store.write() as tx:
            sent = teller._serve(tx, purse, teller._queues[purse][0].due_ms)
        self.send(sent)

    def hear(self, at: int, _how: tuple[int, ...]) -> None:
        self.seats[f.SEAT_OF[at]].shard.apply(self.down.pop(at))

    # --- requests

    def admit(self, r: int, how: tuple[int, ...]) -> None:
        slot, want = how
        shard = self.seats[f.SEATS[slot]].shard
        assert shard.admit(name(r), tuple(self.purses), want, want) == want

    def is_refused(self, r: int, slot: int, want: int) -> bool:
        """Tell whether a reservation is refused, and forget that it was asked for."""
        shard = self.seats[f.SEATS[slot]].shard
        found = shard.admit(b"refused" + name(r)[7:], tuple(self.purses), want, want)
        for purse in map(shard._leases.purse, self.purses):
            purse.need = purse.least = purse.bound = 0
            if not purse.is_unsure:
                shard._leases._wanting.pop(purse.id, None)
        return isinstance(found, Short)

    def process_of(self, r: int) -> GatewayProcess:
        return next(each for each in self.seats.values() if each.shard.is_open(name(r)))

    def extend(self, r: int, _how: tuple[int, ...]) -> None:
        assert self.process_of(r).shard.extend(name(r), 1) is None

    def settle(self, r: int, how: tuple[int, ...]) -> None:
        shard = self.process_of(r).shard
        charge = shard._open[name(r)].amount + how[0] - 1
        assert shard.cover(name(r), charge) == charge
        shard.settle(name(r), charge, b"record")
        number, body = shard._unsent[-1]
        self.owed[r] = Posting(shard.seat, number, number, [body])

    def abort(self, r: int, _how: tuple[int, ...]) -> None:
        self.process_of(r).shard.abort(name(r))

    def post(self, r: int, _how: tuple[int, ...]) -> None:
        """Post a settlement, and once more: the second time changes nothing."""
        for _ in range(2):
            with self.money.store.write() as tx:
                now_ms = self.money.clock.now_ms()
                self.money.teller.receive(tx, self.owed[r].seat, self.owed[r], now_ms)

    # --- links and lives

    def break_link(self, seat: int, how: tuple[int, ...]) -> None:
        process = self.seats[seat]
        self.lose(seat, is_kept=how[0])
        process.shard.lost()
        self.money.teller.left(process.seat)
        with self.money.store.write() as tx:
            self.money.teller.resume(tx, process.seat, self.money.clock.now_ms())

    def lose(self, seat: int, *, is_kept: int) -> None:
        for at in (f.lease(seat, purse) for purse in self.model.purses):
            message = self.up.pop(at, None)
            if is_kept and message is not None:
                self.old[at] = message
            self.down.pop(at, None)

    def kill(self, seat: int, _how: tuple[int, ...]) -> None:
        self.lose(seat, is_kept=1)
        self.seats[seat].kill()

    def close(self, seat: int, _how: tuple[int, ...]) -> None:
        process = self.seats[seat]
        orphans = [Orphan(key, held.amount) for key, held in process.shard._open.items()]
        with self.money.store.write() as tx:
            message = CloseSeat(process.seat, orphans)
            sent = self.money.teller.receive(tx, process.seat, message, self.money.clock.now_ms())
        self.send(sent)

    def start(self, seat: int, _how: tuple[int, ...]) -> None:
        for at in (f.lease(seat, purse) for purse in self.model.purses):
            self.old.pop(at, None)
        self.seats[seat] = self.money.gateway(f.SEATS.index(seat))

    def reclaim(self, seat: int, _how: tuple[int, ...]) -> None:
        with self.money.store.write() as tx:
            silent = "UPDATE seat SET valid_until = 0 WHERE id = ?"
            tx.execute(silent, (self.seats[seat].seat,))
            sent = self.money.teller.reclaim(tx, self.money.clock.now_ms())
        self.send([each for each in sent if each[0] != self.seats[seat].seat])

    def restart(self, _place: int, _how: tuple[int, ...]) -> None:
        self.money.teller = self.money.new_teller()
        self.old.clear()
        with self.money.store.write() as tx:
            for process in self.seats.values():
                if process.seat in self.money.gateways:
                    self.money.teller.resume(tx, process.seat, self.money.clock.now_ms())

    # --- payments and time

    def pay(self, _place: int, _how: tuple[int, ...]) -> None:
        """The books do not know yet."""

    def credit(self, _place: int, _how: tuple[int, ...]) -> None:
        self.money.credit(self.org, PAYMENT)

    def turn(self, _place: int, _how: tuple[int, ...]) -> None:
        clock = self.money.clock
        clock.advance(MS_OF_DAY)
        for process in self.seats.values():
            process.shard.beat(clock.monotonic_ns())
        with self.money.store.write() as tx:
            self.money.teller.renew(tx, clock.now_ms())

    # --- how it stands

    def differences(self, state: State) -> list[str]:
        """Return in what a state of the model is not how the shipped code stands."""
        told = {**self._told_books(state), **self._told_seats(state)}
        found = {**self._books(), **self._seats(state)}
        return [
            f"{key}: model {told.get(key)}, shipped {found.get(key)}"
            for key in sorted(told.keys() | found.keys())
            if told.get(key) != found.get(key)
        ]

    def _told_books(self, state: State) -> dict[str, object]:
        told: dict[str, object] = {
            "wallet": tuple(state[0:3]),
            "lots": (state[f.GIFT], state[f.BOUGHT]),
            "operator": state[f.OPERATOR],
            "revenue": state[f.CHARGED] + state[f.OPERATOR],
        }
        if self.model.limit:
            told["budget epoch"] = state[f.ROW + f.EPOCHS]
            for number in range(1, 2 + state[f.PERIOD]):
                base = number * f.ROW
                told[f"budget {number}"] = (state[base], state[base + f.HELD])
        return told

    def _books(self) -> dict[str, object]:
        with self.money.store.read() as tx:
            wallet = tx.row(
                "SELECT posted, held, epoch FROM book WHERE id = ?", (self.purses[0],),
                tuple[int, int, int],
            )  # fmt: skip
            lots = books.lots(tx, self.org)
            found: dict[str, object] = {
                "wallet": wallet,
                "lots": tuple(
                    sum(lot.rest for lot in lots if (lot.kind is LotKind.PAID) is is_paid)
                    for is_paid in (False, True)
                ),
                "operator": -books.balance(tx, OperatorBook.ORPHAN),
                "revenue": books.balance(tx, OperatorBook.REVENUE),
            }
            if self.model.limit:
                epoch = "SELECT epoch FROM budget_rule"
                (found["budget epoch"],) = tx.rows(epoch, (), tuple[int])[0]
                day = self.money.clock.now_ms() // MS_OF_DAY
                rows = tx.rows(
                    "SELECT starts_at, limit_nusd - spent, held FROM budget", (),
                    tuple[int, int, int],
                )  # fmt: skip
                first = self._first_day
                for number in range(1, 2 + day - first):
                    found[f"budget {number}"] = (self.model.limit, 0)
                for starts_at, rest, held in rows:
                    found[f"budget {1 + starts_at // MS_OF_DAY - first}"] = (rest, held)
        return found

    def _told_seats(self, state: State) -> dict[str, object]:
        told: dict[str, object] = {}
        for seat in self.seats:
            told[f"{seat} open"] = bool(state[seat + f.OPEN])
            for at in (f.lease(seat, purse) for purse in self.model.purses):
                told[f"{at} lease"] = tuple(state[at + f.LENT : at + f.SETTLED + 1])
                told[f"{at} waits"] = bool(state[at + f.WAITS])
                if state[seat + f.RUNS]:
                    told[f"{at} process"] = tuple(state[at + f.EPOCH : at + f.UNSURE + 1])
        return told

    def _seats(self, state: State) -> dict[str, object]:
        found: dict[str, object] = {}
        with self.money.store.read() as tx:
            rows = tx.rows(
                "SELECT purse, seat, epoch, granted, settled FROM lease", (),
                tuple[bytes, bytes, int, int, int],
            )  # fmt: skip
            ended = tx.rows("SELECT id FROM seat WHERE closed_at IS NOT NULL", (), tuple[bytes])
        leases = {(purse, seat): tuple(rest) for purse, seat, *rest in rows}
        for seat, process in self.seats.items():
            found[f"{seat} open"] = (process.seat,) not in ended
            for number, purse in enumerate(self.purses):
                at = f.lease(seat, number)
                queue = self.money.teller._queues.get(purse, ())
                found[f"{at} lease"] = leases.get((purse, process.seat), (0, 0, 0))
                found[f"{at} waits"] = any(each.seat == process.seat for each in queue)
                if state[seat + f.RUNS]:
                    held = self.purse(at)
                    found[f"{at} process"] = (
                        held.epoch, held.granted, held.spent, held.free, held.op, held.is_unsure,
                    )  # fmt: skip
        return found


def name(r: int) -> bytes:
    """Return a request's reservation."""
    return b"request" + r.to_bytes(9, "big")
