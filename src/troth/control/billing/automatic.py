"""Saved cards and automatic top-up: below a threshold, within a month's cap, one at a time."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from troth.control.accounts import Organization, find
from troth.control.audit import Action, Actor, append
from troth.control.billing.queue import ItemKind, raise_item
from troth.control.billing.terms import (
    MS_OF_DAY,
    MS_OF_HOUR,
    NUSD_PER_CENT,
    Terms,
    Till,
    automatic,
)
from troth.control.billing.topups import (
    Topup,
    TopupKind,
    TopupState,
    Wanted,
    begin_topup,
    end_topup,
    refuse_stopped,
)
from troth.kernel import ids
from troth.kernel.errors import InvalidValue
from troth.ledger.books import wallet_purse
from troth.store.transaction import Transaction

DECLINES_MAX: Final = 3
_BACK_OFF_MS: Final = (MS_OF_HOUR, 6 * MS_OF_HOUR)
_OWNER_MS: Final = MS_OF_DAY


class Rule(msgspec.Struct, frozen=True):
    """When to charge the saved card, how much, and at most how much in a calendar month (UTC)."""

    threshold_nusd: int
    cents: int
    month_cap_cents: int


class Standing(msgspec.Struct, frozen=True):
    """A wallet's rule as it stands; `charged_cents` counts this month's."""

    organization: str
    is_on: bool
    threshold_nusd: int
    cents: int
    month_cap_cents: int
    charged_cents: int
    declines: int
    has_card: bool


def save_card(
    tx: Transaction, till: Till, org: bytes, found: tuple[str | None, str | None], *, now_ms: int
) -> None:
    """Keep whom the company knows an organization as, and the card it may charge.

    `found` is payer and card. What was saved last counts; nothing is kept where it may not be.
    """
    payer, card = (till.kept(each) for each in found)
    if payer is None:
        return
    tx.execute(
        "INSERT INTO payment_card (org, payer_sealed, card_sealed, saved_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (org) DO UPDATE SET payer_sealed = excluded.payer_sealed,"
        " card_sealed = coalesce(excluded.card_sealed, payment_card.card_sealed),"
        " saved_at = excluded.saved_at",
        (org, payer, card, now_ms),
    )


def drop_card(tx: Transaction, org: bytes) -> bool:
    """Forget an organization's card, and with it its automatic top-up; False without one."""
    tx.execute("UPDATE automatic_topup SET is_on = 0 WHERE org = ?", (org,))
    return tx.execute("DELETE FROM payment_card WHERE org = ?", (org,)) == 1


def saved_card(tx: Transaction, till: Till, org: bytes) -> tuple[str | None, str | None]:
    """Return payer and card of an organization, None for what was not kept."""
    found = tx.row(
        "SELECT payer_sealed, card_sealed FROM payment_card WHERE org = ?",
        (org,),
        tuple[bytes, bytes | None],
    )
    if found is None:
        return None, None
    return till.opened(found[0]), till.opened(found[1])


def set_rule(tx: Transaction, till: Till, actor: Actor, owner: Organization, *, rule: Rule) -> None:
    """Switch automatic top-up on, or change it.

    Raises:
        InvalidValue: an amount that cannot be, no saved card, an organization that may not, or
            taxes, which only the company's page can ask for.
    """
    refuse_stopped(tx, owner)
    if till.terms.tax_part:
        raise InvalidValue("organization", "taxes are added on the payment page only: top up there")
    _check(rule, till.terms)
    if saved_card(tx, till, owner.raw)[1] is None:
        raise InvalidValue("organization", "it has no saved card: top up once with --save-card")
    tx.execute(
        "INSERT INTO automatic_topup (org, threshold, cents, month_cap_cents, is_on)"
        " VALUES (?, ?, ?, ?, 1) ON CONFLICT (org) DO UPDATE SET threshold = excluded.threshold,"
        " cents = excluded.cents, month_cap_cents = excluded.month_cap_cents, is_on = 1,"
        " declines = 0, next_at = 0",
        (owner.raw, rule.threshold_nusd, rule.cents, rule.month_cap_cents),
    )
    append(
        tx,
        actor,
        Action.AUTOMATIC_TOPUP_ON,
        owner.ref,
        amount_nusd=rule.month_cap_cents * NUSD_PER_CENT,
    )


def _check(rule: Rule, terms: Terms) -> None:
    if not terms.topup_cents_min <= rule.cents <= terms.topup_cents_max:
        raise InvalidValue("amount_usd", "it is outside the operator's limits of a top-up")
    if rule.month_cap_cents < rule.cents:
        raise InvalidValue("month_cap_usd", "give at least the amount of one top-up")


def switch_off(tx: Transaction, actor: Actor, owner: Organization) -> None:
    """Switch automatic top-up off; off stays off."""
    tx.execute("UPDATE automatic_topup SET is_on = 0 WHERE org = ?", (owner.raw,))
    append(tx, actor, Action.AUTOMATIC_TOPUP_OFF, owner.ref)


def stop_automatic(tx: Transaction, actor: Actor, owner: Organization) -> None:
    """Switch automatic top-up off where it is on: money that goes back is not charged again."""
    if tx.execute("UPDATE automatic_topup SET is_on = 0 WHERE org = ? AND is_on = 1", (owner.raw,)):
        append(tx, actor, Action.AUTOMATIC_TOPUP_OFF, owner.ref)


