"""A gateway process that does nothing but spend, until it is killed: the crash test's victim.

It recovers its slot's journals, opens a seat, then admits and settles as fast as it can. After each
settlement it tells the parent, as an answer's end would be sent to a client.
"""

import random as randomness  # noqa: TID251 - which amounts: the parent gives the seed
import select
import socket
import struct
import sys
from pathlib import Path

import msgspec

from troth.kernel.clock import SystemClock
from troth.kernel.ids import IdMaker
from troth.ledger.shard import Journal, Shard, ShardTerms, recover
from troth.ledger.shard.messages import (
    Ack,
    Down,
    OpenSeat,
    Posting,
    SeatClosed,
    SeatOpened,
    Up,
)
from troth.server.keeper import Keeper

DEPLOYMENT = bytes(16)
AT_ONCE = 8
_LENGTH = struct.Struct("<I")


class Told(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: the client has its answer; this must be charged."""

    reservation: bytes
    charge: int


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Up: recovered after so many microseconds, and so many settlements were found."""

    microseconds: int
    found: int


class Channel:
    """Frames of one socket."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._rest = b""

    def send(self, message: msgspec.Struct) -> None:
        data = msgspec.msgpack.encode(message)
        self.end.sendall(_LENGTH.pack(len(data)) + data)

    def frames(self) -> list[bytes] | None:
        """Return the frames that have arrived, None at the end."""
        data = self.end.recv(1 << 16)
        if not data:
            return None
        self._rest += data
        frames = []
        while len(self._rest) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._rest)[0]
            if len(self._rest) < end:
                break
            frames.append(self._rest[_LENGTH.size : end])
            self._rest = self._rest[end:]
        return frames


class Child:
    """One life."""

    def __init__(self, folder: Path, channel: Channel, seed: int) -> None:
        self.folder = folder
        self.channel = channel
        self.clock = SystemClock()
        self.ids = IdMaker(self.clock)
        self.random = randomness.Random(seed)  # noqa: S311
        self.decoder = msgspec.msgpack.Decoder(Down)

    def heard(self) -> list[Down]:
        """Wait for the desk's next words."""
        frames = self.channel.frames()
        if frames is None:
            sys.exit(0)
        return [self.decoder.decode(frame) for frame in frames]

    def recover(self) -> None:
        begun = self.clock.monotonic_ns()
        found = 0
        for old in recover(self.folder, DEPLOYMENT, self.clock.now_ms()).seats:
            found += len(old.settlements)
            for posting in old.postings(200):
                self.channel.send(posting)
                self.until(Ack)
            self.channel.send(old.close())
            self.until(SeatClosed)
            old.discard()
        took = (self.clock.monotonic_ns() - begun) // 1_000
        self.channel.send(Ready(took, found))

    def until(self, kind: type[Ack | SeatClosed]) -> None:
        while not any(isinstance(message, kind) for message in self.heard()):
            pass

    def live(self, purses: tuple[bytes, ...]) -> None:
        self.recover()
        self.channel.send(OpenSeat(0))
        (opened,) = self.heard()
        assert isinstance(opened, SeatOpened)
        journal = Journal(self.folder, DEPLOYMENT, opened.seat, 1 << 18)
        keeper = Keeper(journal)
        keeper.start()
        shard = Shard(opened.seat, journal, self.clock, ShardTerms())
        while True:
            shard.beat(self.clock.monotonic_ns())
            self.spend(shard, purses)
            self.talk(shard)

    def spend(self, shard: Shard, purses: tuple[bytes, ...]) -> None:
        made: list[tuple[bytes, int]] = []
        for _ in range(AT_ONCE):
            reservation = self.ids.raw()
            found = shard.admit(reservation, purses, self.random.randrange(1, 30_000), 1)
            if isinstance(found, int):
                made.append((reservation, found))
        for reservation, amount in made:
            charge = self.random.randrange(amount + 1)
            shard.settle(reservation, charge, bytes(self.random.randrange(200)))
            self.channel.send(Told(reservation, charge))

    def talk(self, shard: Shard) -> None:
        messages: list[Up] = [*shard.wanted(), *shard.idle()]
        posting: Posting | None = shard.unposted(50)
        if posting is not None:
            messages.append(posting)
        for message in messages:
            self.channel.send(message)
        while select.select([self.channel.end], [], [], 0.0005)[0]:
            for answer in self.heard():
                shard.apply(answer)


def main() -> None:
    folder, fd, seed, *purses = sys.argv[1:]
    channel = Channel(socket.socket(fileno=int(fd)))
    Child(Path(folder), channel, int(seed)).live(tuple(bytes.fromhex(purse) for purse in purses))


if __name__ == "__main__":
    main()
