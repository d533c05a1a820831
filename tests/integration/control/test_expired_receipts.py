"""Rows of single requests go when their time is over; their receipts are then gone, not unknown."""

import msgspec
import pytest

from tests.integration.control.test_usage_records import record
from troth.control import accounts, usage
from troth.control.audit import Actor
from troth.kernel import ids
from troth.kernel.clock import ManualClock
from troth.kernel.ids import made_at_ms
from troth.kernel.receipt_errors import ReceiptExpired
from troth.ledger import books
from troth.server.day_duties import close_days, forget_usage
from troth.server.document_duties import issue_months
from troth.server.management.reporting import export_batches, export_closes, export_opening
from troth.server.management.reports import show_receipt
from troth.server.management.statements import list_posted
from troth.server.office import Office

DAY_MS = 86_400_000
DAYS = 90


def keeping(office: Office) -> Office:
    return msgspec.structs.replace(office, usage_days=DAYS)


def used(office: Office) -> str:
    raw = office.maker.raw()
    request = ids.text("req", raw)
    made = record(1, request=request, started_at_ms=made_at_ms(raw))
    with office.store.write() as tx:
        usage.write(tx, [made])
    return request


def kept(office: Office) -> int:
    with office.store.read() as tx:
        return len(tx.rows("SELECT request FROM usage", (), tuple[bytes]))


def open_day(office: Office, clock: ManualClock) -> None:
    with office.store.write() as tx:
        books.open_wallet(tx, b"o" * 16, ids.text("org", b"o" * 16))
        credit = books.Credit("x", b"o" * 16, books.LotKind.PAID, 1)
        books.credit(tx, credit, 0, clock.now_ms())


def test_rows_go_after_their_days_and_an_old_id_is_gone_for_everybody(
    office: Office, clock: ManualClock
) -> None:
    here = keeping(office)
    open_day(here, clock)
    old = [used(here) for _ in range(3)]
    never = ids.text("req", here.maker.raw())
    clock.advance(DAYS * DAY_MS)
    young = used(here)
    close_days(here)
    forget_usage(here)
    assert kept(here) == 4  # the day that they were made on is not over for as long
    clock.advance(DAY_MS)
    close_days(here)
    forget_usage(here)
    assert kept(here) == 1
    for request in [*old, never]:
        assert usage.is_over(request, DAYS, clock.now_ms())
        with pytest.raises(ReceiptExpired):
            show_receipt(request, here)
    assert not usage.is_over(young, DAYS, clock.now_ms())
    assert show_receipt(young, here).status_code == 200
    with here.store.read() as tx:
        sums = usage.totals(tx, usage.Period(0, clock.now_ms()), "model")
    assert [each.count for each in sums] == [4]


def test_receipts_of_days_that_may_be_gone_are_not_listed_as_if_they_were_all(
    office: Office, clock: ManualClock
) -> None:
    here = keeping(office)
    with here.store.write() as tx:
        made = accounts.create(tx, Actor(0, clock.now_ms()), here.maker.raw(), "Ada")
    day = usage.date_of(clock.now_ms() // DAY_MS)
    assert list_posted(made.ref, day, here, limit=9).body == b"[]"
    clock.advance(DAYS * DAY_MS)
    assert list_posted(made.ref, day, here, limit=9).body == b"[]"
    clock.advance(DAY_MS)
    with pytest.raises(ReceiptExpired):
        list_posted(made.ref, day, here, limit=9)
    assert list_posted(made.ref, day, office, limit=9).body == b"[]"


def test_rows_stay_where_no_time_is_set(office: Office, clock: ManualClock) -> None:
    open_day(office, clock)
    request = used(office)
    clock.advance(4_000 * DAY_MS)
    forget_usage(office)
    assert kept(office) == 1
    assert not usage.is_over(request, 0, clock.now_ms())


def test_rows_stay_until_their_day_is_closed(office: Office, clock: ManualClock) -> None:
    here = keeping(office)
    open_day(here, clock)
    used(here)
    clock.advance(200 * DAY_MS)
    forget_usage(here)
    assert kept(here) == 1
    close_days(here)
    forget_usage(here)
    assert kept(here) == 0


def charges(office: Office) -> int:
    with office.store.read() as tx:
        return tx.number("SELECT count(*) FROM charge")


def test_no_charge_leaves_while_the_ledger_is_exported(office: Office, clock: ManualClock) -> None:
    here = keeping(office)
    open_day(here, clock)
    with here.store.write() as tx:
        day = tx.number("SELECT day FROM open_day")
        tx.execute(
            "INSERT INTO charge (desk, batch, n, dr, cr, amount, count, day)"
            " VALUES (0, 1, 0, ?, ?, 1, 1, ?)",
            (b"w" + b"o" * 16, b"=promo_expense/00", day),
        )
        tx.execute("UPDATE book SET posted = posted - 1 WHERE floor0 = 1")
        tx.execute(
            "INSERT INTO book (id, kind, floor0, posted) VALUES (?, 'promo_expense', 0, 1)",
            (b"=promo_expense/00",),
        )
    clock.advance(200 * DAY_MS)
    close_days(here)
    issue_months(here)
    export_opening(here)
    forget_usage(here)
    clock.advance(59_000)
    export_closes(here, -1, 1)
    clock.advance(59_000)
    export_batches(here, 0, 0, 1)
    clock.advance(59_999)
    forget_usage(here)
    assert charges(here) == 1
    clock.advance(1)
    forget_usage(here)
    assert charges(here) == 0


@pytest.mark.parametrize("request_id", ["", "req_x", "nonsense", "key_" + "0" * 32])
def test_what_is_no_request_is_not_over(request_id: str) -> None:
    assert not usage.is_over(request_id, DAYS, 10**13)
