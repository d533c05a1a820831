"""A payment company in memory: deterministic, with books of its own, and as unreliable as told.

What a person, a bank or the company itself does is a method of its own (`pay`, `dispute_opened`,
`refund_failed`, `pay_out`); each leaves notices in `events`, in the order in which they happened.
"""

from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac_of
from itertools import count
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from troth.control.billing.ports import (
    About,
    CheckoutAsk,
    CheckoutPage,
    Dispute,
    DisputeStatus,
    Intent,
    IntentStatus,
    Movement,
    MovementKind,
    Notice,
    Payout,
    PayoutStatus,
    Refund,
    RefundAsk,
    RefundStatus,
    SavedCharge,
    Session,
)
from troth.kernel.clock import Clock
from troth.kernel.errors import Missing
from troth.kernel.payment_errors import BadSignature, PaymentsDown

Thing = TypeVar("Thing")

GOOD_CARD = "card_good"
DECLINED_CARD = "card_declined"
CAREFUL_CARD = "card_careful"
"""Its bank wants its owner to confirm each charge."""
GONE_CARD = "card_gone"
"""Charges work; refunds to it are refused."""
_OUTCOMES = {
    DECLINED_CARD: (IntentStatus.DECLINED, "card_declined"),
    CAREFUL_CARD: (IntentStatus.NEEDS_ACTION, "authentication_required"),
}
FEE_PERMILLE = 29
FEE_CENTS = 30
DISPUTE_FEE_CENTS = 1_500
PAGE_SECONDS = 86_400
SIGNATURE_SECONDS = 300


def fee_of(cents: int) -> int:
    """What the company keeps of a payment."""
    return FEE_CENTS + cents * FEE_PERMILLE // 1_000


