"""What a shard and the books say to each other over the link.

Every struct is closed, frozen and travels as a MessagePack array that starts with its name.
Amounts are integer nano-USD. A purse is 17 bytes: one letter (`w` wallet, `o` organization budget,
`p` project budget, `k` key budget) and 16 bytes of the owner's id.

One operation is outstanding per seat and purse. `op` numbers them, growing within a seat; the books
ignore a number they have passed, the shard ignores an answer to a number it no longer waits for.
"""

from __future__ import annotations

import msgspec


class OpenSeat(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: a process starts in `slot` and wants to spend; old seats were closed before."""

    slot: int


class SeatOpened(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down: the life of this process is `seat` (16 bytes)."""

    seat: bytes
    slot: int


class LeaseAsk(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Up: more of a purse, please. `need` 0 only asks how much is granted (after a lost answer).

    `epoch` is the one the shard holds, 0 for none. `offer` is its idle rest, given back first (the
    shard has lowered its own figure): so whoever waits holds nothing back from others who wait.
    `need` is what is waiting now, `least` what would let the first waiter go, `bound` a usual
    reservation, `recent` the last two seconds' spending.
    """

    op: int
    purse: bytes
    epoch: int
    offer: int
    need: int
    least: int
    bound: int
    recent: int


class Lease(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down: the answer to `op`: `granted` is absolute for `epoch`, settled parts included.

    `epoch` 0 means that there is no lease. `is_short` says that the need was not met although idle
    parts elsewhere were recalled; `available` is what the purse has left after this grant, `held`
    what other seats hold of it.
    `is_direct` asks the shard to give back what a settlement frees at once (small wallets).
    `ends_at_ms` is when a budget's period ends (unix ms), 0 for never.
    """

    op: int
    purse: bytes
    epoch: int
    granted: int
    is_direct: bool = False
    is_short: bool = False
    available: int = 0
    held: int = 0
    ends_at_ms: int = 0


class LeaseReturn(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Up: `amount` goes back. The shard has lowered its own figure already."""

    op: int
    purse: bytes
    epoch: int
    amount: int


class Returned(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down: the return `op` was taken; `granted` is absolute, `epoch` 0 if the lease is gone."""

    op: int
    purse: bytes
    epoch: int
    granted: int


class Recall(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Down: somebody waits for this purse; what is free in `epoch` should come back now."""

    purse: bytes
    epoch: int


class Posting(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: settlements `first` to `upto` of a seat, as the journal holds them (see `records`)."""

    seat: bytes
    first: int
    upto: int
    settlements: list[bytes]


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down: everything of `seat` up to `upto` is committed and may leave the journal."""

    seat: bytes
    upto: int


class Orphan(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reservation no settlement or release was found for; its amount is the operator's bound."""

    reservation: bytes
    amount: int


class CloseSeat(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: the journal of `seat` is posted whole; take its leases back."""

    seat: bytes
    orphans: list[Orphan]


class SeatClosed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Down: `seat` has ended. Unasked for, it tells a process that slept that it must restart."""

    seat: bytes


Lending = LeaseAsk | LeaseReturn
Up = OpenSeat | Lending | Posting | CloseSeat
OfPurse = Lease | Returned | Recall
Down = SeatOpened | OfPurse | Ack | SeatClosed
