"""The adapter to Stripe, by its official client library, against the double in this process."""

import pytest
from msgspec.structs import replace

from tests.builders.stripe_world import ASK, DAY_MS, KEY, StripeWorld
from troth.control.billing.ports import (
    About,
    DisputeStatus,
    IntentStatus,
    MovementKind,
    Payments,
    PayoutStatus,
    RefundAsk,
    RefundStatus,
    SavedCharge,
)
from troth.kernel.errors import Missing
from troth.kernel.payment_errors import PaymentsDown
from troth.proof.twin.fake_stripe.cards import CARDS
from troth.proof.twin.fake_stripe.terms import ApiFaults, Terms
from troth.server.stripe_payments import stripe_payments


@pytest.fixture
def world() -> StripeWorld:
    return StripeWorld()


def intent_of(world: StripeWorld, topup: str) -> str:
    found = world.payments.intent_of(topup)
    assert found is not None
    return found.ref


def test_a_page_is_made_paid_and_seen(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    fresh = world.payments.session(page.session)
    assert (fresh.is_open, fresh.is_paid, fresh.intent, fresh.topup) == (True, False, None, "top_1")
    assert page.expires_at_s == world.now_s + 86_400
    assert world.company.pay(page.session) == "succeeded"
    paid = world.payments.session(page.session)
    assert (paid.is_open, paid.is_paid, paid.cents, paid.currency) == (False, True, 2_500, "usd")
    assert paid.intent
    intent = world.payments.intent(paid.intent)
    assert intent.status is IntentStatus.SUCCEEDED
    assert (intent.cents, intent.topup, intent.payer) == (2_500, "top_1", paid.payer)
    (line,) = world.payments.movements(0, world.now_s + 1)
    assert intent.fee_cents == line.fee_cents > 0
    assert world.payments.intent_of("top_1") == intent
    assert world.payments.intent_of("top_2") is None


def test_the_same_key_makes_one_page(world: StripeWorld) -> None:
    assert world.payments.checkout(ASK) == world.payments.checkout(ASK)
    with pytest.raises(PaymentsDown):
        world.payments.checkout(replace(ASK, cents=9_900))


def test_a_page_ends_by_itself(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    world.clock.advance(DAY_MS)
    ended = world.payments.session(page.session)
    assert (ended.is_open, ended.is_paid) == (False, False)
    assert world.company.pay(page.session) == ""


def test_tax_is_added_and_told(world: StripeWorld) -> None:
    world = StripeWorld(Terms(tax_permyriad=810))
    page = world.payments.checkout(replace(ASK, has_tax=True))
    world.company.pay(page.session)
    paid = world.payments.session(page.session)
    assert (paid.cents, paid.tax_cents) == (2_703, 203)
    assert paid.intent
    assert world.payments.intent(paid.intent).tax_cents == 203


@pytest.mark.parametrize("card", [card for card in CARDS if card.decline], ids=lambda c: c.token)
def test_a_declined_card_leaves_the_page_open(world: StripeWorld, card: object) -> None:
    page = world.payments.checkout(ASK)
    token = getattr(card, "token", "")
    assert world.company.pay(page.session, token) == "requires_payment_method"
    refused = world.payments.session(page.session)
    assert (refused.is_open, refused.is_paid) == (True, False)
    assert refused.intent
    assert world.payments.intent(refused.intent).status is IntentStatus.DECLINED
    assert world.company.pay(page.session) == "succeeded"
    assert world.payments.intent(refused.intent).status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize("status", [IntentStatus.SUCCEEDED, IntentStatus.DECLINED])
def test_three_d_secure_waits_for_its_person(world: StripeWorld, status: IntentStatus) -> None:
    is_confirmed = status is IntentStatus.SUCCEEDED
    page = world.payments.checkout(ASK)
    assert world.company.pay(page.session, "pm_card_authenticationRequired") == "requires_action"
    assert world.payments.session(page.session).is_open
    intent = intent_of(world, "top_1")
    assert world.payments.intent(intent).status is IntentStatus.NEEDS_ACTION
    world.company.authenticate(page.session, is_confirmed=is_confirmed)
    assert world.payments.intent(intent).status is status
    assert world.payments.session(page.session).is_paid is is_confirmed


def test_a_saved_card_is_charged_once_for_a_key(world: StripeWorld) -> None:
    world.paid()
    ask = world.saved("top_2")
    first = world.payments.charge_saved(ask)
    assert (first.status, first.cents, first.topup) == (IntentStatus.SUCCEEDED, 1_000, "top_2")
    assert replace(world.payments.charge_saved(ask), fee_cents=None) == first
    world.clock.advance(3 * DAY_MS)
    again = replace(world.payments.charge_saved(ask), fee_cents=None)
    assert again == first, "the company forgets a key after a day"
    assert world.company.books().paid_cents == 3_500


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("pm_card_chargeDeclined", IntentStatus.DECLINED, "generic_decline"),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            IntentStatus.DECLINED,
            "insufficient_funds",
        ),
        ("pm_card_authenticationRequired", IntentStatus.NEEDS_ACTION, "authentication_required"),
    ],
)
def test_a_saved_card_that_does_not_pay_is_an_answer(
    world: StripeWorld, token: str, status: IntentStatus, code: str
) -> None:
    world.paid()
    ask = world.saved("top_2")
    world.company.change_card(ask.card, token)
    refused = world.payments.charge_saved(ask)
    assert (refused.status, refused.decline_code) == (status, code)
    assert world.payments.intent(refused.ref) == refused