class PaymentCompany:
    """Implements `Payments`. `down` calls fail before anything happens, `mute` ones after."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sessions: dict[str, Session] = {}
        self.intents: dict[str, Intent] = {}
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.lines: list[Movement] = []
        self.paid_out: list[Payout] = []
        self.events: list[Notice] = []
        self.calls: list[str] = []
        self.deaf: set[str] = set()
        """Pages that it does not answer about."""
        self.down = 0
        self.forgotten: set[str] = set()
        """Payers that it knows no more."""
        self.mute = 0
        self._asked: dict[str, CheckoutAsk] = {}
        self._outcomes: dict[str, str] = {}
        self._numbers = count(1)

    # --- what Troth asks ----------------------------------------------------------------------

    def checkout(self, ask: CheckoutAsk) -> CheckoutPage:
        with _Call(self, "checkout"):
            if ask.payer in self.forgotten:
                raise Missing("payment")
            ref = self._once(ask.key, "cs")
            if ref not in self.sessions:
                self._asked[ref] = ask
                tax = ask.cents // 10 if ask.has_tax else 0
                self.sessions[ref] = Session(
                    ref=ref,
                    topup=ask.topup,
                    is_paid=False,
                    is_open=True,
                    intent=None,
                    cents=ask.cents + tax,
                    tax_cents=tax,
                    currency=ask.currency,
                    payer=ask.payer,
                )
            return CheckoutPage(ref, f"https://pay.example/{ref}", self._now_s() + PAGE_SECONDS)

    def session(self, ref: str) -> Session:
        with _Call(self, "session"):
            if ref in self.deaf:
                raise PaymentsDown
            return _known(self.sessions, ref)

    def end_page(self, session: str) -> None:
        with _Call(self, "end_page"):
            if self.sessions[session].is_open:
                self.expire(session)

    def charge_saved(self, ask: SavedCharge) -> Intent:
        with _Call(self, "charge_saved"):
            if ask.card == "card_forgotten":
                raise Missing("payment")
            ref = self._once(ask.key, "pi")
            if ref not in self.intents:
                self._charge(ref, ask, tax_cents=0)
            return self.intents[ref]

    def intent(self, ref: str) -> Intent:
        with _Call(self, "intent"):
            return _known(self.intents, ref)

    def intent_of(self, topup: str) -> Intent | None:
        with _Call(self, "intent_of"):
            found = [each for each in self.intents.values() if each.topup == topup]
            return found[-1] if found else None

    def refund(self, ask: RefundAsk) -> Refund:
        with _Call(self, "refund"):
            ref = self._once(ask.key, "re")
            if ref not in self.refunds:
                self.refunds[ref] = self._refund(ref, ask)
            return self.refunds[ref]

    def refund_state(self, ref: str) -> Refund:
        with _Call(self, "refund_state"):
            return _known(self.refunds, ref)

    def dispute(self, ref: str) -> Dispute:
        with _Call(self, "dispute"):
            return _known(self.disputes, ref)

    def notices(self, since_s: int) -> list[Notice]:
        with _Call(self, "notices"):
            return [each for each in self.events if each.at_s >= since_s]

    def movements(self, since_s: int, until_s: int) -> list[Movement]:
        with _Call(self, "movements"):
            return [each for each in self.lines if since_s <= each.at_s < until_s]

    def payouts(self, since_s: int) -> list[Payout]:
        with _Call(self, "payouts"):
            return [each for each in self.paid_out if each.arrives_at_s >= since_s]

    # --- what people, banks and the company do ------------------------------------------------

    def pay(self, session: str, card: str = GOOD_CARD) -> Intent:
        """A person pays on a page."""
        page, ask = self.sessions[session], self._asked[session]
        assert page.is_open
        payer = page.payer or self._new("cus")
        ref = self._new("pi")
        saved = card if ask.saves_card else None
        charge = SavedCharge(ref, page.topup, payer, card, page.cents, page.currency)
        self._charge(ref, charge, tax_cents=page.tax_cents)
        paid = replace(self.intents[ref], card=saved)
        self.intents[ref] = paid
        if paid.status is IntentStatus.SUCCEEDED:
            self.sessions[session] = replace(
                page, is_paid=True, is_open=False, intent=ref, payer=payer
            )
            self._tell(About.SESSION, session)
        return paid

    def expire(self, session: str) -> None:
        """A page's time is over."""
        self.sessions[session] = replace(self.sessions[session], is_open=False)
        self._tell(About.SESSION, session)

    def confirm(self, intent: str) -> None:
        """A person confirms a charge that needed it."""
        self._succeed(replace(self.intents[intent], status=IntentStatus.SUCCEEDED))

    def refunded_elsewhere(self, intent: str, cents: int = 0) -> Refund:
        """The operator gives a payment back, or a part, in the company's own dashboard."""
        ref = self._new("re")
        asked = RefundAsk("", "", intent, cents or self.intents[intent].cents)
        self.refunds[ref] = self._refund(ref, asked)
        return self.refunds[ref]

    def refund_done(self, ref: str) -> None:
        """A refund has arrived."""
        self.refunds[ref] = replace(self.refunds[ref], status=RefundStatus.SUCCEEDED)
        self._tell(About.REFUND, ref)

    def refund_failed(self, ref: str) -> None:
        """A bank has sent a refund back."""
        refund = self.refunds[ref]
        self.refunds[ref] = replace(refund, status=RefundStatus.FAILED)
        paid = self.intents[refund.intent]
        rest = paid.refunded_cents - refund.cents
        self.intents[refund.intent] = replace(paid, refunded_cents=rest)
        self._line(MovementKind.REFUND_FAILURE, ref, refund.cents)
        self._tell(About.REFUND, ref)

    def dispute_opened(self, intent: str, cents: int = 0, *, is_warning: bool = False) -> Dispute:
        """A payer's bank wants money back."""
        ref, paid = self._new("dp"), self.intents[intent]
        status = DisputeStatus.WARNING if is_warning else DisputeStatus.OPEN
        self.disputes[ref] = Dispute(ref, intent, cents or paid.cents, status)
        if not is_warning:
            self._line(MovementKind.DISPUTE, ref, -self.disputes[ref].cents, DISPUTE_FEE_CENTS)
        self._tell(About.DISPUTE, ref)
        return self.disputes[ref]

    def dispute_ended(self, ref: str, *, is_won: bool) -> None:
        """A dispute is decided."""
        status = DisputeStatus.WON if is_won else DisputeStatus.LOST
        self.disputes[ref] = replace(self.disputes[ref], status=status)
        if is_won:
            self._line(MovementKind.DISPUTE_REVERSAL, ref, self.disputes[ref].cents)
        self._tell(About.DISPUTE, ref)

    def pay_out(self) -> Payout:
        """The company sends what it owes to the bank."""
        ref = self._new("po")
        cents = self.balance_cents
        self.lines = [replace(each, payout=each.payout or ref) for each in self.lines]
        self._line(MovementKind.PAYOUT, ref, -cents, payout=ref)
        self.paid_out.append(Payout(ref, cents, PayoutStatus.PAID, self._now_s()))
        return self.paid_out[-1]

    def payout_failed(self, ref: str) -> None:
        """The operator's bank sends a payout back."""
        (line,) = [each for each in self.lines if each.about == ref and each.cents < 0]
        self._line(MovementKind.PAYOUT_REVERSAL, ref, -line.cents)
        self.paid_out = [
            replace(each, status=PayoutStatus.FAILED) if each.ref == ref else each
            for each in self.paid_out
        ]

    def charge_elsewhere(self, cents: int) -> Intent:
        """Somebody pays the operator for something that is not ours."""
        ref = self._new("pi")
        self._succeed(Intent(ref, IntentStatus.SUCCEEDED, cents, "usd", topup=""))
        return self.intents[ref]

    @property
    def balance_cents(self) -> int:
        """What the company owes the operator."""
        return sum(each.net_cents for each in self.lines)

    # --- inside -------------------------------------------------------------------------------

    def _now_s(self) -> int:
        return self.clock.now_ms() // 1_000

    def _new(self, kind: str) -> str:
        return f"{kind}_{next(self._numbers):08d}"

    def _once(self, key: str, kind: str) -> str:
        return self._outcomes.setdefault(key, self._new(kind))

    def _charge(self, ref: str, ask: SavedCharge, *, tax_cents: int) -> None:
        status, code = _OUTCOMES.get(ask.card, (IntentStatus.SUCCEEDED, ""))
        made = Intent(
            ref=ref,
            status=status,
            cents=ask.cents,
            currency=ask.currency,
            topup=ask.topup,
            payer=ask.payer,
            card=ask.card,
            tax_cents=tax_cents,
            decline_code=code,
        )
        self.intents[ref] = made
        if status is IntentStatus.SUCCEEDED:
            self._succeed(made)
        else:
            self._tell(About.INTENT, ref)

    def _succeed(self, paid: Intent) -> None:
        self.intents[paid.ref] = replace(paid, fee_cents=fee_of(paid.cents))
        self._line(MovementKind.CHARGE, paid.ref, paid.cents, fee_of(paid.cents))
        self._tell(About.INTENT, paid.ref)

    def _refund(self, ref: str, ask: RefundAsk) -> Refund:
        paid = _known(self.intents, ask.intent)
        rest = paid.cents - paid.refunded_cents
        is_disputed = any(
            each.intent == ask.intent and each.status in {DisputeStatus.OPEN, DisputeStatus.LOST}
            for each in self.disputes.values()
        )
        if ask.cents > rest or is_disputed or paid.card == GONE_CARD:
            return Refund("", ask.refund, ask.intent, ask.cents, RefundStatus.FAILED)
        self.intents[paid.ref] = replace(paid, refunded_cents=paid.refunded_cents + ask.cents)
        self._line(MovementKind.REFUND, ref, -ask.cents)
        self._tell(About.REFUND, ref)
        return Refund(ref, ask.refund, ask.intent, ask.cents, RefundStatus.PROCESSING)

    def _line(
        self, kind: MovementKind, about: str, cents: int, fee: int = 0, *, payout: str | None = None
    ) -> None:
        ref = self._new("txn")
        self.lines.append(
            Movement(ref, kind, about, cents, fee, cents - fee, self._now_s(), payout)
        )

    def _tell(self, kind: About, about: str) -> None:
        self.events.append(Notice(self._new("evt"), kind, about, self._now_s()))


