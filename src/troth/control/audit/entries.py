"""Audit entries: appended in the transaction of the change they tell of, never altered."""

from hashlib import sha256
from typing import Final

import msgspec

from troth.kernel.errors import invariant
from troth.kernel.fields import Code
from troth.store.transaction import Transaction

_START: Final = bytes(32)


class Action(Code):
    """What can be changed."""

    ORGANIZATION_CREATE = "organization.create"
    ORGANIZATION_FREEZE = "organization.freeze"
    ORGANIZATION_THAW = "organization.thaw"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    WALLET_CREDIT = "wallet.credit"
    ORGANIZATION_ZONE = "organization.zone"
    PROJECT_CREATE = "project.create"
    BUDGET_SET = "budget.set"
    BUDGET_DROP = "budget.drop"
    ALERT_CONTACT = "alert.contact"
    CODE_CREATE = "code.create"
    CODE_REVOKE = "code.revoke"
    CODE_REDEEM = "code.redeem"
    CREDIT_UPTIME = "credit.uptime"
    MAINTENANCE_ANNOUNCE = "maintenance.announce"
    MAINTENANCE_CANCEL = "maintenance.cancel"
    PRICE_ACCEPT = "price.accept"
    PRICE_SET = "price.set"
    PRICE_PIN = "price.pin"
    TOPUP_BEGIN = "topup.begin"
    TOPUP_CREDIT = "topup.credit"
    AUTOMATIC_TOPUP_ON = "automatic_topup.on"
    AUTOMATIC_TOPUP_OFF = "automatic_topup.off"
    CARD_DROP = "card.drop"
    REFUND_BEGIN = "refund.begin"
    REFUND_RETURN = "refund.return"
    REFUND_BY_HAND = "refund.by_hand"
    DISPUTE_OPEN = "dispute.open"
    DISPUTE_END = "dispute.end"
    PAYMENT_RESOLVE = "payment.resolve"
    ORGANIZATION_CLOSE = "organization.close"
    ORGANIZATION_CLOSED = "organization.closed"
    CLOSING_PLAN = "closing.plan"
    CLOSING_DROP = "closing.drop"
    PARTY_CHANGE = "party.change"
    PARTY_ERASE = "party.erase"
    DOCUMENT_CREDIT = "document.credit"
    CORRECTION_ACCEPT = "correction.accept"
    LEGAL_HOLD_PLACE = "legal_hold.place"
    LEGAL_HOLD_LIFT = "legal_hold.lift"


class Actor(msgspec.Struct, frozen=True):
    """Who acts and when: the user id of the socket's other end, unix milliseconds."""

    uid: int
    at_ms: int


class Entry(msgspec.Struct, frozen=True):
    """One change. `subject` and `other` are references, `amount_nusd` is 0 where none applies."""

    n: int
    at_ms: int
    uid: int
    action: str
    subject: str
    other: str
    amount_nusd: int


def append(
    transaction: Transaction,
    actor: Actor,
    action: Action,
    subject: str,
    *,
    other: str = "",
    amount_nusd: int = 0,
) -> Entry:
    """Add an entry at the end of the chain."""
    last = transaction.row(
        "SELECT n, hash FROM audit_entry ORDER BY n DESC LIMIT 1", (), tuple[int, bytes]
    )
    n, previous = (last[0] + 1, last[1]) if last else (1, _START)
    entry = Entry(n, actor.at_ms, actor.uid, str(action), subject, other, amount_nusd)
    transaction.execute(
        "INSERT INTO audit_entry (n, at, uid, action, subject, other, amount, prev_hash, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*msgspec.structs.astuple(entry), previous, _hash(previous, entry)),
    )
    return entry


def _hash(previous: bytes, entry: Entry) -> bytes:
    return sha256(previous + msgspec.msgpack.encode(entry)).digest()


def recent(transaction: Transaction, limit: int) -> list[Entry]:
    """Return the newest entries, the newest first."""
    rows = transaction.rows(
        "SELECT n, at, uid, action, subject, other, amount FROM audit_entry"
        " ORDER BY n DESC LIMIT ?",
        (limit,),
        tuple[int, int, int, str, str, str, int],
    )
    return [Entry(*row) for row in rows]


def verify(transaction: Transaction) -> int:
    """Follow the chain from its start and return how many entries it has.

    Raises:
        InvariantBroken: an entry was altered, removed or put in between.
    """
    previous, count = _START, 0
    rows = transaction.stream(
        "SELECT n, at, uid, action, subject, other, amount, prev_hash, hash"
        " FROM audit_entry ORDER BY n",
        (),
        tuple[int, int, int, str, str, str, int, bytes, bytes],
    )
    for n, at_ms, uid, action, subject, other, amount_nusd, before, kept in rows:
        entry = Entry(n, at_ms, uid, action, subject, other, amount_nusd)
        count += 1
        invariant(entry.n == count and before == previous, "audit entries follow each other")
        invariant(_hash(previous, entry) == kept, "audit entries are what they were")
        previous = kept
    return count
