"""Maintenance as it was announced: when, from when to when, and whether it could not wait."""

from typing import Final

import msgspec

from troth.control.audit import Action, Actor, append
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing
from troth.store.transaction import Transaction

_LENGTH_MAX_MS: Final = 7 * 86_400_000
_LATE_MAX_MS: Final = 86_400_000


class Window(msgspec.Struct, frozen=True):
    """One window; `cancelled_at_ms` is 0 for one that stands."""

    ref: str
    announced_at_ms: int
    starts_at_ms: int
    ends_at_ms: int
    is_emergency: bool
    cancelled_at_ms: int = 0

    @property
    def is_planned(self) -> bool:
        """Whether it was announced in time and stands."""
        return not self.is_emergency and not self.cancelled_at_ms


def announce(
    tx: Transaction, actor: Actor, raw: bytes, span_ms: tuple[int, int], *, notice_ms: int | None
) -> Window:
    """Announce maintenance; without `notice_ms` it is an emergency, which counts as downtime.

    Raises:
        InvalidValue: it is too soon, too long, too late or no time at all.
    """
    starts_at_ms, ends_at_ms = span_ms
    if not starts_at_ms < ends_at_ms <= starts_at_ms + _LENGTH_MAX_MS:
        raise InvalidValue("ends_at_ms", "must be after the start, by at most seven days")
    if notice_ms is None and starts_at_ms < actor.at_ms - _LATE_MAX_MS:
        raise InvalidValue("starts_at_ms", "must not be more than a day ago")
    if notice_ms is not None and starts_at_ms < actor.at_ms + notice_ms:
        hours = notice_ms // 3_600_000
        reason = f"must be at least {hours} hours ahead; what cannot wait is an emergency"
        raise InvalidValue("starts_at_ms", reason)
    made = Window(
        ids.text("mnt", raw), actor.at_ms, starts_at_ms, ends_at_ms, is_emergency=notice_ms is None
    )
    tx.execute(
        "INSERT INTO maintenance (ref, announced_at, starts_at, ends_at, is_emergency)"
        " VALUES (?, ?, ?, ?, ?)",
        (raw, made.announced_at_ms, starts_at_ms, ends_at_ms, int(made.is_emergency)),
    )
    append(tx, actor, Action.MAINTENANCE_ANNOUNCE, made.ref)
    return made


def cancel(tx: Transaction, actor: Actor, ref: str) -> Window:
    """Take back an announcement before its time has come.

    Raises:
        Missing: there is none that stands.
        InvalidValue: it has begun.
    """
    raw = ids.raw_of("mnt", ref)
    found = [each for each in _read(tx, "ref = ?", (raw or b"",)) if not each.cancelled_at_ms]
    if not found:
        raise Missing("maintenance")
    if found[0].starts_at_ms <= actor.at_ms:
        raise InvalidValue("ref", "it has begun: what was announced stays as it was")
    tx.execute("UPDATE maintenance SET cancelled_at = ? WHERE ref = ?", (actor.at_ms, raw or b""))
    append(tx, actor, Action.MAINTENANCE_CANCEL, ref)
    return msgspec.structs.replace(found[0], cancelled_at_ms=actor.at_ms)


def windows(tx: Transaction, from_ms: int) -> list[Window]:
    """Return all that end after a moment, the earliest first, those taken back too."""
    return _read(tx, "ends_at > ?", (from_ms,))


def _read(tx: Transaction, condition: str, params: tuple[bytes | int, ...]) -> list[Window]:
    rows = tx.rows(
        "SELECT ref, announced_at, starts_at, ends_at, is_emergency, cancelled_at"  # noqa: S608
        f" FROM maintenance WHERE {condition} ORDER BY starts_at, ref",
        params,
        tuple[bytes, int, int, int, int, int],
    )
    return [
        Window(ids.text("mnt", raw), said, starts, ends, bool(is_emergency), cancelled)
        for raw, said, starts, ends, is_emergency, cancelled in rows
    ]
