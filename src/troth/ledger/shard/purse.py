"""A purse as a shard holds it, and the values the shard answers with."""

from enum import Enum

import msgspec

from troth.ledger.shard.records import purse_block


class ShardTerms(msgspec.Struct, frozen=True):
    """How long things last, in milliseconds."""

    valid_ms: int = 30_000
    """A lease may be spent this long after the desk's last beat,"""
    skew_ms: int = 2_000
    """less this."""
    idle_ms: int = 10_000
    """An idle lease goes back after this."""
    short_ms: int = 100
    """The desk's word that a purse has no more is believed this long."""


class ShortKind(Enum):
    """Why a reservation could not be made."""

    DRY = "dry"
    """The shard has too little: ask the desk, then try again."""
    BROKE = "broke"
    """The purse cannot pay, whatever ends."""
    IN_FLIGHT = "in_flight"
    """Running requests have reserved what is missing."""
    UNWRITABLE = "unwritable"
    """The journal has no room or failed."""
    STALE = "stale"
    """The desk was silent for too long, or this seat was closed."""


class Short(msgspec.Struct, frozen=True, gc=False):
    """A reservation was not made: figures in nano-USD of the purse that lacks most."""

    kind: ShortKind
    purse: bytes = b""
    needed: int = 0
    available: int = 0
    in_flight: int = 0


class Purse:
    """G granted, S spent in this epoch, free = G - S - what open reservations hold."""

    __slots__ = (
        "available", "bound", "ends_at_ms", "epoch", "free", "granted", "groups", "held", "id",
        "is_direct", "is_unsure", "least", "low", "need", "op",
        "recent", "recent_before", "short_until_ns", "spent", "used_at_ms",
    )  # fmt: skip

    def __init__(self, purse: bytes) -> None:
        self.id = purse
        self.groups: list[Group] = []
        self.epoch = self.granted = self.spent = self.free = 0
        # what waits, and the operation that is outstanding
        self.op = self.need = self.least = self.bound = 0
        self.is_unsure = self.is_direct = False
        # the desk's last word
        self.short_until_ns = self.available = self.held = self.ends_at_ms = 0
        # how fast it is spent, and below what it asks before anybody waits
        self.recent = self.recent_before = self.used_at_ms = self.low = 0

    def become(self, epoch: int, granted: int) -> None:
        """Take the desk's absolute figure; another epoch starts from nothing."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.granted = self.spent = self.free = 0
            for group in self.groups:
                group.renew()
        self.free += granted - self.granted
        self.granted = granted


class Group:
    """The purses of one key, and their epochs as a settlement names them.

    `block` is a new object whenever an epoch changes: a reservation keeps the one it was made
    under, and `is` tells whether all its purses are still in that epoch.
    """

    __slots__ = ("block", "purses")

    def __init__(self, purses: tuple[Purse, ...]) -> None:
        self.purses = purses
        self.block = Block(())
        for purse in purses:
            purse.groups.append(self)
        self.renew()

    def renew(self) -> None:
        """Take the purses' present epochs."""
        self.block = Block(tuple((purse.id, purse.epoch) for purse in self.purses))


class Block:
    """Purses with their epochs, and the same as bytes."""

    __slots__ = ("data", "purses")

    def __init__(self, purses: tuple[tuple[bytes, int], ...]) -> None:
        self.purses = purses
        self.data = purse_block(purses)
