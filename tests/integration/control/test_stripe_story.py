"""Our flows over the double of Stripe: whatever becomes of calls and webhooks, no cent is lost."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from tests.builders.spending_seat import SpendingSeat
from tests.builders.stripe_world import StripeWorld
from troth.control import accounts, billing
from troth.control.audit import Actor
from troth.control.billing import NUSD_PER_CENT, Asked, Reconciled, Till, Wanted
from troth.control.billing import Terms as TillTerms
from troth.kernel.clock import ManualClock
from troth.kernel.errors import TrothError
from troth.kernel.payment_errors import BadSignature, PaymentsDown
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.proof.twin.fake_stripe.draw import Draw
from troth.proof.twin.fake_stripe.terms import ApiFaults, Terms, WebhookFaults
from troth.proof.twin.fake_stripe.webhooks import Post
from troth.server.cashier import Cashier
from troth.server.office import Office
from troth.server.payments import balance, incoming, outgoing
from troth.server.stripe_envelope import StripeEnvelope

SECRET = "whsec_of_the_story"
HOUR_MS = 3_600_000
SWEEP_HOURS = 6
CARDS = (
    *("pm_card_visa",) * 5,
    "pm_card_chargeDeclined",
    "pm_card_createDispute",
    "pm_card_createDisputeInquiry",
    "pm_card_pendingRefund",
    "pm_card_refundFail",
)
STORM = Terms(
    seed="storm",
    webhook_secrets=("whsec_before", SECRET),
    webhook_faults=WebhookFaults(
        dropped_permille=100,
        doubled_permille=300,
        delayed_permille=400,
        delay_ms_max=6 * HOUR_MS,
        forged_permille=100,
    ),
    api_faults=ApiFaults(deaf_permille=30, lost_permille=30, broken_permille=20),
    slow_refunds_permille=200,
    failed_refunds_permille=100,
)


class Story:
    """An office whose payments go to the double, and the double's webhooks back to it."""

    def __init__(self, office: Office, clock: ManualClock, terms: Terms) -> None:
        self.world = StripeWorld(terms, clock)
        self.clock = clock
        self.envelope = StripeEnvelope(SECRET)
        till = Till(
            TillTerms(return_url="https://troth.example/"),
            Sealer(b"k" * 32, office.entropy),
            office.maker.raw,
        )
        cashier = Cashier(self.world.payments, self.envelope, till)
        self.office = replace(office, cashier=cashier)
        self.seat = SpendingSeat(office.store, office.maker.raw, clock.now_ms)
        self.hours = 0
        self.heard = 0
        self.refused = 0
        self.spent: dict[bytes, int] = {}

    @property
    def actor(self) -> Actor:
        return Actor(1000, self.clock.now_ms())

    def organization(self, name: str) -> bytes:
        with self.office.store.write() as tx:
            return accounts.create(tx, self.actor, self.office.maker.raw(), name).raw

    def take(self, post: Post) -> int:
        """Answer a webhook as the control port does."""
        self.heard += 1
        try:
            notice = self.envelope.open(post.body, post.signature, self.world.now_s)
            incoming.handle(self.office, notice)
        except BadSignature:
            assert post.forgery
            self.refused += 1
            return 400
        except PaymentsDown:
            return 503
        assert not post.forgery
        return 200

    def cents(self, org: bytes) -> int:
        with self.office.store.read() as tx:
            found = books.wallet(tx, org)
        if found is None:
            return 0
        assert found.posted % NUSD_PER_CENT == 0
        return found.posted // NUSD_PER_CENT

    def buy(self, name: str, cents: int, card: str) -> None:
        with suppress(PaymentsDown):
            wanted = Wanted(cents, saves_card=True)
            page = incoming.start_topup(self.office, self.actor, name, wanted)
            self.world.company.pay(page.url.rpartition("/")[2], card)

    def thaw(self) -> None:
        """Let the operator believe everybody again whose payment was disputed."""
        with self.office.store.write() as tx:
            for owner in accounts.on_list(tx):
                if owner.frozen_at_ms:
                    accounts.thaw(tx, self.actor, owner.ref)

    def spend(self, org: bytes, cents: int) -> None:
        if cents <= self.cents(org):
            self.seat.spend(org, cents * NUSD_PER_CENT)
            self.spent[org] = self.spent.get(org, 0) + cents

    def refund(self, name: str, cents: int) -> None:
        with suppress(TrothError):  # less is left than that, or the account is frozen
            outgoing.start_refund(self.office, self.actor, name, Asked(cents))

    def pass_hours(self, hours: int, turns: int = 1) -> None:
        """Let time pass with all that goes on by itself."""
        for _ in range(turns):
            self.clock.advance(hours * HOUR_MS)
            self.world.company.deliver(self.take)
            self.hours += hours
            if self.hours % SWEEP_HOURS:
                continue
            for duty in (incoming.sweep, incoming.charge_due, outgoing.drive_refunds):
                with suppress(PaymentsDown):
                    duty(self.office)


