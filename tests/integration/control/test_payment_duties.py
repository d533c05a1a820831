"""What is done about payments by itself: when, what a fault leaves undone, what a person hears."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from typing_extensions import override

from tests.builders.paying_office import TERMS, PayingOffice
from troth.control import billing
from troth.control.billing import NUSD_PER_CENT, Asked
from troth.kernel.clock import ManualClock
from troth.kernel.content import Content
from troth.kernel.errors import InvariantBroken, Misconfigured
from troth.kernel.ids import IdMaker, system_entropy
from troth.kernel.log import Log
from troth.kernel.sealer import Sealer
from troth.ledger import books
from troth.server.cashier import cashier_of_settings
from troth.server.duties import Duties
from troth.server.office import NoGateways, Office
from troth.server.payment_duties import payment_duties
from troth.server.payment_settings import PaymentSettings
from troth.server.payments import outgoing
from troth.server.sealing import PAYMENTS_KEY, sealing_key
from troth.server.webhooks import Webhooks

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Turning:
    """The duties of an office, and what they write to the log."""

    def __init__(self, paying: PayingOffice, clock: ManualClock) -> None:
        self.clock = clock
        self.lines: list[bytes] = []
        log = Log(self.lines.append, clock, "control")
        self.duties = Duties(paying.office, payment_duties(log), clock=clock, log=log)
        self.duties.turn()

    def after(self, ms: int) -> None:
        self.clock.advance(ms)
        self.duties.turn()

    def events(self) -> list[str]:
        return [line.decode().partition('"event":"')[2].partition('"')[0] for line in self.lines]


def test_a_lost_webhook_is_made_up_for_within_ten_minutes(
    paying: PayingOffice, clock: ManualClock
) -> None:
    turning = Turning(paying, clock)
    acme = paying.organization("acme")
    _, session = paying.page("acme", 800)
    paying.company.pay(session)
    paying.company.events.clear()
    turning.after(9 * MINUTE)
    assert paying.cents(acme) == 0
    turning.after(MINUTE)
    assert paying.cents(acme) == 800
    assert turning.lines == []


def test_all_that_is_due_is_done(paying: PayingOffice, clock: ManualClock) -> None:
    turning = Turning(paying, clock)
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.company.mute = 1
    outgoing.start_refund(paying.office, paying.actor, "acme", Asked(400))
    turning.after(2 * MINUTE)
    with paying.office.store.read() as tx:
        assert [each.state.value for each in billing.refunds_of(tx, acme, 9)] == ["sent"]
    paying.company.mute = 1
    outgoing.start_closing(paying.office, paying.actor, "acme")
    turning.after(2 * MINUTE)
    for ref in paying.company.refunds:
        paying.company.refund_done(ref)
    turning.after(HOUR)
    turning.after(MINUTE)
    with paying.office.store.read() as tx:
        assert billing.closings(tx) == []
    assert paying.wallet(acme) == 0
    assert turning.lines == []


def test_what_differs_and_what_waits_is_told(paying: PayingOffice, clock: ManualClock) -> None:
    turning = Turning(paying, clock)
    paying.company.charge_elsewhere(900)
    turning.after(6 * HOUR)
    assert turning.events() == ["PaymentsUneven"]
    assert b'"gaps":1' in turning.lines[0]
    turning.after(6 * HOUR)
    turning.after(3 * DAY)
    assert "PaymentsWaiting" in turning.events()


def test_a_company_that_is_down_is_one_line_and_tried_again(
    paying: PayingOffice, clock: ManualClock
) -> None:
    turning = Turning(paying, clock)
    paying.company.down = 1
    turning.after(HOUR)
    assert turning.events() == ["DutyFailed"]
    turning.after(HOUR)
    assert turning.events() == ["DutyFailed"]


def test_idle_loans_are_called_back_before_a_refund(office: Office) -> None:
    paying = PayingOffice(office)
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 900 * NUSD_PER_CENT)

    class Answering(NoGateways):
        """Marks the loan, as a desk does; the gateway answers when it is asked about again."""

        @override
        def call_back(self, purse: bytes) -> None:
            assert purse == books.wallet_purse(acme)
            with office.store.write() as tx:
                assert paying.seat.teller.call_back(tx, purse)
            paying.seat.give_back(acme, 900 * NUSD_PER_CENT)

    paying.office = replace(paying.office, gateways=Answering())
    (begun,) = outgoing.start_refund(paying.office, paying.actor, "acme", Asked())
    assert begun.cents == 1_000


def test_who_does_not_answer_a_recall_keeps_its_loan(office: Office) -> None:
    paying = PayingOffice(office)
    acme = paying.organization("acme")
    paying.buy("acme", 1_000)
    paying.seat.borrow(acme, 900 * NUSD_PER_CENT)

    class Silent(NoGateways):
        @override
        def call_back(self, purse: bytes) -> None:
            with office.store.write() as tx:
                paying.seat.teller.call_back(tx, purse)

    paying.office = replace(paying.office, gateways=Silent())
    (begun,) = outgoing.start_refund(paying.office, paying.actor, "acme", Asked())
    assert begun.cents == 100


def test_a_refund_without_kept_references_finds_its_payment(office: Office) -> None:
    bare = PayingOffice(office, replace(TERMS, keeps_references=False))
    acme = bare.organization("acme")
    ref, session = bare.page("acme", 800)
    bare.company.pay(session)
    bare.hear()
    outgoing.start_refund(bare.office, bare.actor, "acme", Asked(300))
    assert [each.cents for each in bare.company.refunds.values()] == [300]
    bare.company.refund_done(*bare.company.refunds)
    assert isinstance(bare.clock, ManualClock)
    bare.clock.advance(2 * HOUR)
    outgoing.drive_refunds(bare.office)  # its reference is not known: the notice must tell
    bare.hear()
    with bare.office.store.read() as tx:
        assert [each.state.value for each in billing.refunds_of(tx, acme, 9)] == ["done"]
    bare.company.intents.clear()
    (lost,) = outgoing.start_refund(bare.office, bare.actor, "acme", Asked(100))
    assert lost.state.value == "returned"
    assert bare.topup(ref).state.value == "paid"


def test_more_webhooks_than_can_wait_are_asked_for_again(paying: PayingOffice) -> None:
    lines: list[bytes] = []
    log = Log(lines.append, paying.clock, "control")
    hooks = Webhooks(paying.office, paying.envelope, log, room=1)
    with paying.office.store.write():  # nothing is dealt with meanwhile
        paying.company.charge_elsewhere(100)
        body, mark = paying.envelope.seal(paying.company.events[-1], paying.clock.now_ms() // 1_000)
        first = hooks.submit(Content([body]), mark.encode())
        assert hooks.submit(Content([body]), mark.encode()).result(1) == 503
    assert first.result(5) == 200
    hooks.stop()


def test_the_sealing_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    key = sealing_key(tmp_path, PAYMENTS_KEY, system_entropy)
    assert sealing_key(tmp_path, PAYMENTS_KEY, system_entropy) == key
    assert (tmp_path / "payments.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "payments.key").write_bytes(b"short")
    with pytest.raises(Misconfigured, match="is damaged; restore it from a backup"):
        sealing_key(tmp_path, PAYMENTS_KEY, system_entropy)
    with pytest.raises(Misconfigured, match="check who owns the folder"):
        sealing_key(tmp_path / "nowhere", PAYMENTS_KEY, system_entropy)


def test_a_sealed_reference_that_was_changed_is_not_believed() -> None:
    sealer = Sealer(b"k" * 32, system_entropy)
    sealed = sealer.seal("pm_" + "1" * 90)
    assert sealer.unseal(sealed) == "pm_" + "1" * 90
    assert sealer.seal("pm_1") != sealer.seal("pm_1")
    other = Sealer(b"l" * 32, system_entropy)
    assert sealer.mark("pm_1") == sealer.mark("pm_1") != other.mark("pm_1")
    for at in (0, 20, len(sealed) - 1):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(InvariantBroken):
            sealer.unseal(changed)
    with pytest.raises(InvariantBroken):
        other.unseal(sealed)


def test_settings_become_terms(tmp_path: Path, clock: ManualClock) -> None:
    maker = IdMaker(clock)
    assert cashier_of_settings(PaymentSettings(), tmp_path, maker, system_entropy) is None
    settings = PaymentSettings(
        kind="stripe", topup_min_usd="7.50", references="none", refund_fee="organization"
    )
    found = cashier_of_settings(settings, tmp_path, maker, system_entropy)
    assert found is not None
    assert found.envelope is None
    assert found.till.terms.topup_cents_min == 750
    assert not found.till.terms.keeps_references
    assert found.till.terms.refund_fee == "organization"