class _Call:
    """One call: fails as told, before or after its deed."""

    def __init__(self, company: PaymentCompany, name: str) -> None:
        self._company = company
        self._name = name

    def __enter__(self) -> None:
        self._company.calls.append(self._name)
        if self._company.down:
            self._company.down -= 1
            raise PaymentsDown

    def __exit__(self, *_: object) -> None:
        if self._company.mute:
            self._company.mute -= 1
            raise PaymentsDown


def _known(things: dict[str, Thing], ref: str) -> Thing:
    if ref not in things:
        raise Missing("payment")
    return things[ref]


class SealedEnvelope:
    """Implements `Envelope`, and seals as the company would."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def seal(self, notice: Notice, now_s: int) -> tuple[bytes, str]:
        """Return body and signature header of a webhook."""
        body = msgspec.json.encode(notice)
        return body, f"t={now_s},v1={self._mark(now_s, body)}"

    def open(self, body: bytes, signature: str, now_s: int) -> Notice:
        fields = dict(part.split("=", 1) for part in signature.split(",") if "=" in part)
        stamp = fields.get("t", "")
        if not stamp.isdecimal() or abs(now_s - int(stamp)) > SIGNATURE_SECONDS:
            raise BadSignature
        if not compare_digest(self._mark(int(stamp), body), fields.get("v1", "")):
            raise BadSignature
        return msgspec.json.decode(body, type=Notice)

    def _mark(self, now_s: int, body: bytes) -> str:
        return hmac_of(self._secret, f"{now_s}.".encode() + body, sha256).hexdigest()