def standing(tx: Transaction, till: Till, owner: Organization, now_ms: int) -> Standing:
    """Return how an organization's automatic top-up stands."""
    found = tx.row(
        "SELECT is_on, threshold, cents, month_cap_cents, declines FROM automatic_topup"
        " WHERE org = ?",
        (owner.raw,),
        tuple[int, int, int, int, int],
    )
    is_on, threshold, cents, cap, declines = found or (0, 0, 0, 0, 0)
    has_card = saved_card(tx, till, owner.raw)[1] is not None
    charged = charged_cents(tx, owner.raw, now_ms)
    return Standing(owner.ref, bool(is_on), threshold, cents, cap, charged, declines, has_card)


def charged_cents(tx: Transaction, org: bytes, now_ms: int) -> int:
    """Return what automatic top-ups of this calendar month took, or may have taken."""
    moment = datetime.fromtimestamp(now_ms / 1_000, UTC)
    month = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = tx.row(
        "SELECT CAST(coalesce(sum(cents), 0) AS bigint) FROM topup WHERE org = ?"
        " AND kind = 'automatic' AND created_at >= ? AND state NOT IN ('declined', 'expired')",
        (org, int(month.timestamp()) * 1_000),
        tuple[int],
    )
    assert found
    return found[0]


def due(tx: Transaction, now_ms: int, limit: int) -> list[bytes]:
    """Return organizations whose credit is below the threshold of a rule that may act now."""
    found = tx.rows(
        "SELECT a.org FROM automatic_topup AS a JOIN organization AS o ON o.ref = a.org"
        " WHERE a.is_on = 1 AND a.next_at <= ? AND o.frozen_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM topup WHERE org = a.org AND kind = 'automatic'"
        " AND state IN ('open', 'review'))"
        " ORDER BY a.next_at, a.org",
        (now_ms,),
        tuple[bytes],
    )
    below = [org for (org,) in found if is_below(tx, org)]
    return below[:limit]


def is_below(tx: Transaction, org: bytes) -> bool:
    """Tell whether less is free in a wallet than the threshold of its rule."""
    found = tx.row(
        "SELECT 1 FROM book JOIN automatic_topup AS a ON a.org = ? WHERE book.id = ?"
        " AND posted - held < a.threshold",
        (org, wallet_purse(org)),
    )
    return found is not None


def begin_automatic(tx: Transaction, till: Till, org: bytes, now_ms: int) -> Topup | None:
    """Write the row of an automatic top-up; None when the month's cap leaves no room for it."""
    found = tx.row(
        "SELECT cents, month_cap_cents FROM automatic_topup WHERE org = ? AND is_on = 1 {lock}",
        (org,),
        tuple[int, int],
    )
    if found is None or charged_cents(tx, org, now_ms) + found[0] > found[1]:
        _wait(tx, org, now_ms + MS_OF_HOUR)
        return None
    owner = find(tx, ids.text("org", org))
    wanted = Wanted(found[0], kind=TopupKind.AUTOMATIC)
    if not till.terms.tax_part:
        with suppress(InvalidValue):  # the operator's limits have changed since it was set
            return begin_topup(tx, till, automatic(now_ms), owner, wanted=wanted)
    _give_up(tx, org, f"{owner.ref} {now_ms}", found[0], now_ms=now_ms)
    return None


def _wait(tx: Transaction, org: bytes, until_ms: int) -> None:
    tx.execute("UPDATE automatic_topup SET next_at = ? WHERE org = ?", (until_ms, org))


def declined(tx: Transaction, topup: Topup, now_ms: int) -> None:
    """Note that the card was declined: wait longer each time, give up after the third."""
    is_new = end_topup(tx, topup.ref, TopupState.DECLINED)
    if not is_new or topup.state is not TopupState.OPEN:
        return
    found = tx.row(
        "UPDATE automatic_topup SET declines = declines + 1 WHERE org = ? RETURNING declines",
        (topup.org,),
        tuple[int],
    )
    declines = found[0] if found else DECLINES_MAX
    if declines < DECLINES_MAX:
        _wait(tx, topup.org, now_ms + _BACK_OFF_MS[declines - 1])
        return
    _give_up(tx, topup.org, topup.ref, topup.cents, now_ms=now_ms)


def _give_up(tx: Transaction, org: bytes, subject: str, cents: int, *, now_ms: int) -> None:
    """Switch automatic top-up off, and let somebody know."""
    tx.execute("UPDATE automatic_topup SET is_on = 0 WHERE org = ?", (org,))
    append(tx, automatic(now_ms), Action.AUTOMATIC_TOPUP_OFF, ids.text("org", org))
    kind = ItemKind.AUTOMATIC_OFF
    raise_item(tx, kind, subject, org=org, cents=cents, now_ms=now_ms)


def needs_owner(tx: Transaction, topup: Topup, now_ms: int) -> None:
    """Note that the card's owner must confirm: tell them, and do not ask the bank again today."""
    if not end_topup(tx, topup.ref, TopupState.NEEDS_ACTION):
        return
    _wait(tx, topup.org, now_ms + _OWNER_MS)
    raise_item(
        tx, ItemKind.CARD_NEEDS_OWNER, topup.ref, org=topup.org, cents=topup.cents, now_ms=now_ms
    )