def test_a_card_that_asked_its_person_once_pays_alone_afterwards(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    world.company.pay(page.session, "pm_card_authenticationRequiredOnSetup")
    world.company.authenticate(page.session, is_confirmed=True)
    assert world.payments.charge_saved(world.saved("top_2")).status is IntentStatus.SUCCEEDED


def test_a_refund_stays_within_the_payment(world: StripeWorld) -> None:
    world.paid()
    intent = intent_of(world, "top_1")
    part = world.payments.refund(RefundAsk("k1", "ref_1", intent, 1_000))
    assert (part.status, part.refund) == (RefundStatus.SUCCEEDED, "ref_1")
    too_much = world.payments.refund(RefundAsk("k2", "ref_2", intent, 1_501))
    assert (too_much.status, too_much.ref) == (RefundStatus.FAILED, "")
    rest = world.payments.refund(RefundAsk("k3", "ref_3", intent, 1_500))
    assert world.payments.refund_state(rest.ref) == rest
    assert world.payments.intent(intent).refunded_cents == 2_500
    again = world.payments.refund(RefundAsk("k4", "ref_4", intent, 1))
    assert again.status is RefundStatus.FAILED


def test_a_refund_is_made_once_however_old_its_key_is(world: StripeWorld) -> None:
    world.paid()
    ask = RefundAsk("k1", "ref_1", intent_of(world, "top_1"), 1_000)
    first = world.payments.refund(ask)
    world.clock.advance(3 * DAY_MS)
    assert world.payments.refund(ask) == first
    assert world.company.books().refunded_cents == 1_000


@pytest.mark.parametrize(
    ("card", "first", "last"),
    [
        ("pm_card_pendingRefund", RefundStatus.PROCESSING, RefundStatus.SUCCEEDED),
        ("pm_card_refundFail", RefundStatus.SUCCEEDED, RefundStatus.FAILED),
    ],
)
def test_a_refund_can_end_otherwise_than_it_began(
    world: StripeWorld, card: str, first: RefundStatus, last: RefundStatus
) -> None:
    world.paid(card=card)
    sent = world.payments.refund(RefundAsk("k1", "ref_1", intent_of(world, "top_1"), 700))
    assert sent.status is first
    world.pass_seconds(60)
    assert world.payments.refund_state(sent.ref).status is last


@pytest.mark.parametrize("status", [DisputeStatus.WON, DisputeStatus.LOST])
def test_a_disputed_card_is_disputed_later(world: StripeWorld, status: DisputeStatus) -> None:
    world.paid(card="pm_card_createDispute")
    intent = intent_of(world, "top_1")
    assert [each for each in world.payments.notices(0) if each.kind is About.DISPUTE] == []
    world.pass_seconds(3_600)
    opened = [each for each in world.payments.notices(0) if each.kind is About.DISPUTE]
    dispute = world.payments.dispute(opened[0].about)
    assert (dispute.status, dispute.cents, dispute.intent) == (DisputeStatus.OPEN, 2_500, intent)
    refused = world.payments.refund(RefundAsk("k1", "ref_1", intent, 100))
    assert refused.status is RefundStatus.FAILED
    world.company.decide(dispute.ref, is_won=status is DisputeStatus.WON)
    assert world.payments.dispute(dispute.ref).status is status


def test_an_inquiry_moves_no_money(world: StripeWorld) -> None:
    world.paid(card="pm_card_createDisputeInquiry")
    world.pass_seconds(3_600)
    (opened,) = [each for each in world.payments.notices(0) if each.kind is About.DISPUTE]
    assert world.payments.dispute(opened.about).status is DisputeStatus.WARNING
    assert world.company.books().disputed_cents == 0


def test_the_books_of_the_company_add_up_to_its_payouts(world: StripeWorld) -> None:
    world.paid("top_1")
    world.payments.refund(RefundAsk("k1", "ref_1", intent_of(world, "top_1"), 500))
    world.paid("top_2", "pm_card_refundFail")
    world.payments.refund(RefundAsk("k2", "ref_2", intent_of(world, "top_2"), 500))
    world.paid("top_3")
    dispute = world.company.dispute(intent_of(world, "top_3"))
    world.pass_seconds(60)
    world.company.decide(dispute, is_won=True)
    world.clock.advance(5 * DAY_MS)
    moved = world.payments.movements(0, world.now_s + 1)
    kinds = {each.kind for each in moved}
    absent = {MovementKind.FEE, MovementKind.PAYOUT_REVERSAL, MovementKind.OTHER}
    assert kinds == set(MovementKind) - absent
    assert all(each.net_cents == each.cents - each.fee_cents for each in moved)
    payouts = world.payments.payouts(0)
    assert {each.status for each in payouts} == {PayoutStatus.PAID}
    for payout in payouts:
        inside = [each for each in moved if each.payout == payout.ref]
        assert sum(each.net_cents for each in inside) == 0, "what was paid out, and the payout"
        assert [each.cents for each in inside if each.about == payout.ref] == [-payout.cents]
    books = world.company.books()
    assert sum(each.net_cents for each in moved) == books.balance_cents
    assert books.paid_out_cents == sum(each.cents for each in payouts)
    charged = {each.about: each.cents for each in moved if each.kind is MovementKind.CHARGE}
    assert charged == {ref: each.paid_cents for ref, each in books.payments.items()}


def test_notices_come_oldest_first_over_many_pages(world: StripeWorld) -> None:
    for number in range(60):
        world.pass_seconds(1)
        world.paid(f"top_{number}")
    notices = world.payments.notices(0)
    assert len(notices) == 120
    assert [each.at_s for each in notices] == sorted(each.at_s for each in notices)
    assert len(world.payments.notices(world.now_s)) == 2


@pytest.mark.parametrize("ref", ["nothing", "../customers", "a b", ""])
def test_what_the_company_does_not_know_is_missing(world: StripeWorld, ref: str) -> None:
    for look in (world.payments.session, world.payments.intent, world.payments.dispute):
        with pytest.raises(Missing):
            look(ref)
    with pytest.raises(Missing):
        world.payments.refund(RefundAsk("k1", "ref_1", ref, 100))


@pytest.mark.parametrize(
    "faults",
    [
        ApiFaults(deaf_permille=1_000),
        ApiFaults(lost_permille=1_000),
        ApiFaults(broken_permille=1_000),
    ],
)
def test_every_other_trouble_is_payments_down_without_a_word_of_the_library(
    faults: ApiFaults,
) -> None:
    world = StripeWorld(Terms(api_faults=faults))
    with pytest.raises(PaymentsDown) as caught:
        world.payments.checkout(ASK)
    assert caught.value.__suppress_context__
    assert caught.value.args == ("payments_unavailable",)


def test_a_lost_answer_is_found_again_by_the_same_key() -> None:
    world = StripeWorld(Terms(api_faults=ApiFaults(lost_permille=500)))

    def asked() -> str:
        for _ in range(50):
            try:
                return world.payments.checkout(ASK).session
            except PaymentsDown:
                continue
        raise AssertionError

    assert {asked() for _ in range(10)} == set(world.company.world.sessions)


def test_a_key_of_another_kind_is_refused_without_being_told() -> None:
    def carry(*_: object) -> tuple[str, int, dict[str, str]]:
        return '{"error": {"type": "invalid_request_error", "message": "sk_live_x"}}', 401, {}

    payments = stripe_payments("sk_live_x", carrier=carry)
    with pytest.raises(PaymentsDown) as caught:
        payments.payouts(0)
    assert "sk_live" not in repr(caught.value)
    assert "sk_live" not in str(caught.value.message)


def canned(status: int, body: str) -> Payments:
    """Return payments at a company that always says the same."""
    return stripe_payments(KEY, carrier=lambda *_: (body, status, {}))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"id": "cs_1", "object": "checkout.session", "url": null, "expires_at": 1}'),
        (200, '{"id": "cs_1", "object": "checkout.session"}'),
        (200, "not JSON"),
        (200, "{}"),
        (429, '{"error": {"type": "rate_limit_error"}}'),
        (402, '{"error": {"type": "card_error", "code": "card_declined"}}'),
        (503, "<html>"),
    ],
)
def test_an_answer_that_makes_no_sense_is_payments_down(status: int, body: str) -> None:
    told = canned(status, body)
    for ask in (
        lambda: told.checkout(ASK),
        lambda: told.session("cs_1"),
        lambda: told.dispute("dp_1"),
        lambda: told.refund_state("re_1"),
        lambda: told.intent("pi_1"),
        lambda: told.notices(0),
        lambda: told.payouts(0),
    ):
        with pytest.raises(PaymentsDown):
            ask()


