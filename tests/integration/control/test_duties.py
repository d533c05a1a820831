"""What the desk does by itself: when, and what a fault leaves undone."""

from troth.control import accounts
from troth.control.audit import Actor
from troth.kernel.clock import ManualClock
from troth.kernel.errors import Overloaded
from troth.kernel.log import Log
from troth.ledger import books
from troth.ledger.books.days import GUARDED_DAYS
from troth.server.duties import DUTIES, Duties, Duty
from troth.server.log_lines import DutyName
from troth.server.office import DESK, Office
from troth.store.transaction import Locked

MS_OF_DAY = 86_400_000


def closed_days(office: Office) -> list[int]:
    with office.store.read() as tx:
        rows = tx.rows("SELECT DISTINCT day FROM day_close ORDER BY day", (), tuple[int])
    return [day for (day,) in rows]


def test_days_that_are_over_are_closed_one_by_one(
    office: Office, clock: ManualClock, actor: Actor
) -> None:
    with office.store.write() as tx:
        owner = accounts.create(tx, actor, office.maker.raw(), "acme")
        credit = books.Credit("first", owner.raw, books.LotKind.PAID, 5)
        books.credit(tx, credit, DESK, clock.now_ms())
    first = clock.now_ms() // MS_OF_DAY
    lines: list[bytes] = []
    duties = Duties(office, DUTIES, clock=clock, log=Log(lines.append, clock, "control"))
    duties.turn()
    assert closed_days(office) == []
    clock.advance(3 * MS_OF_DAY)
    duties.turn()
    assert closed_days(office) == [first, first + 1, first + 2]
    assert lines == []


def test_guards_that_nothing_needs_any_more_are_dropped(office: Office, clock: ManualClock) -> None:
    ids = [office.maker.raw() for _ in range(3)]
    with office.store.write() as tx:
        tx.insert("INSERT INTO seen (reservation, day) VALUES (?, ?)", [(one, 0) for one in ids])
    lines: list[bytes] = []
    duties = Duties(office, DUTIES, clock=clock, log=Log(lines.append, clock, "control"))

    def kept() -> int:
        with office.store.read() as tx:
            return len(tx.rows("SELECT reservation FROM seen"))

    clock.advance(GUARDED_DAYS * MS_OF_DAY)
    duties.turn()
    assert kept() == 3
    clock.advance(MS_OF_DAY)
    duties.turn()
    assert kept() == 0
    assert lines == []


def test_a_duty_that_fails_is_told_and_the_others_go_on(office: Office, clock: ManualClock) -> None:
    lines: list[bytes] = []
    done: list[int] = []

    def failing(_: Office) -> None:
        raise Overloaded

    def busy(_: Office) -> None:
        raise Locked

    def counting(here: Office) -> None:
        done.append(here.clock.now_ms())

    mine = [Duty(DutyName.CLOSE_DAYS, 1_000, work) for work in (failing, busy, counting)]
    duties = Duties(office, mine, clock=clock, log=Log(lines.append, clock, "control"))
    assert duties.turn() == 1_000
    assert duties.turn() == 1_000
    clock.advance(1_000)
    duties.turn()
    assert len(done) == 2
    assert [b"DutyFailed" in line for line in lines] == [True, True]
