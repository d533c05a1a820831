"""How management shows payments: closed structs, as the command line gets them in JSON."""

import msgspec

from troth.control.billing import (
    Dispute,
    Item,
    Reconciled,
    Refund,
    Standing,
    Statement,
    Topup,
    TopupKind,
)
from troth.kernel import ids
from troth.kernel.money import usd


class Payment(msgspec.Struct, frozen=True):
    """A top-up, a refund or a dispute. Dollars are what the wallet gains or loses by it.

    `kind` is topup, automatic_topup, refund or dispute. `tax_usd` and `fee_usd` are empty where
    none is known.
    """

    ref: str
    kind: str
    organization: str
    state: str
    usd: str
    tax_usd: str
    fee_usd: str
    at_ms: int
    of: str = ""


def cents_usd(cents: int) -> str:
    """Return dollars of whole cents, such as `12.50`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def shown_topup(topup: Topup) -> Payment:
    """Return a top-up as it is shown."""
    return Payment(
        ref=topup.ref,
        kind="topup" if topup.kind is TopupKind.PAGE else "automatic_topup",
        organization=ids.text("org", topup.org),
        state=topup.state.value,
        usd=cents_usd(topup.cents),
        tax_usd=cents_usd(topup.tax_cents),
        fee_usd="" if topup.fee_cents is None else cents_usd(topup.fee_cents),
        at_ms=topup.created_at_ms,
    )


def shown_refund(refund: Refund) -> Payment:
    """Return a refund as it is shown."""
    return Payment(
        ref=refund.ref,
        kind="refund",
        organization=ids.text("org", refund.org),
        state=refund.state.value,
        usd=cents_usd(-refund.cents),
        tax_usd=cents_usd(-refund.tax_cents),
        fee_usd=cents_usd(refund.fee_cents),
        at_ms=refund.created_at_ms,
        of=ids.text("top", refund.topup) if refund.topup else "",
    )


def shown_dispute(dispute: Dispute) -> Payment:
    """Return a dispute as it is shown."""
    return Payment(
        ref=dispute.ref,
        kind="dispute",
        organization=ids.text("org", dispute.org),
        state=dispute.state.value,
        usd=cents_usd(-dispute.cents),
        tax_usd=cents_usd(-dispute.tax_cents),
        fee_usd="",
        at_ms=dispute.opened_at_ms,
        of=ids.text("top", dispute.topup),
    )


class AutomaticTopup(msgspec.Struct, frozen=True):
    """How an organization's automatic top-up stands; `charged_usd` counts this month's."""

    organization: str
    is_on: bool
    has_card: bool
    below_usd: str
    amount_usd: str
    month_cap_usd: str
    charged_usd: str
    declines: int


def shown_standing(found: Standing) -> AutomaticTopup:
    """Return an automatic top-up as it is shown."""
    return AutomaticTopup(
        organization=found.organization,
        is_on=found.is_on,
        has_card=found.has_card,
        below_usd=usd(found.threshold_nusd),
        amount_usd=cents_usd(found.cents),
        month_cap_usd=cents_usd(found.month_cap_cents),
        charged_usd=cents_usd(found.charged_cents),
        declines=found.declines,
    )


class ClosedAccount(msgspec.Struct, frozen=True):
    """An account's last statement, in dollars; the parts sum to `balance_usd`.

    `closes_at_ms` is when an account will be closed for which that is planned, else 0.
    """

    organization: str
    state: str
    began_at_ms: int
    ended_at_ms: int
    bought_usd: str
    given_usd: str
    charged_usd: str
    refunded_usd: str
    disputed_usd: str
    ended_usd: str
    balance_usd: str
    owed_usd: str
    closes_at_ms: int = 0


def shown_statement(found: Statement) -> ClosedAccount:
    """Return a statement as it is shown."""
    return ClosedAccount(
        organization=found.organization,
        state=found.state,
        began_at_ms=found.began_at_ms,
        ended_at_ms=found.ended_at_ms,
        bought_usd=usd(found.bought_nusd),
        given_usd=usd(found.given_nusd),
        charged_usd=usd(found.charged_nusd),
        refunded_usd=usd(found.refunded_nusd),
        disputed_usd=usd(found.disputed_nusd),
        ended_usd=usd(found.ended_nusd),
        balance_usd=usd(found.balance_nusd),
        owed_usd=usd(found.owed_nusd),
        closes_at_ms=found.closes_at_ms,
    )


class QueueItem(msgspec.Struct, frozen=True):
    """Something that waits for a person, and why."""

    ref: str
    kind: str
    subject: str
    organization: str
    usd: str
    raised_at_ms: int


def shown_item(item: Item) -> QueueItem:
    """Return an item as it is shown."""
    usd_text = cents_usd(item.cents)
    return QueueItem(item.ref, item.kind, item.subject, item.org, usd_text, item.raised_at_ms)


class ShownGap(msgspec.Struct, frozen=True):
    """A line of the company's books that ours do not have, or a payout that does not add up."""

    ref: str
    kind: str
    usd: str


class Comparison(msgspec.Struct, frozen=True):
    """Our books beside the company's; `unexplained_usd` is what no line accounts for.

    `seen_usd` are lines that a person has found in order.
    """

    is_even: bool
    lines: int
    company_usd: str
    books_usd: str
    gap_usd: str
    seen_usd: str
    unexplained_usd: str
    gaps: tuple[ShownGap, ...]


def shown_comparison(found: Reconciled) -> Comparison:
    """Return a comparison as it is shown."""
    return Comparison(
        is_even=found.is_even,
        lines=found.lines,
        company_usd=cents_usd(found.company_cents),
        books_usd=cents_usd(found.books_cents),
        gap_usd=cents_usd(found.gap_cents),
        seen_usd=cents_usd(found.seen_cents),
        unexplained_usd=cents_usd(found.unexplained_cents),
        gaps=tuple(ShownGap(each.ref, each.kind, cents_usd(each.cents)) for each in found.gaps),
    )