def told(story: Story, seed: str, steps: int) -> list[bytes]:
    """Let people buy, spend and ask for their money back; return the organizations."""
    chance = Draw(seed)
    names = ("acme", "borg", "cyan")
    orgs = [story.organization(name) for name in names]
    for _ in range(steps):
        at = chance.below(3)
        deed = chance.below(4)
        if deed < 2:
            story.thaw()
            story.buy(names[at], 500 + chance.below(4_500), CARDS[chance.below(len(CARDS))])
        elif deed == 2:
            story.spend(orgs[at], 1 + chance.below(500))
        else:
            story.refund(names[at], 1 + chance.below(2_000))
        if chance.happens(300):
            story.pass_hours(1)
        else:
            story.clock.advance(60_000)
            story.world.company.deliver(story.take)
    return orgs


def ended(office: Office, clock: ManualClock, steps: int) -> str:
    """Run a storm to its end, hold both books beside each other, return what it was."""
    story = Story(office, clock, STORM)
    orgs = told(story, "people", steps)
    story.pass_hours(12, turns=30)
    assert story.world.company.waiting == 0
    world = story.world.company.world
    assert {each.status for each in world.refunds.values()} == {"succeeded", "failed"}
    assert {each.status for each in world.disputes.values()} == {"lost", "warning_closed"}
    assert story.refused > 5
    with story.office.store.read() as tx:
        assert books.verify(tx).problems == []
    found = compared(story)
    assert found.gaps == ()
    assert (found.gap_cents, found.unexplained_cents) == (0, 0)
    theirs = story.world.company.books()
    assert found.company_cents == theirs.balance_cents
    paid = {
        each.notes["troth_topup"]: each.paid_cents
        for each in theirs.payments.values()
        if each.paid_cents
    }
    with story.office.store.read() as tx:
        ours = {ref: billing.find_topup(tx, ref).paid_cents for ref in paid}
    assert ours == paid
    assert min(story.cents(org) for org in orgs) >= 0
    return (
        f"{story.heard} webhooks, {story.refused} of them forged, over {len(paid)} payments, "
        f"{len(world.refunds)} refunds and {len(world.disputes)} disputes: 0 cents apart"
    )


def compared(story: Story) -> Reconciled:
    for _ in range(50):
        with suppress(PaymentsDown):
            return balance.reconcile(story.office)
    raise AssertionError


def test_a_storm_ends_where_both_books_agree_to_the_cent(
    office: Office, clock: ManualClock
) -> None:
    assert ended(office, clock, 60).endswith("0 cents apart")


@pytest.mark.prove
def test_a_long_storm_ends_where_both_books_agree_to_the_cent(
    office: Office, clock: ManualClock, figures: Callable[[str], None]
) -> None:
    figures(f"Stripe's client, {office.store.dialect}: {ended(office, clock, 1_800)}")
