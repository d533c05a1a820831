"""Harmful changes to the real ledger, each of which the simulation must notice.

A mutant replaces one function; the names say what was forgotten.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import pytest
from msgspec import structs

from troth.ledger.books import lease, owed, posting
from troth.ledger.books import purse as purses
from troth.ledger.books.lease import Lent
from troth.ledger.books.owed import Owed
from troth.ledger.books.posting import WriteUsage
from troth.ledger.books.purse import Standing
from troth.ledger.books.teller import Outgoing, Teller
from troth.ledger.shard import records, shard
from troth.ledger.shard.journal import Journal
from troth.ledger.shard.leases import Leases
from troth.ledger.shard.messages import Ack, Lease, LeaseAsk, LeaseReturn, Posting, Returned
from troth.ledger.shard.purse import Block, Group, Purse
from troth.ledger.shard.records import Settlement
from troth.ledger.shard.replay import OldSeat
from troth.ledger.shard.shard import Shard
from troth.store.transaction import Transaction

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]


def no_seen_guard(patch: Patch) -> None:
    real = posting._unseen

    def unseen(tx: Transaction, settlements: list[Settlement], day: int) -> list[Settlement]:
        real(tx, settlements, day)
        return settlements

    patch.setattr(posting, "_unseen", unseen)


def no_epoch_fence_in_posting(patch: Patch) -> None:
    real = owed.owed

    def unfenced(tx: Transaction, seat: bytes, settlements: Sequence[Settlement]) -> Owed:
        now = {each.purse: each.epoch for each in lease.of_seat(tx, seat)}
        restamped = [
            structs.replace(
                each,
                purses=tuple((purse, now.get(purse, epoch)) for purse, epoch in each.purses),
            )
            for each in settlements
        ]
        return real(tx, seat, restamped)

    patch.setattr(posting, "owed", unfenced)


def unchecked_ask(patch: Patch) -> None:
    real = purses.stand

    def stand(tx: Transaction, purse: bytes, now_ms: int) -> Standing | None:
        found = real(tx, purse, now_ms)
        return found and structs.replace(found, available=10**12)

    patch.setattr(purses, "stand", stand)


def unchecked_late_posting(patch: Patch) -> None:
    real = owed._wallets

    def rich(tx: Transaction, wallets: list[bytes]) -> dict[bytes, int]:
        return dict.fromkeys(real(tx, wallets), 10**12)

    patch.setattr(owed, "_wallets", rich)


def late_posting_ignores_budgets(patch: Patch) -> None:
    def forever(tx: Transaction, budget: bytes, epoch: int) -> Standing | None:
        found = real(tx, budget, epoch)
        return found and structs.replace(found, available=10**12)

    real = purses.of_epoch
    patch.setattr(purses, "of_epoch", forever)


def unchecked_reservation(patch: Patch) -> None:
    def all_of_it(  # noqa: PLR0917 - as the real one
        self: Shard, group: Group, want: int, least: int, enough: int
    ) -> int:
        del self, group, least, enough
        return want

    patch.setattr(Shard, "_clamp", all_of_it)


def unchecked_extension(patch: Patch) -> None:
    real = Shard._wants

    def nothing(self: Shard, held: shard._Reservation, amount: int) -> list[tuple[Purse, int]]:
        return [(purse, 0) for purse, _ in real(self, held, amount)]

    patch.setattr(Shard, "_wants", nothing)


def extension_forgotten_at_settlement(patch: Patch) -> None:
    def free_too_much(self: Shard, held: shard._Reservation, charge: int) -> None:
        held.amount += 500
        real(self, held, charge)

    real = Shard._free
    patch.setattr(Shard, "_free", free_too_much)


def free_without_what_was_spent(patch: Patch) -> None:
    def free_all(self: Shard, held: shard._Reservation, charge: int) -> None:
        del charge
        real(self, held, 0)

    real = Shard._free
    patch.setattr(Shard, "_free", free_all)


def settlement_restamped_with_the_present_epoch(patch: Patch) -> None:
    def restamp(self: Shard, reservation: bytes, charge: int, record: bytes) -> None:
        held = self._open[reservation]
        held.block = Block(tuple((purse.id, purse.epoch) for purse in held.group.purses))
        real(self, reservation, charge, record)

    real = Shard.settle
    patch.setattr(Shard, "settle", restamp)


def settlement_above_the_bound(patch: Patch) -> None:
    def generous(self: Shard, reservation: bytes, nusd: int) -> int:
        del self, reservation
        return nusd

    patch.setattr(Shard, "cover", generous)


def no_operation_fence(patch: Patch) -> None:
    real_find, real_lend = lease.find, Teller._lend

    def find(tx: Transaction, purse: bytes, seat: bytes) -> Lent | None:
        found = real_find(tx, purse, seat)
        return found and structs.replace(found, op=0)

    def lend(  # noqa: PLR0917 - as the real one
        self: Teller, tx: Transaction, owner: bytes, message: LeaseAsk | LeaseReturn, now_ms: int
    ) -> list[Outgoing]:
        self._ops.clear()
        return real_lend(self, tx, owner, message, now_ms)

    patch.setattr(lease, "find", find)
    patch.setattr(Teller, "_lend", lend)


def grant_in_another_epoch(patch: Patch) -> None:
    def unfenced(
        tx: Transaction, seat: bytes, ask: LeaseAsk, now_ms: int, *, seats: int, is_last: bool
    ) -> Lease | None:
        lent = lease.find(tx, ask.purse, seat)
        ask = structs.replace(ask, epoch=lent.epoch if lent else 0)
        answer = real(tx, seat, ask, now_ms, seats=seats, is_last=is_last)
        return answer and structs.replace(answer, epoch=1 if answer.epoch else 0)

    real = lease.grant
    patch.setattr(lease, "grant", unfenced)


def return_before_lowering(patch: Patch) -> None:
    def returns(self: Leases) -> list[LeaseReturn]:
        given = real(self)
        for each in given:
            purse = self.purse(each.purse)
            purse.free += each.amount
            purse.granted += each.amount
        return given

    real = Leases.returns
    patch.setattr(Leases, "returns", returns)


def answer_to_another_operation(patch: Patch) -> None:
    def apply(self: Leases, message: Lease | Returned, now_ns: int) -> bytes:
        if isinstance(message, Lease | Returned):
            message = structs.replace(message, op=self.purse(message.purse).op)
        return real(self, message, now_ns)

    real = Leases.apply
    patch.setattr(Leases, "apply", apply)
    patch.setattr(Leases, "lost", lambda _: None)


def lost_answers_not_asked_for(patch: Patch) -> None:
    def lost(self: Leases) -> None:
        for purse in self._purses.values():
            purse.op = 0

    patch.setattr(Leases, "lost", lost)


def operations_repeat(patch: Patch) -> None:
    def offer(tx: Transaction, seat: bytes, ask: LeaseAsk) -> bool:
        return real(tx, seat, ask) and real(tx, seat, structs.replace(ask, op=ask.op + 1))

    real = lease.offer
    patch.setattr(lease, "offer", offer)


def epochs_repeat(patch: Patch) -> None:
    patch.setattr(purses, "next_epoch", lambda _tx, _purse: 1)


def reclaim_of_all_that_was_granted(patch: Patch) -> None:
    real = lease.drop

    def drop(tx: Transaction, lent: Lent) -> None:
        real(tx, structs.replace(lent, settled=0))

    patch.setattr(lease, "drop", drop)


def lent_kept_at_the_end_of_a_seat(patch: Patch) -> None:
    def drop(tx: Transaction, lent: Lent) -> None:
        tx.execute("DELETE FROM lease WHERE purse = ? AND seat = ?", (lent.purse, lent.seat))

    patch.setattr(lease, "drop", drop)


def close_before_posting(patch: Patch) -> None:
    patch.setattr(OldSeat, "postings", lambda _self, _limit: [])


def late_settlements_free(patch: Patch) -> None:
    real = owed._from_rest

    def forgive(tx: Transaction, debt: Owed, each: Settlement) -> int:
        real(tx, debt, structs.replace(each, charge=0))
        return each.charge

    patch.setattr(owed, "_from_rest", forgive)


def settlements_not_journaled(patch: Patch) -> None:
    real = Journal.settle

    def settle(
        self: Journal, fields: tuple[int, bytes, int, int, int], block: bytes, record: bytes
    ) -> bytes:
        at = self._at
        body = real(self, fields, block, record)
        if fields[0] % 7 == 0:
            self._at = at
        return body

    patch.setattr(Journal, "settle", settle)


def budget_taken_after_the_wallet(patch: Patch) -> None:
    real = Group.__init__

    def first_only(self: Group, purses: tuple[Purse, ...]) -> None:
        real(self, purses[:1])

    patch.setattr(Group, "__init__", first_only)


def seen_dropped_early(patch: Patch) -> None:
    real = posting.post

    def post(tx: Transaction, message: Posting, write: WriteUsage, now_ms: int) -> Ack:
        tx.execute("DELETE FROM seen")
        return real(tx, message, write, now_ms)

    patch.setattr(posting, "post", post)


def acknowledged_before_it_is_posted(patch: Patch) -> None:
    real = Shard.unposted

    def unposted(self: Shard, limit: int) -> Posting | None:
        found = real(self, limit)
        if found is not None:
            self.acknowledged(found.upto)
        return found

    patch.setattr(Shard, "unposted", unposted)


def only_the_present_segment_is_kept(patch: Patch) -> None:
    real = Journal.keep

    def keep(self: Journal) -> None:
        for segment in self._full:
            segment.is_synced = True
        real(self)

    patch.setattr(Journal, "keep", keep)


def torn_records_are_read(patch: Patch) -> None:
    def end(data: bytes, at: int, seed: int) -> int:
        del seed
        start = at + records.PREFIX.size
        found = start + int.from_bytes(data[start : start + 2], "little")
        return found if start + records.ACK.size <= found <= len(data) else at

    patch.setattr(records, "_end", end)


def a_full_disk_is_not_noticed(patch: Patch) -> None:
    patch.setattr(Journal, "has_room", lambda _self, _count=1: True)


def who_waits_is_forgotten_by_a_failed_transaction(patch: Patch) -> None:
    patch.setattr(Teller, "attempt", lambda _self: nullcontext())


MUTANTS: tuple[Mutant, ...] = (
    no_seen_guard,
    no_epoch_fence_in_posting,
    unchecked_ask,
    unchecked_late_posting,
    late_posting_ignores_budgets,
    unchecked_reservation,
    unchecked_extension,
    extension_forgotten_at_settlement,
    free_without_what_was_spent,
    settlement_restamped_with_the_present_epoch,
    settlement_above_the_bound,
    no_operation_fence,
    grant_in_another_epoch,
    return_before_lowering,
    answer_to_another_operation,
    lost_answers_not_asked_for,
    operations_repeat,
    epochs_repeat,
    reclaim_of_all_that_was_granted,
    lent_kept_at_the_end_of_a_seat,
    close_before_posting,
    late_settlements_free,
    settlements_not_journaled,
    budget_taken_after_the_wallet,
    seen_dropped_early,
    acknowledged_before_it_is_posted,
    only_the_present_segment_is_kept,
    torn_records_are_read,
    a_full_disk_is_not_noticed,
    who_waits_is_forgotten_by_a_failed_transaction,
)
