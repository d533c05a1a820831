"""Codes: 128 random bits that are shown once, redeemed so many times, once an organization.

Only a digest is kept. What a code gives is a gift: spent first, never paid back, and made under a
key of code and organization, so that no path through here gives it twice.
"""

from hashlib import sha256
from typing import Final

import msgspec

from troth.control.accounts import Organization, checked_name, refuse_closed
from troth.control.audit import Action, Actor, append
from troth.kernel import ids
from troth.kernel.errors import InvalidValue, Missing, RateLimited
from troth.ledger import books
from troth.ledger.books import Credit, LotKind
from troth.store.transaction import Transaction

CODE_BYTES: Final = 16
AMOUNT_MAX_NUSD: Final = 100_000 * 1_000_000_000
USES_MAX: Final = 1_000_000
DAYS_MAX: Final = 3_650
TRIES_A_MINUTE: Final = 5
_MINUTE_MS: Final = 60_000
_MS_OF_DAY: Final = 86_400_000
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_GROUP: Final = 5
_BITS: Final = 5
_ALIKE: Final = str.maketrans("OIL", "011", "- ")
_DESK: Final = 0


class CodeTerms(msgspec.Struct, frozen=True):
    """What a code gives and how often. 0 is no end, no cap; a cap needs a campaign.

    `credit_days` is how long the credit lasts once it is redeemed.
    """

    amount_nusd: int
    uses_max: int = 1
    expires_at_ms: int = 0
    credit_days: int = 0
    campaign: str = ""
    cap_nusd: int = 0


class Code(msgspec.Struct, frozen=True):
    """A code as it is listed. `text` only in the answer that made it."""

    ref: str
    campaign: str
    amount_nusd: int
    uses: int
    uses_max: int
    expires_at_ms: int
    credit_days: int
    created_at_ms: int
    revoked_at_ms: int
    text: str = ""


