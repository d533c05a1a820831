"""Once a day all rules are checked on all of the books; one that does not hold stops money work."""

import pytest

from troth.control import accounts
from troth.kernel.clock import ManualClock
from troth.kernel.log import Log
from troth.ledger.books import Credit, LotKind, credit
from troth.server.books_check import BooksCheck
from troth.server.day_duties import close_days
from troth.server.office import Office


class Standing:
    """Who moves money."""

    def __init__(self) -> None:
        self.is_broken = False


@pytest.fixture
def funded(office: Office, ada: accounts.Organization) -> accounts.Organization:
    with office.store.write() as tx:
        wanted = Credit("first", ada.raw, LotKind.PAID, 500)
        credit(tx, wanted, 0, office.clock.now_ms())
    return ada


def stands(desk: Standing) -> bool:
    """Tell whether money work has stopped."""
    return desk.is_broken


def tamper(office: Office, sql: str) -> None:
    """Change the books as somebody with all rights would."""
    with office.store.write() as tx:
        tx.execute(sql)


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("UPDATE book SET posted = posted + 1 WHERE kind = 'stripe_clearing'", [1]),
        ("UPDATE lot SET granted = granted + 1", [7, 8]),
        ("UPDATE book SET held = 3 WHERE kind = 'wallet'", [11]),
    ],
)
@pytest.mark.usefixtures("funded")
def test_a_rule_that_does_not_hold_is_found_the_next_night(
    office: Office, clock: ManualClock, sql: str, rules: list[int]
) -> None:
    desk, lines = Standing(), list[bytes]()
    check = BooksCheck(desk, Log(lines.append, clock, "control"))
    check.turn(office)
    assert (stands(desk), lines) == (False, [])
    tamper(office, sql)
    check.turn(office)  # not before the next day is closed
    assert not stands(desk)
    with office.store.write() as tx:
        tx.execute("UPDATE open_day SET day = day + 1")
    check.turn(office)
    assert stands(desk)
    told = b"".join(lines)
    assert told.count(b"MoneyStopped") == len(rules)
    assert all(b'"rule":%d' % rule in told for rule in rules)


@pytest.mark.usefixtures("funded")
def test_sound_books_are_checked_day_after_day_and_nothing_is_said(
    office: Office, clock: ManualClock
) -> None:
    desk, lines = Standing(), list[bytes]()
    check = BooksCheck(desk, Log(lines.append, clock, "control"))
    for _ in range(3):
        clock.advance(86_400_000)
        close_days(office)
        check.turn(office)
    assert (stands(desk), lines) == (False, [])
