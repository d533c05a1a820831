"""What the seats before this one left behind: read at start, posted, then removed."""

from pathlib import Path
from typing import Final

import msgspec

from troth.ledger.shard import records
from troth.ledger.shard.journal import JOURNAL_SUFFIX
from troth.ledger.shard.messages import CloseSeat, Orphan, Posting

SEGMENT_AGE_MS_MAX: Final = 7 * 24 * 3_600 * 1_000
"""The books remember settlements for eight days: an older journal could be posted twice."""
ASIDE_SUFFIX: Final = ".aside"


class OldSeat(msgspec.Struct, frozen=True):
    """An ended seat: what is to be posted, who got nothing, and the files that say so."""

    seat: bytes
    settlements: tuple[bytes, ...]
    orphans: tuple[Orphan, ...]
    files: tuple[Path, ...]

    def postings(self, limit: int) -> list[Posting]:
        """Return the settlements in batches of `limit`."""
        found = []
        for start in range(0, len(self.settlements), limit):
            part = list(self.settlements[start : start + limit])
            found.append(Posting(self.seat, start + 1, start + len(part), part))
        return found

    def close(self) -> CloseSeat:
        """Return the message that ends the seat once all postings are acknowledged."""
        return CloseSeat(self.seat, list(self.orphans))

    def discard(self) -> None:
        """Remove the files: the books have said that the seat is closed."""
        for file in self.files:
            file.unlink(missing_ok=True)


class Recovered(msgspec.Struct, frozen=True):
    """All old seats, and the segments that were set aside for a human to look at."""

    seats: tuple[OldSeat, ...]
    set_aside: tuple[Path, ...]


def recover(folder: Path, deployment: bytes, now_ms: int) -> Recovered:
    """Read the journals in a slot's folder. Foreign and too old segments are renamed, not read."""
    segments: dict[bytes, list[tuple[int, Path]]] = {}
    set_aside = []
    for path in sorted(folder.glob(f"*{JOURNAL_SUFFIX}")):
        with path.open("rb") as file:
            start = file.read(records.HEADER.size)
        head = records.read_header(start)
        is_old = now_ms - path.stat().st_mtime_ns // 1_000_000 > SEGMENT_AGE_MS_MAX
        if not any(start):
            path.unlink()  # laid out, never begun
        elif head is None or head[0] != deployment or is_old:
            set_aside.append(path.rename(path.with_suffix(ASIDE_SUFFIX)))
        else:
            segments.setdefault(head[1], []).append((head[2], path))
    seats = [
        _old_seat(seat, [path for _, path in sorted(found)]) for seat, found in segments.items()
    ]
    return Recovered(tuple(seats), tuple(set_aside))


def _old_seat(seat: bytes, paths: list[Path]) -> OldSeat:
    promised: dict[bytes, int] = {}
    settled: dict[int, bytes] = {}
    acknowledged = 0
    for body in (body for path in paths for body in records.bodies(path.read_bytes(), seat)):
        kind = body[2]
        if kind == records.ACK_KIND:
            acknowledged = max(acknowledged, records.ACK.unpack(body)[2])
        elif kind == records.SETTLE_KIND:
            settlement = records.settlement(body)
            promised.pop(settlement.reservation, None)
            settled[settlement.number] = body
        else:
            _, _, reservation, amount = records.SHORT.unpack(body)
            if kind == records.RELEASE_KIND:
                promised.pop(reservation, None)
            else:
                promised[reservation] = amount
    return OldSeat(
        seat=seat,
        settlements=tuple(
            body for number, body in sorted(settled.items()) if number > acknowledged
        ),
        orphans=tuple(Orphan(reservation, amount) for reservation, amount in promised.items()),
        files=tuple(paths),
    )
