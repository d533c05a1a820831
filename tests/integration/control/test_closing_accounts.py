"""Closing an account: all that was bought and not used goes back, and the wallet ends at zero."""

import pytest
from msgspec.structs import replace

from tests.builders.paying_office import PayingOffice
from tests.builders.payment_company import GONE_CARD
from troth.control import accounts, audit, billing, keys, promotions
from troth.control.billing import NUSD_PER_CENT, Asked, Rule, Statement, TopupState
from troth.kernel.clock import ManualClock
from troth.kernel.errors import InvalidValue
from troth.ledger import books
from troth.ledger.books import OperatorBook
from troth.server.office import DESK
from troth.server.payments import balance, incoming, outgoing

DAY = 86_400_000


def close(paying: PayingOffice) -> Statement:
    return outgoing.start_closing(paying.office, paying.actor, "acme")


def gift(paying: PayingOffice, org: bytes, cents: int) -> None:
    with paying.office.store.write() as tx:
        given = books.Credit("gift", org, books.LotKind.PROMO, cents * NUSD_PER_CENT)
        books.credit(tx, given, DESK, paying.clock.now_ms())


def arrive(paying: PayingOffice) -> None:
    for ref in paying.company.refunds:
        paying.company.refund_done(ref)
    paying.hear()


def test_an_account_closes_in_order(paying: PayingOffice, clock: ManualClock) -> None:
    acme = paying.organization("acme")
    gift(paying, acme, 500)
    paying.buy("acme", 1_000, saves_card=True)
    clock.advance(DAY)
    paying.buy("acme", 2_000)
    paying.seat.spend(acme, 600 * NUSD_PER_CENT + 7)
    begun = close(paying)
    assert (begun.state, begun.balance_nusd) == ("refunding", 0)
    arrive(paying)
    done = close(paying)
    assert (done.state, done.balance_nusd) == ("closed", 0)
    assert done.bought_nusd == 3_000 * NUSD_PER_CENT
    assert done.given_nusd == 500 * NUSD_PER_CENT
    assert done.charged_nusd == 600 * NUSD_PER_CENT + 7
    assert done.refunded_nusd == 2_899 * NUSD_PER_CENT
    assert done.ended_nusd == NUSD_PER_CENT - 7  # less than a cent cannot be paid out
    assert paying.wallet(acme) == 0
    with paying.office.store.read() as tx:
        assert books.balance(tx, OperatorBook.BREAKAGE) == NUSD_PER_CENT - 7
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0
    assert balance.reconcile(paying.office).is_even
    paying.verify()