def test_a_refusal_that_names_no_payment_is_no_decline() -> None:
    refused = canned(402, '{"error": {"type": "card_error", "code": "card_declined"}}')
    with pytest.raises(PaymentsDown):
        refused.charge_saved(SavedCharge("k", "top_1", "cus_1", "pm_1", 500, "usd"))


def test_a_long_story_is_told_whole_and_from_its_beginning(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    world.company.pay(page.session)
    one = world.company.world.events[-1]
    many = [replace(one, id=f"evt_{number:05}") for number in range(10_050)]
    world.company.world.events[:] = many
    assert [each.event for each in world.payments.notices(0)] == [each.id for each in many]


def test_a_page_whose_bank_takes_days_has_not_ended(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    slow = world.company.world.sessions[page.session]  # as with a bank's debit
    slow.status = "complete"
    found = world.payments.session(page.session)
    assert (found.is_open, found.is_paid) == (True, False)


def test_a_reference_that_a_payer_chose_is_not_ours(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    link = world.company.world.sessions[page.session]  # as of a payment link with `?client_...`
    link.notes = {}
    assert link.reference == "top_1"
    assert world.payments.session(page.session).topup == ""


def test_a_payout_may_come_back(world: StripeWorld) -> None:
    world.paid()
    world.pass_seconds(9 * 86_400)
    (payout, *_) = world.payments.payouts(0)
    world.company.fail_payout(payout.ref)
    (now, *_) = world.payments.payouts(0)
    assert now.status is PayoutStatus.FAILED
    (back,) = [
        each
        for each in world.payments.movements(0, world.now_s + 1)
        if each.kind is MovementKind.PAYOUT_REVERSAL
    ]
    assert (back.about, back.cents) == (payout.ref, payout.cents)


def test_a_page_is_ended_unless_it_is_paid(world: StripeWorld) -> None:
    page = world.payments.checkout(ASK)
    for _ in range(2):
        world.payments.end_page(page.session)
    assert not world.payments.session(page.session).is_open
    paid = world.paid("top_2")
    world.payments.end_page(paid.ref)
    assert world.payments.session(paid.ref).is_paid