def code_text(secret: bytes) -> str:
    """Return sixteen random bytes as somebody types them: digits and capitals, in groups."""
    number = int.from_bytes(secret, "big")
    digits = "".join(_DIGITS[number >> _BITS * at & 31] for at in reversed(range(_LENGTH)))
    return "-".join(digits[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def digest_of(text: str) -> bytes:
    """Return the digest of a code as somebody typed it; letters taken for digits are forgiven.

    Raises:
        Missing: it has not the form of a code.
    """
    digits = text.strip().upper().translate(_ALIKE)
    if len(digits) != _LENGTH or not set(digits) <= set(_DIGITS):
        raise Missing("code")
    number = 0
    for digit in digits:
        number = number << _BITS | _DIGITS.index(digit)
    if number >> 8 * CODE_BYTES:
        raise Missing("code")
    return sha256(number.to_bytes(CODE_BYTES, "big")).digest()


def create(
    transaction: Transaction, actor: Actor, minted: tuple[bytes, bytes], terms: CodeTerms
) -> Code:
    """Make a code of a new reference and sixteen random bytes; a new campaign begins by its name.

    Raises:
        InvalidValue: field and reason.
    """
    raw, secret = minted
    _check(terms, actor.at_ms)
    text = code_text(secret)
    campaign = _campaign(transaction, actor, raw, terms)
    transaction.execute(
        "INSERT INTO code (ref, digest, campaign, amount_nusd, uses_max, expires_at, credit_days,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            raw,
            digest_of(text),
            campaign,
            terms.amount_nusd,
            terms.uses_max,
            terms.expires_at_ms,
            terms.credit_days,
            actor.at_ms,
        ),
    )
    ref = ids.text("code", raw)
    append(transaction, actor, Action.CODE_CREATE, ref, amount_nusd=terms.amount_nusd)
    made = next(code for code in on_list(transaction) if code.ref == ref)
    return msgspec.structs.replace(made, text=text)


def _check(terms: CodeTerms, now_ms: int) -> None:
    for field, value, least, most in (
        ("uses_max", terms.uses_max, 1, USES_MAX),
        ("credit_days", terms.credit_days, 0, DAYS_MAX),
    ):
        if not least <= value <= most:
            raise InvalidValue(field, f"give a number from {least} to {most}")
    if not 0 < terms.amount_nusd <= AMOUNT_MAX_NUSD:
        raise InvalidValue("amount_usd", "give US dollars above 0 and up to 100000")
    if terms.expires_at_ms and terms.expires_at_ms <= now_ms:
        raise InvalidValue("expires_at_ms", "give a time to come, or 0 for a code without end")
    if terms.cap_nusd and not terms.campaign:
        raise InvalidValue("cap_usd", "a cap is a campaign's: name the campaign")


def _campaign(transaction: Transaction, actor: Actor, raw: bytes, terms: CodeTerms) -> bytes | None:
    if not terms.campaign:
        return None
    name = checked_name(terms.campaign, "campaign")
    found = transaction.row(
        "SELECT ref, cap_nusd, granted_nusd FROM campaign WHERE name = ? {lock}",
        (name,),
        tuple[bytes, int, int],
    )
    if found is None:
        transaction.execute(
            "INSERT INTO campaign (ref, name, cap_nusd, created_at) VALUES (?, ?, ?, ?)",
            (raw, name, terms.cap_nusd, actor.at_ms),
        )
        return raw
    ref, cap, granted = found
    if terms.cap_nusd and terms.cap_nusd != cap:
        if terms.cap_nusd < granted:
            raise InvalidValue("cap_usd", "the campaign has given more than that already")
        transaction.execute("UPDATE campaign SET cap_nusd = ? WHERE ref = ?", (terms.cap_nusd, ref))
    return ref


def on_list(transaction: Transaction) -> list[Code]:
    """Return all codes, the newest first, without their texts."""
    rows = transaction.rows(
        "SELECT code.ref, coalesce(campaign.name, ''), amount_nusd, uses, uses_max, expires_at,"
        " credit_days, code.created_at, coalesce(revoked_at, 0) FROM code"
        " LEFT JOIN campaign ON campaign.ref = code.campaign ORDER BY code.ref DESC",
        (),
        tuple[bytes, str, int, int, int, int, int, int, int],
    )
    return [Code(ids.text("code", row[0]), *row[1:]) for row in rows]


def revoke(transaction: Transaction, actor: Actor, ref: str) -> Code:
    """End a code; what was redeemed stays.

    Raises:
        Missing: there is none.
    """
    raw = ids.raw_of("code", ref)
    touched = transaction.execute(
        "UPDATE code SET revoked_at = coalesce(revoked_at, ?) WHERE ref = ?", (actor.at_ms, raw)
    )
    if not touched:
        raise Missing("code")
    append(transaction, actor, Action.CODE_REVOKE, ref)
    return next(code for code in on_list(transaction) if code.ref == ref)


def attempt(transaction: Transaction, organization: Organization, now_ms: int) -> None:
    """Count a try of an organization. Commit this before the code is looked at.

    Raises:
        RateLimited: there were five within a minute.
    """
    transaction.execute(  # before it is locked: a row that is not there locks nobody out
        "INSERT INTO redeem_attempt (org, minute, count) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        (organization.raw, now_ms),
    )
    row = transaction.row(
        "SELECT minute, count FROM redeem_attempt WHERE org = ? {lock}",
        (organization.raw,),
        tuple[int, int],
    )
    assert row
    since, count = row
    if now_ms - since >= _MINUTE_MS:
        since, count = now_ms, 0
    if count >= TRIES_A_MINUTE:
        raise RateLimited("codes", since + _MINUTE_MS - now_ms)
    transaction.execute(
        "UPDATE redeem_attempt SET minute = ?, count = ? WHERE org = ?",
        (since, count + 1, organization.raw),
    )


class _Found(msgspec.Struct, frozen=True, array_like=True):
    ref: bytes
    campaign: bytes | None
    amount_nusd: int
    uses: int
    uses_max: int
    expires_at: int
    credit_days: int
    revoked_at: int


def redeem(
    transaction: Transaction, actor: Actor, organization: Organization, digest: bytes
) -> int:
    """Give an organization what a code is worth; return how much, in nano-USD.

    Raises:
        Missing: there is no such code.
        InvalidValue: it has ended, was used up, or was redeemed by this organization; or the
            organization's account is closed.
    """
    refuse_closed(transaction, organization)
    row = transaction.row(
        "SELECT ref, campaign, amount_nusd, uses, uses_max, expires_at, credit_days,"
        " coalesce(revoked_at, 0) FROM code WHERE digest = ? {lock}",
        (digest,),
    )
    if row is None:
        raise Missing("code")
    code = msgspec.convert(row, _Found)
    if code.revoked_at or 0 < code.expires_at <= actor.at_ms:
        raise InvalidValue("code", "this code has ended")
    if not _is_first(transaction, code.ref, organization, actor.at_ms):
        raise InvalidValue("code", "this organization has redeemed this code already")
    if code.uses >= code.uses_max:
        raise InvalidValue("code", "this code is used up")
    transaction.execute("UPDATE code SET uses = uses + 1 WHERE ref = ?", (code.ref,))
    _count_for_campaign(transaction, code)
    ends_at = actor.at_ms + code.credit_days * _MS_OF_DAY if code.credit_days else None
    key = f"code {digest.hex()} {organization.ref}"
    gift = Credit(key, organization.raw, LotKind.PROMO, code.amount_nusd, ends_at)
    books.credit(transaction, gift, _DESK, actor.at_ms)
    append(
        transaction,
        actor,
        Action.CODE_REDEEM,
        organization.ref,
        other=ids.text("code", code.ref),
        amount_nusd=code.amount_nusd,
    )
    return code.amount_nusd


def _is_first(
    transaction: Transaction, code: bytes, organization: Organization, now_ms: int
) -> bool:
    return bool(
        transaction.execute(
            "INSERT INTO redemption (code, org, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (code, organization.raw, now_ms),
        )
    )


def _count_for_campaign(transaction: Transaction, code: _Found) -> None:
    if code.campaign is None:
        return
    touched = transaction.execute(
        "UPDATE campaign SET granted_nusd = granted_nusd + ?"
        " WHERE ref = ? AND (cap_nusd = 0 OR granted_nusd + ? <= cap_nusd)",
        (code.amount_nusd, code.campaign, code.amount_nusd),
    )
    if not touched:
        raise InvalidValue("code", "the campaign of this code has given all it had")