def test_gifts_go_back_to_who_gave_them(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    gift(paying, acme, 500)
    done = close(paying)
    assert (done.state, done.ended_nusd) == ("closed", 500 * NUSD_PER_CENT)
    assert paying.book(OperatorBook.PROMO_EXPENSE) == 0


def test_closing_waits_for_what_gateways_hold(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 300 * NUSD_PER_CENT)
    assert close(paying).state == "recalling"
    assert paying.company.refunds == {}
    paying.seat.charge(acme, 100 * NUSD_PER_CENT)
    paying.seat.give_back(acme, 200 * NUSD_PER_CENT)
    outgoing.close_accounts(paying.office)
    arrive(paying)
    outgoing.close_accounts(paying.office)
    done = close(paying)
    assert (done.state, done.refunded_nusd) == ("closed", 900 * NUSD_PER_CENT)


def test_a_closed_account_takes_no_more(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True)
    close(paying)
    with pytest.raises(InvalidValue, match="invalid_value"):
        paying.page("acme")
    with paying.office.store.write() as tx:
        owner = replace(accounts.named(tx, "acme"), frozen_at_ms=0)
        rule = Rule(0, 1_000, 2_000)
        with pytest.raises(InvalidValue):
            billing.set_rule(tx, paying.till, paying.actor, owner, rule=rule)
        assert billing.saved_card(tx, paying.till, acme) == (None, None)
        assert owner.raw == acme


def test_what_is_paid_after_all_is_sent_back(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    ref, session = paying.page("acme", 1_000)
    paying.company.down = 1
    assert close(paying).state == "recalling"
    paying.company.pay(session)  # before anybody could end the page
    incoming.look_after(paying.office, ref)
    outgoing.close_accounts(paying.office)
    arrive(paying)
    outgoing.close_accounts(paying.office)
    done = close(paying)
    assert (done.state, done.refunded_nusd) == ("closed", 1_000 * NUSD_PER_CENT)
    assert paying.wallet(acme) == 0


def test_what_cannot_go_back_is_owed_until_it_is_paid_by_hand(
    paying: PayingOffice, clock: ManualClock
) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000, saves_card=True, card=GONE_CARD)
    close(paying)
    outgoing.close_accounts(paying.office)
    done = close(paying)
    assert (done.state, done.owed_nusd) == ("closed", 1_000 * NUSD_PER_CENT)
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 1_000
    clock.advance(4 * DAY)
    (item,) = balance.remind(paying.office)
    assert item.kind == "refund_by_hand"
    balance.resolve(paying.office, paying.actor, item.ref)
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 0
    assert close(paying).owed_nusd == 0


def test_a_refund_that_fails_after_closing_is_owed_too(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    close(paying)
    arrive(paying)
    assert close(paying).state == "closed"
    paying.company.refund_failed(*paying.company.refunds)
    paying.hear()
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 1_000
    assert paying.kinds() == ["refund_by_hand"]
    assert balance.reconcile(paying.office).is_even


def test_a_dispute_holds_the_closing_up_until_it_is_decided(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    dispute = paying.company.dispute_opened(paying.buy("acme", 1_000))
    paying.hear()
    assert close(paying).state == "refunding"
    paying.company.dispute_ended(dispute.ref, is_won=True)
    paying.hear()
    outgoing.close_accounts(paying.office)
    arrive(paying)
    outgoing.close_accounts(paying.office)
    assert close(paying).state == "closed"
    assert paying.wallet(acme) == 0


def test_closing_ends_keys_and_freezes(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    office = paying.office
    minted = keys.mint(office.maker, office.entropy)
    with office.store.write() as tx:
        wanted = (accounts.named(tx, "acme"), keys.Terms(name="k"))
        issued = keys.issue(tx, paying.actor, minted, wanted)
    close(paying)
    close(paying)
    with office.store.read() as tx:
        assert [key.public_id for key in keys.live(tx, paying.clock.now_ms())] == []
        assert keys.find(tx, issued.key.ref).revoked_at_ms
        assert accounts.find(tx, issued.key.org).raw == acme
        assert accounts.named(tx, "acme").frozen_at_ms
        actions = [entry.action for entry in audit.recent(tx, 9)]
    assert actions.count("organization.close") == actions.count("organization.closed") == 1


def test_a_refund_of_before_that_fails_after_closing_is_owed(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    outgoing.start_refund(paying.office, paying.actor, "acme", Asked(400))
    arrive(paying)
    close(paying)
    arrive(paying)
    assert close(paying).state == "closed"
    first = next(iter(paying.company.refunds))
    paying.company.refund_failed(first)
    paying.hear()
    assert paying.wallet(acme) == 0
    assert paying.book(OperatorBook.REFUNDS_PAYABLE) == 400
    assert close(paying).owed_nusd == 400 * NUSD_PER_CENT
    assert paying.kinds() == ["refund_by_hand"]
    paying.verify()


def test_what_a_lost_dispute_left_of_its_payment_is_paid_by_hand(paying: PayingOffice) -> None:
    acme = paying.organization("acme")
    dispute = paying.company.dispute_opened(paying.buy("acme", 1_000), 400)
    paying.hear()
    assert close(paying).state == "refunding"
    paying.company.dispute_ended(dispute.ref, is_won=False)
    paying.hear()
    outgoing.close_accounts(paying.office)
    done = close(paying)
    assert (done.state, done.balance_nusd) == ("closed", 0)
    assert (done.disputed_nusd, done.owed_nusd) == (400 * NUSD_PER_CENT, 600 * NUSD_PER_CENT)
    assert paying.wallet(acme) == 0
    assert paying.kinds() == ["refund_by_hand"]
    assert paying.company.refunds == {}
    paying.verify()


def test_a_closed_account_gets_nothing_by_any_door(paying: PayingOffice) -> None:
    paying.organization("acme")
    code = promotions.CodeTerms(NUSD_PER_CENT)
    minted = keys.mint(paying.office.maker, paying.office.entropy)
    with paying.office.store.write() as tx:
        made = (paying.office.maker.raw(), bytes(16))
        text = promotions.create(tx, paying.actor, made, code).text
    close(paying)
    with paying.office.store.read() as tx:
        owner = accounts.named(tx, "acme")
    doors = (
        lambda tx: accounts.thaw(tx, paying.actor, owner.ref),
        lambda tx: keys.issue(tx, paying.actor, minted, (owner, keys.Terms(name="k"))),
        lambda tx: promotions.redeem(tx, paying.actor, owner, promotions.digest_of(text)),
        lambda tx: accounts.refuse_closed(tx, owner),
    )
    for door in doors:
        with pytest.raises(InvalidValue) as refused, paying.office.store.write() as tx:
            door(tx)
        assert refused.value.param == "organization"
    assert paying.wallet(owner.raw) == 0


def test_a_page_that_is_open_is_ended_with_its_account(paying: PayingOffice) -> None:
    paying.organization("acme")
    ref, session = paying.page("acme", 1_000)
    assert close(paying).state == "closed"
    assert not paying.company.sessions[session].is_open
    assert paying.topup(ref).state is TopupState.EXPIRED
    close(paying)
    assert paying.company.calls.count("end_page") == 1
