"""The bytes of the journal: one header a segment, one checksum a record.

Little endian. A record is CRC-32 (4, started with the seat's own), size of what follows (2),
kind (1), then its fields. Zeros end a segment. A settlement travels to the books as it stands
here, without its checksum, so that the gateway process encodes it once.
"""

import struct
from functools import lru_cache
from typing import Final
from zlib import crc32

import msgspec

from troth.kernel.errors import invariant

PURSE_BYTES: Final = 17
PREFIX: Final = struct.Struct("<I")
SHORT: Final = struct.Struct("<HB16sq")
"""Size, kind, reservation, amount: a reserve, an extension (the new amount) or a release."""
SETTLE: Final = struct.Struct("<HBQ16sqqqB")
"""Size, kind, number, reservation, charge, overrun, reserved, count of purses."""
ACK: Final = struct.Struct("<HBQ")
"""Size, kind, number of the last settlement that the books hold."""
EPOCH: Final = struct.Struct(f"<{PURSE_BYTES}sQ")
HEADER: Final = struct.Struct("<8s16s16sII")
"""Magic, deployment, seat, segment, CRC-32 of what stands before."""
MAGIC: Final = b"troth-j1"

RESERVE_KIND: Final = 1
EXTEND_KIND: Final = 2
RELEASE_KIND: Final = 3
SETTLE_KIND: Final = 4
ACK_KIND: Final = 5

SHORT_BYTES: Final = PREFIX.size + SHORT.size
SETTLE_BYTES_MAX: Final = 1_024
"""Room set aside for the settlement of each open reservation."""
PURSES_MAX: Final = 7
"""A wallet, and two budgets each of its organization, a project and a key."""
RECORD_BYTES_MAX: Final = SETTLE_BYTES_MAX - PREFIX.size - SETTLE.size - PURSES_MAX * EPOCH.size


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What is owed for one reservation. `purses` with the epoch it was reserved in.

    `charge` is the customer's, `overrun` what went beyond the reservation and the free rest;
    `record` is the usage record, opaque here.
    """

    number: int
    reservation: bytes
    charge: int
    overrun: int
    reserved: int
    purses: tuple[tuple[bytes, int], ...]
    record: bytes


def purse_block(purses: tuple[tuple[bytes, int], ...]) -> bytes:
    """Return the part of a settlement that names its purses and epochs."""
    return b"".join([EPOCH.pack(purse, epoch) for purse, epoch in purses])


def settlement(data: bytes) -> Settlement:
    """Read a settlement record, without its checksum."""
    size, kind, number, reservation, charge, overrun, reserved, count = SETTLE.unpack_from(data)
    end = SETTLE.size + count * EPOCH.size
    invariant(size == len(data) and kind == SETTLE_KIND and end <= size, "a settlement's form")
    purses = _purses(data[SETTLE.size : end])
    return Settlement(number, reservation, charge, overrun, reserved, purses, data[end:])


@lru_cache(maxsize=1_024)
def _purses(block: bytes) -> tuple[tuple[bytes, int], ...]:
    """Read what `purse_block` wrote; the settlements of a batch name few different blocks."""
    return tuple(EPOCH.iter_unpack(block))


def header(deployment: bytes, seat: bytes, segment: int) -> bytes:
    """Return the first bytes of a segment."""
    plain = MAGIC + deployment + seat + PREFIX.pack(segment)
    return plain + PREFIX.pack(crc32(plain))


def read_header(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Return deployment, seat and number of a segment, None when it is not whole."""
    if len(data) < HEADER.size:
        return None
    magic, deployment, seat, segment, check = HEADER.unpack_from(data)
    if magic != MAGIC or check != crc32(data[: HEADER.size - PREFIX.size]):
        return None
    return deployment, seat, segment


def bodies(data: bytes, seat: bytes) -> list[bytes]:
    """Return the records of a segment, without checksums, up to its end or the first torn one."""
    found = []
    seed = crc32(seat)
    at = HEADER.size
    while (end := _end(data, at, seed)) > at:
        found.append(data[at + PREFIX.size : end])
        at = end
    return found


def _end(data: bytes, at: int, seed: int) -> int:
    """Return where the record at `at` ends, or `at` when there is none that is whole."""
    start = at + PREFIX.size
    if start + ACK.size > len(data):
        return at
    end = start + int.from_bytes(data[start : start + 2], "little")
    if end < start + ACK.size or end > len(data):
        return at
    check = int.from_bytes(data[at:start], "little")
    return end if check == crc32(data[start:end], seed) else at
